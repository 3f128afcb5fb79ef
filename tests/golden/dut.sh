#!/bin/sh
# dut of lab lab: makes bridge, TAPs and overlays, runs QEMU in the foreground, and at its
# end takes bridge, TAPs and sockets back; overlays, firmware variables and TPM state stay for the next run.
# Rendered by rscvm; needs root, ip and QEMU, nothing of rscvm's. The guest's console is this
# terminal; ending the script ends QEMU.
set -eu

undo=
later() { undo="$1
$undo"; }
qemu=
# shellcheck disable=SC2329
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    if [ -n "$qemu" ]; then
        kill "$qemu" 2>/dev/null || :
        wait "$qemu" || :
    fi
    eval "$undo"
    exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Which accelerator really works, and how fast. A /dev/kvm can open, create VMs and still run a guest
# slower than TCG (nested, without hardware help); only running something tells.
# A boot sector counts down from 100,000,000 and then writes 0x10 to isa-debug-exit, so that QEMU ends
# with status 0x21. Prints `NAME MILLISECONDS`, or `NAME late WORDS`, `NAME denied WORDS`
# (no right to /dev/kvm) or `NAME failed WORDS` for tcg and kvm;
# kvm is ended, and said to be slower, once it has taken three times as long as tcg.
probe_accelerators() (
    qemu=$1
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    # 66 b9 00 e1 f5 05  mov ecx, 100000000    66 49  dec ecx    75 fc  jnz    b0 10  mov al, 16    e6 f4  out 0xf4, al    f4  hlt
    { printf '\146\271\000\341\365\005\146\111\165\374\260\020\346\364\364'; head -c 495 /dev/zero; printf '\125\252'; } >"$work/boot"
    limit=20
    for accel in tcg kvm; do
        start=$(date +%s%N)
        status=0 # and `|| status`, because `set -e` in the caller reaches in here
        said=$(timeout "$limit" "$qemu" -nodefaults -no-user-config -machine pc,accel="$accel" -m 16 -display none \
            -device isa-debug-exit,iobase=0xf4,iosize=1 -drive file="$work/boot",format=raw,if=ide 2>&1) || status=$?
        ended=$(date +%s%N)
        if [ "$status" = 33 ]; then
            took=$(( (ended - start) / 1000000 ))
            echo "$accel $took"
            limit=$(( took * 3 / 1000 + 2 ))
        elif [ "$status" = 124 ]; then
            echo "$accel late it did not run 100 million instructions within $limit s"
        else
            why=failed
            if [ "$accel" = kvm ] && [ -c /dev/kvm ] && ! { [ -r /dev/kvm ] && [ -w /dev/kvm ]; }; then why=denied; fi
            echo "$accel $why $(printf '%s' "$said" | tail -n 1)"
        fi
    done
)

have() { command -v "$1" >/dev/null || { echo "$1 not found" >&2; exit 3; }; }
have qemu-system-x86_64
have ip

# A QEMU that runs has taken everything below, and is known by its monitor.
monitor=socket,id=monitor,path=/var/lib/rscvm/lab/dut.qmp,server=on,wait=off
if grep -qszxF -e "$monitor" /proc/[0-9]*/cmdline; then
    echo 'dut runs already' >&2
    exit 3
fi

accel=tcg
if [ "$accel" = auto ]; then
    times=$(probe_accelerators qemu-system-x86_64)
    tcg=$(printf '%s\n' "$times" | sed -n 's/^tcg \([0-9]*\)$/\1/p')
    kvm=$(printf '%s\n' "$times" | sed -n 's/^kvm \([0-9]*\)$/\1/p')
    accel=tcg
    if [ -n "$kvm" ] && { [ -z "$tcg" ] || [ "$kvm" -le "$tcg" ]; }; then accel=kvm; fi
    echo "accelerator: $accel" >&2
fi
vhost=plain
if [ "$accel" = kvm ] && [ -c /dev/vhost-net ] && (: <>/dev/vhost-net) 2>/dev/null; then vhost=vhost; fi

directory=/var/lib/rscvm/lab
mkdir -p -- "$directory"
later 'rmdir --ignore-fail-on-non-empty -- "$directory"'
later 'rm -f -- /var/lib/rscvm/lab/dut.pid /var/lib/rscvm/lab/dut.started /var/lib/rscvm/lab/dut.log /var/lib/rscvm/lab/dut.qmp /var/lib/rscvm/lab/dut.agent /var/lib/rscvm/lab/dut.vnc'

if ! ip link show dev br-lab >/dev/null 2>&1; then
    ip link add name br-lab address 52:82:e2:ef:a8:ec type bridge stp_state 0 forward_delay 0
    later 'ip link del dev br-lab'
    ip link set dev br-lab mtu 9000
    ip address add 10.9.0.1/24 dev br-lab
    ip link set dev br-lab up
    ip link set dev br-lab alias 'rscvm lab - br-lab 0489e345dea9'
fi

# QEMU's HCK engine breaks all traffic but the test's: nothing else may be on its bridge.
allowed=' 1806c03a-dut '
for port in /sys/class/net/br-hck/brif/*; do
    [ -e "$port" ] || continue
    case $allowed in
        *" ${port##*/} "*) ;;
        *) echo 'dut is for HCK, and br-hck carries' "${port##*/}" >&2; exit 3 ;;
    esac
done

ip tuntap add dev 1806c03a-dut mode tap vnet_hdr
later 'ip link del dev 1806c03a-dut'
ip link set dev 1806c03a-dut master br-hck
ip link set dev 1806c03a-dut up
ip link set dev 1806c03a-dut alias 'rscvm lab dut net0 0489e345dea9'

ip tuntap add dev f1be2027-dut mode tap vnet_hdr
later 'ip link del dev f1be2027-dut'
ip link set dev f1be2027-dut up
ip link set dev f1be2027-dut alias 'rscvm lab dut net1 0489e345dea9'

ip tuntap add dev 46c3b083-dut mode tap vnet_hdr
later 'ip link del dev 46c3b083-dut'
ip link set dev 46c3b083-dut master br-lab
ip link set dev 46c3b083-dut up
ip link set dev 46c3b083-dut alias 'rscvm lab dut net2 0489e345dea9'

case $accel-$vhost in
kvm-vhost)
    set -- qemu-system-x86_64 -name guest=dut,debug-threads=on -nodefaults -no-user-config -machine q35,vmport=off -accel kvm -cpu host -m size=524288k -smp 2,sockets=1,cores=2,threads=1 -uuid 33e70a01-3864-59c7-b275-0f1eca5ec407 -rtc base=utc -boot strict=on -kernel /srv/vmlinuz -initrd /srv/initrd.gz -append 'console=ttyS0 a=<&>,$(x) '"'"'y'"'"'' -device pcie-root-port,id=port-ua-net0,chassis=1,addr=2.0,multifunction=on -device pcie-root-port,id=port-ua-net1,chassis=2,addr=2.1 -device pcie-root-port,id=port-ua-net2,chassis=3,addr=2.2 -device pcie-root-port,id=port-channels,chassis=4,addr=2.3 -device pcie-root-port,id=port-rng,chassis=5,addr=2.4 -device pcie-root-port,id=port-spare0,chassis=6,addr=2.5 -device pcie-root-port,id=port-spare1,chassis=7,addr=2.6 -device pcie-root-port,id=port-spare2,chassis=8,addr=2.7 -device pcie-root-port,id=port-spare3,chassis=9,addr=3.0,multifunction=on -device pcie-root-port,id=port-spare4,chassis=10,addr=3.1 -device pcie-root-port,id=port-spare5,chassis=11,addr=3.2 -device pcie-root-port,id=port-spare6,chassis=12,addr=3.3 -device pcie-root-port,id=port-spare7,chassis=13,addr=3.4 -netdev tap,id=host-net0,ifname=1806c03a-dut,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=host-net0,id=ua-net0,mac=52:e3:62:36:30:70,bus=port-ua-net0,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=on,guest_tso4=on,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on,guest_rsc_ext=on,rsc_interval=1000000 -netdev tap,id=host-net1,ifname=f1be2027-dut,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=host-net1,id=ua-net1,mac=52:36:9e:7c:7e:ca,bus=port-ua-net1,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on -netdev tap,id=host-net2,ifname=46c3b083-dut,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=host-net2,id=ua-net2,mac=52:1e:c0:48:8a:19,bus=port-ua-net2,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,host_uso=off,guest_csum=on,guest_tso4=off,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=off -device virtio-serial-pci,id=channels,bus=port-channels -chardev socket,id=agent,path=/var/lib/rscvm/lab/dut.agent,server=on,wait=off -device virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0 -chardev stdio,id=console,signal=off -serial chardev:console -object rng-random,id=random,filename=/dev/urandom -device virtio-rng-pci,id=rng,rng=random,bus=port-rng -chardev socket,id=monitor,path=/var/lib/rscvm/lab/dut.qmp,server=on,wait=off -mon chardev=monitor,mode=control -display none
    ;;
kvm-plain)
    set -- qemu-system-x86_64 -name guest=dut,debug-threads=on -nodefaults -no-user-config -machine q35,vmport=off -accel kvm -cpu host -m size=524288k -smp 2,sockets=1,cores=2,threads=1 -uuid 33e70a01-3864-59c7-b275-0f1eca5ec407 -rtc base=utc -boot strict=on -kernel /srv/vmlinuz -initrd /srv/initrd.gz -append 'console=ttyS0 a=<&>,$(x) '"'"'y'"'"'' -device pcie-root-port,id=port-ua-net0,chassis=1,addr=2.0,multifunction=on -device pcie-root-port,id=port-ua-net1,chassis=2,addr=2.1 -device pcie-root-port,id=port-ua-net2,chassis=3,addr=2.2 -device pcie-root-port,id=port-channels,chassis=4,addr=2.3 -device pcie-root-port,id=port-rng,chassis=5,addr=2.4 -device pcie-root-port,id=port-spare0,chassis=6,addr=2.5 -device pcie-root-port,id=port-spare1,chassis=7,addr=2.6 -device pcie-root-port,id=port-spare2,chassis=8,addr=2.7 -device pcie-root-port,id=port-spare3,chassis=9,addr=3.0,multifunction=on -device pcie-root-port,id=port-spare4,chassis=10,addr=3.1 -device pcie-root-port,id=port-spare5,chassis=11,addr=3.2 -device pcie-root-port,id=port-spare6,chassis=12,addr=3.3 -device pcie-root-port,id=port-spare7,chassis=13,addr=3.4 -netdev tap,id=host-net0,ifname=1806c03a-dut,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=host-net0,id=ua-net0,mac=52:e3:62:36:30:70,bus=port-ua-net0,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=on,guest_tso4=on,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on,guest_rsc_ext=on,rsc_interval=1000000 -netdev tap,id=host-net1,ifname=f1be2027-dut,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=host-net1,id=ua-net1,mac=52:36:9e:7c:7e:ca,bus=port-ua-net1,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on -netdev tap,id=host-net2,ifname=46c3b083-dut,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=host-net2,id=ua-net2,mac=52:1e:c0:48:8a:19,bus=port-ua-net2,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,host_uso=off,guest_csum=on,guest_tso4=off,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=off -device virtio-serial-pci,id=channels,bus=port-channels -chardev socket,id=agent,path=/var/lib/rscvm/lab/dut.agent,server=on,wait=off -device virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0 -chardev stdio,id=console,signal=off -serial chardev:console -object rng-random,id=random,filename=/dev/urandom -device virtio-rng-pci,id=rng,rng=random,bus=port-rng -chardev socket,id=monitor,path=/var/lib/rscvm/lab/dut.qmp,server=on,wait=off -mon chardev=monitor,mode=control -display none
    ;;
tcg-plain)
    set -- qemu-system-x86_64 -name guest=dut,debug-threads=on -nodefaults -no-user-config -machine q35,vmport=off -accel tcg -cpu max -m size=524288k -smp 2,sockets=1,cores=2,threads=1 -uuid 33e70a01-3864-59c7-b275-0f1eca5ec407 -rtc base=utc -boot strict=on -kernel /srv/vmlinuz -initrd /srv/initrd.gz -append 'console=ttyS0 a=<&>,$(x) '"'"'y'"'"'' -device pcie-root-port,id=port-ua-net0,chassis=1,addr=2.0,multifunction=on -device pcie-root-port,id=port-ua-net1,chassis=2,addr=2.1 -device pcie-root-port,id=port-ua-net2,chassis=3,addr=2.2 -device pcie-root-port,id=port-channels,chassis=4,addr=2.3 -device pcie-root-port,id=port-rng,chassis=5,addr=2.4 -device pcie-root-port,id=port-spare0,chassis=6,addr=2.5 -device pcie-root-port,id=port-spare1,chassis=7,addr=2.6 -device pcie-root-port,id=port-spare2,chassis=8,addr=2.7 -device pcie-root-port,id=port-spare3,chassis=9,addr=3.0,multifunction=on -device pcie-root-port,id=port-spare4,chassis=10,addr=3.1 -device pcie-root-port,id=port-spare5,chassis=11,addr=3.2 -device pcie-root-port,id=port-spare6,chassis=12,addr=3.3 -device pcie-root-port,id=port-spare7,chassis=13,addr=3.4 -netdev tap,id=host-net0,ifname=1806c03a-dut,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=host-net0,id=ua-net0,mac=52:e3:62:36:30:70,bus=port-ua-net0,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=on,guest_tso4=on,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on,guest_rsc_ext=on,rsc_interval=1000000 -netdev tap,id=host-net1,ifname=f1be2027-dut,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=host-net1,id=ua-net1,mac=52:36:9e:7c:7e:ca,bus=port-ua-net1,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on -netdev tap,id=host-net2,ifname=46c3b083-dut,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=host-net2,id=ua-net2,mac=52:1e:c0:48:8a:19,bus=port-ua-net2,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,host_uso=off,guest_csum=on,guest_tso4=off,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=off -device virtio-serial-pci,id=channels,bus=port-channels -chardev socket,id=agent,path=/var/lib/rscvm/lab/dut.agent,server=on,wait=off -device virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0 -chardev stdio,id=console,signal=off -serial chardev:console -object rng-random,id=random,filename=/dev/urandom -device virtio-rng-pci,id=rng,rng=random,bus=port-rng -chardev socket,id=monitor,path=/var/lib/rscvm/lab/dut.qmp,server=on,wait=off -mon chardev=monitor,mode=control -display none
    ;;
esac
exec 3<&0 # what runs in the background would read from nowhere
"$@" <&3 3<&- &
qemu=$!
status=0
wait "$qemu" || status=$?
qemu=
exit "$status"
