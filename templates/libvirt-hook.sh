#!/bin/sh
# Lets every TAP of libvirt's domains take large frames of one IP ID, at each start: senders such as FreeBSD and macOS
# give all packets one. Put it at /etc/libvirt/hooks/qemu.d/mangleid (libvirt before 6.5: /etc/libvirt/hooks/qemu), mode
# 0755, and restart libvirt's daemon once. It calls nothing of libvirt's, and does nothing else.
[ "$2 $3" = "started begin" ] || [ "$2 $3" = "reconnect begin" ] || exit 0
sed -n "s/.*<target dev='\([A-Za-z0-9_.-]*\)'.*/\1/p" | while read -r tap; do
    [ ! -e "/sys/class/net/$tap/tun_flags" ] || ethtool -K "$tap" tx-tcp-mangleid-segmentation on >/dev/null 2>&1
done
exit 0
