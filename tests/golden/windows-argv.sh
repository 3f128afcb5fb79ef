#!/bin/sh
# windows-argv of lab lab: makes bridge, TAPs and overlays, runs QEMU in the foreground, and at its
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
monitor=socket,id=monitor,path=/var/lib/rscvm/lab/windows-argv.qmp,server=on,wait=off
if grep -qszxF -e "$monitor" /proc/[0-9]*/cmdline; then
    echo 'windows-argv runs already' >&2
    exit 3
fi

accel=auto
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
later 'rm -f -- /var/lib/rscvm/lab/windows-argv.pid /var/lib/rscvm/lab/windows-argv.started /var/lib/rscvm/lab/windows-argv.log /var/lib/rscvm/lab/windows-argv.qmp /var/lib/rscvm/lab/windows-argv.agent /var/lib/rscvm/lab/windows-argv.vnc'

if ! ip link show dev br-lab >/dev/null 2>&1; then
    ip link add name br-lab address 52:82:e2:ef:a8:ec type bridge stp_state 0 forward_delay 0
    later 'ip link del dev br-lab'
    ip link set dev br-lab mtu 9000
    ip address add 10.9.0.1/24 dev br-lab
    ip link set dev br-lab up
    ip link set dev br-lab alias 'rscvm lab - br-lab 0489e345dea9'
fi

ip tuntap add dev cecafa68-window mode tap vnet_hdr multi_queue
later 'ip link del dev cecafa68-window'
ip link set dev cecafa68-window mtu 9000
ip link set dev cecafa68-window master br-lab
ip link set dev cecafa68-window up
ip link set dev cecafa68-window alias 'rscvm lab windows-argv net0 0489e345dea9'

[ -e /var/lib/rscvm/lab/windows-argv-0.qcow2 ] || sh -c 'umask 077 && qemu-img create -q -f qcow2 -b "$1" -F "$2" "$3.new" && mv -f -- "$3.new" "$3"' sh '/srv/a,b<&'"'"'.qcow2' qcow2 /var/lib/rscvm/lab/windows-argv-0.qcow2

[ -e /var/lib/rscvm/lab/windows-argv.vars.fd ] || sh -c 'umask 077 && cp -- "$1" "$2.new" && mv -f -- "$2.new" "$2"' sh /srv/VARS.fd /var/lib/rscvm/lab/windows-argv.vars.fd

case $accel-$vhost in
kvm-vhost)
    set -- qemu-system-x86_64 -name guest=windows-argv,debug-threads=on -nodefaults -no-user-config -machine q35,vmport=off,hpet=off -accel kvm -cpu host,hv-time,hv-relaxed,hv-vapic,hv-spinlocks=0x1fff,hv-vpindex,hv-runtime,hv-synic,hv-stimer,hv-stimer-direct,hv-frequencies,hv-tlbflush,hv-ipi -m size=8388608k -smp 2,sockets=1,cores=2,threads=1 -uuid 8da9af56-c3bc-5a3a-9a30-c2ae2e9e8e71 -rtc base=localtime,driftfix=slew -global kvm-pit.lost_tick_policy=delay -global ICH9-LPC.disable_s3=1 -global ICH9-LPC.disable_s4=1 -boot strict=on -drive if=pflash,unit=0,format=raw,readonly=on,file=/srv/CODE.fd -drive if=pflash,unit=1,format=raw,file=/var/lib/rscvm/lab/windows-argv.vars.fd -device pcie-root-port,id=port-ua-net0,chassis=1,addr=2.0,multifunction=on -device pcie-root-port,id=port-ua-net1,chassis=2,addr=2.1 -device pcie-root-port,id=port-vda,chassis=3,addr=2.2 -device pcie-root-port,id=port-channels,chassis=4,addr=2.3 -device pcie-root-port,id=port-usb,chassis=5,addr=2.4 -device pcie-root-port,id=port-rng,chassis=6,addr=2.5 -device pcie-root-port,id=port-spare0,chassis=7,addr=2.6 -device pcie-root-port,id=port-spare1,chassis=8,addr=2.7 -device pcie-root-port,id=port-spare2,chassis=9,addr=3.0,multifunction=on -device pcie-root-port,id=port-spare3,chassis=10,addr=3.1 -device pcie-root-port,id=port-spare4,chassis=11,addr=3.2 -device pcie-root-port,id=port-spare5,chassis=12,addr=3.3 -device pcie-root-port,id=port-spare6,chassis=13,addr=3.4 -device pcie-root-port,id=port-spare7,chassis=14,addr=3.5 -device VGA,addr=1 -device ich9-ahci,id=sata1 -drive if=none,id=drive-vda,format=qcow2,discard=unmap,file=/var/lib/rscvm/lab/windows-argv-0.qcow2 -device virtio-blk-pci,bus=port-vda,drive=drive-vda,id=vda,bootindex=1 -drive if=none,id=drive-sda,format=raw,file=/srv/data.raw -device ide-hd,bus=ide.0,drive=drive-sda,id=sda,bootindex=2 -drive if=none,id=drive-sdb,format=raw,media=cdrom,readonly=on,file=/srv/1.iso -device ide-cd,bus=ide.1,drive=drive-sdb,id=sdb,bootindex=3 -drive if=none,id=drive-sdc,format=raw,media=cdrom,readonly=on,file=/srv/2.iso -device ide-cd,bus=ide.2,drive=drive-sdc,id=sdc,bootindex=4 -drive if=none,id=drive-sdd,format=raw,media=cdrom,readonly=on,file=/srv/3.iso -device ide-cd,bus=ide.3,drive=drive-sdd,id=sdd,bootindex=5 -drive if=none,id=drive-sde,format=raw,media=cdrom,readonly=on,file=/srv/4.iso -device ide-cd,bus=ide.4,drive=drive-sde,id=sde,bootindex=6 -drive if=none,id=drive-sdf,format=raw,media=cdrom,readonly=on,file=/srv/5.iso -device ide-cd,bus=ide.5,drive=drive-sdf,id=sdf,bootindex=7 -drive if=none,id=drive-sdg,format=raw,media=cdrom,readonly=on,file=/srv/6.iso -device ide-cd,bus=sata1.0,drive=drive-sdg,id=sdg,bootindex=8 -netdev tap,id=host-net0,ifname=cecafa68-window,script=no,downscript=no,vhost=on,queues=4 -device virtio-net-pci,netdev=host-net0,id=ua-net0,mac=52:d1:6e:2f:03:6e,bus=port-ua-net0,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=on,guest_tso4=on,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on,mq=on,vectors=10,rx_queue_size=1024,host_mtu=9000 -netdev user,id=host-net1 -device virtio-net-pci,netdev=host-net1,id=ua-net1,mac=52:cb:ab:0e:61:f7,bus=port-ua-net1,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on -device virtio-serial-pci,id=channels,bus=port-channels -chardev socket,id=agent,path=/var/lib/rscvm/lab/windows-argv.agent,server=on,wait=off -device virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0 -chardev stdio,id=console,signal=off -serial chardev:console -object rng-random,id=random,filename=/dev/urandom -device virtio-rng-pci,id=rng,rng=random,bus=port-rng -chardev socket,id=monitor,path=/var/lib/rscvm/lab/windows-argv.qmp,server=on,wait=off -mon chardev=monitor,mode=control -display none -vnc vnc=unix:/var/lib/rscvm/lab/windows-argv.vnc -device qemu-xhci,id=usb,bus=port-usb -device usb-tablet,bus=usb.0
    ;;
kvm-plain)
    set -- qemu-system-x86_64 -name guest=windows-argv,debug-threads=on -nodefaults -no-user-config -machine q35,vmport=off,hpet=off -accel kvm -cpu host,hv-time,hv-relaxed,hv-vapic,hv-spinlocks=0x1fff,hv-vpindex,hv-runtime,hv-synic,hv-stimer,hv-stimer-direct,hv-frequencies,hv-tlbflush,hv-ipi -m size=8388608k -smp 2,sockets=1,cores=2,threads=1 -uuid 8da9af56-c3bc-5a3a-9a30-c2ae2e9e8e71 -rtc base=localtime,driftfix=slew -global kvm-pit.lost_tick_policy=delay -global ICH9-LPC.disable_s3=1 -global ICH9-LPC.disable_s4=1 -boot strict=on -drive if=pflash,unit=0,format=raw,readonly=on,file=/srv/CODE.fd -drive if=pflash,unit=1,format=raw,file=/var/lib/rscvm/lab/windows-argv.vars.fd -device pcie-root-port,id=port-ua-net0,chassis=1,addr=2.0,multifunction=on -device pcie-root-port,id=port-ua-net1,chassis=2,addr=2.1 -device pcie-root-port,id=port-vda,chassis=3,addr=2.2 -device pcie-root-port,id=port-channels,chassis=4,addr=2.3 -device pcie-root-port,id=port-usb,chassis=5,addr=2.4 -device pcie-root-port,id=port-rng,chassis=6,addr=2.5 -device pcie-root-port,id=port-spare0,chassis=7,addr=2.6 -device pcie-root-port,id=port-spare1,chassis=8,addr=2.7 -device pcie-root-port,id=port-spare2,chassis=9,addr=3.0,multifunction=on -device pcie-root-port,id=port-spare3,chassis=10,addr=3.1 -device pcie-root-port,id=port-spare4,chassis=11,addr=3.2 -device pcie-root-port,id=port-spare5,chassis=12,addr=3.3 -device pcie-root-port,id=port-spare6,chassis=13,addr=3.4 -device pcie-root-port,id=port-spare7,chassis=14,addr=3.5 -device VGA,addr=1 -device ich9-ahci,id=sata1 -drive if=none,id=drive-vda,format=qcow2,discard=unmap,file=/var/lib/rscvm/lab/windows-argv-0.qcow2 -device virtio-blk-pci,bus=port-vda,drive=drive-vda,id=vda,bootindex=1 -drive if=none,id=drive-sda,format=raw,file=/srv/data.raw -device ide-hd,bus=ide.0,drive=drive-sda,id=sda,bootindex=2 -drive if=none,id=drive-sdb,format=raw,media=cdrom,readonly=on,file=/srv/1.iso -device ide-cd,bus=ide.1,drive=drive-sdb,id=sdb,bootindex=3 -drive if=none,id=drive-sdc,format=raw,media=cdrom,readonly=on,file=/srv/2.iso -device ide-cd,bus=ide.2,drive=drive-sdc,id=sdc,bootindex=4 -drive if=none,id=drive-sdd,format=raw,media=cdrom,readonly=on,file=/srv/3.iso -device ide-cd,bus=ide.3,drive=drive-sdd,id=sdd,bootindex=5 -drive if=none,id=drive-sde,format=raw,media=cdrom,readonly=on,file=/srv/4.iso -device ide-cd,bus=ide.4,drive=drive-sde,id=sde,bootindex=6 -drive if=none,id=drive-sdf,format=raw,media=cdrom,readonly=on,file=/srv/5.iso -device ide-cd,bus=ide.5,drive=drive-sdf,id=sdf,bootindex=7 -drive if=none,id=drive-sdg,format=raw,media=cdrom,readonly=on,file=/srv/6.iso -device ide-cd,bus=sata1.0,drive=drive-sdg,id=sdg,bootindex=8 -netdev tap,id=host-net0,ifname=cecafa68-window,script=no,downscript=no,vhost=off,queues=4 -device virtio-net-pci,netdev=host-net0,id=ua-net0,mac=52:d1:6e:2f:03:6e,bus=port-ua-net0,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=on,guest_tso4=on,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on,mq=on,vectors=10,rx_queue_size=1024,host_mtu=9000 -netdev user,id=host-net1 -device virtio-net-pci,netdev=host-net1,id=ua-net1,mac=52:cb:ab:0e:61:f7,bus=port-ua-net1,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on -device virtio-serial-pci,id=channels,bus=port-channels -chardev socket,id=agent,path=/var/lib/rscvm/lab/windows-argv.agent,server=on,wait=off -device virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0 -chardev stdio,id=console,signal=off -serial chardev:console -object rng-random,id=random,filename=/dev/urandom -device virtio-rng-pci,id=rng,rng=random,bus=port-rng -chardev socket,id=monitor,path=/var/lib/rscvm/lab/windows-argv.qmp,server=on,wait=off -mon chardev=monitor,mode=control -display none -vnc vnc=unix:/var/lib/rscvm/lab/windows-argv.vnc -device qemu-xhci,id=usb,bus=port-usb -device usb-tablet,bus=usb.0
    ;;
tcg-plain)
    set -- qemu-system-x86_64 -name guest=windows-argv,debug-threads=on -nodefaults -no-user-config -machine q35,vmport=off,hpet=off -accel tcg -cpu max -m size=8388608k -smp 2,sockets=1,cores=2,threads=1 -uuid 8da9af56-c3bc-5a3a-9a30-c2ae2e9e8e71 -rtc base=localtime,driftfix=slew -global ICH9-LPC.disable_s3=1 -global ICH9-LPC.disable_s4=1 -boot strict=on -drive if=pflash,unit=0,format=raw,readonly=on,file=/srv/CODE.fd -drive if=pflash,unit=1,format=raw,file=/var/lib/rscvm/lab/windows-argv.vars.fd -device pcie-root-port,id=port-ua-net0,chassis=1,addr=2.0,multifunction=on -device pcie-root-port,id=port-ua-net1,chassis=2,addr=2.1 -device pcie-root-port,id=port-vda,chassis=3,addr=2.2 -device pcie-root-port,id=port-channels,chassis=4,addr=2.3 -device pcie-root-port,id=port-usb,chassis=5,addr=2.4 -device pcie-root-port,id=port-rng,chassis=6,addr=2.5 -device pcie-root-port,id=port-spare0,chassis=7,addr=2.6 -device pcie-root-port,id=port-spare1,chassis=8,addr=2.7 -device pcie-root-port,id=port-spare2,chassis=9,addr=3.0,multifunction=on -device pcie-root-port,id=port-spare3,chassis=10,addr=3.1 -device pcie-root-port,id=port-spare4,chassis=11,addr=3.2 -device pcie-root-port,id=port-spare5,chassis=12,addr=3.3 -device pcie-root-port,id=port-spare6,chassis=13,addr=3.4 -device pcie-root-port,id=port-spare7,chassis=14,addr=3.5 -device VGA,addr=1 -device ich9-ahci,id=sata1 -drive if=none,id=drive-vda,format=qcow2,discard=unmap,file=/var/lib/rscvm/lab/windows-argv-0.qcow2 -device virtio-blk-pci,bus=port-vda,drive=drive-vda,id=vda,bootindex=1 -drive if=none,id=drive-sda,format=raw,file=/srv/data.raw -device ide-hd,bus=ide.0,drive=drive-sda,id=sda,bootindex=2 -drive if=none,id=drive-sdb,format=raw,media=cdrom,readonly=on,file=/srv/1.iso -device ide-cd,bus=ide.1,drive=drive-sdb,id=sdb,bootindex=3 -drive if=none,id=drive-sdc,format=raw,media=cdrom,readonly=on,file=/srv/2.iso -device ide-cd,bus=ide.2,drive=drive-sdc,id=sdc,bootindex=4 -drive if=none,id=drive-sdd,format=raw,media=cdrom,readonly=on,file=/srv/3.iso -device ide-cd,bus=ide.3,drive=drive-sdd,id=sdd,bootindex=5 -drive if=none,id=drive-sde,format=raw,media=cdrom,readonly=on,file=/srv/4.iso -device ide-cd,bus=ide.4,drive=drive-sde,id=sde,bootindex=6 -drive if=none,id=drive-sdf,format=raw,media=cdrom,readonly=on,file=/srv/5.iso -device ide-cd,bus=ide.5,drive=drive-sdf,id=sdf,bootindex=7 -drive if=none,id=drive-sdg,format=raw,media=cdrom,readonly=on,file=/srv/6.iso -device ide-cd,bus=sata1.0,drive=drive-sdg,id=sdg,bootindex=8 -netdev tap,id=host-net0,ifname=cecafa68-window,script=no,downscript=no,vhost=off,queues=4 -device virtio-net-pci,netdev=host-net0,id=ua-net0,mac=52:d1:6e:2f:03:6e,bus=port-ua-net0,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=on,guest_tso4=on,guest_tso6=on,guest_ecn=on,guest_ufo=on,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on,mq=on,vectors=10,rx_queue_size=1024,host_mtu=9000 -netdev user,id=host-net1 -device virtio-net-pci,netdev=host-net1,id=ua-net1,mac=52:cb:ab:0e:61:f7,bus=port-ua-net1,csum=on,gso=on,host_tso4=on,host_tso6=on,host_ecn=on,host_ufo=on,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,mrg_rxbuf=on,ctrl_vq=on,ctrl_guest_offloads=on -device virtio-serial-pci,id=channels,bus=port-channels -chardev socket,id=agent,path=/var/lib/rscvm/lab/windows-argv.agent,server=on,wait=off -device virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0 -chardev stdio,id=console,signal=off -serial chardev:console -object rng-random,id=random,filename=/dev/urandom -device virtio-rng-pci,id=rng,rng=random,bus=port-rng -chardev socket,id=monitor,path=/var/lib/rscvm/lab/windows-argv.qmp,server=on,wait=off -mon chardev=monitor,mode=control -display none -vnc vnc=unix:/var/lib/rscvm/lab/windows-argv.vnc -device qemu-xhci,id=usb,bus=port-usb -device usb-tablet,bus=usb.0
    ;;
esac
exec 3<&0 # what runs in the background would read from nowhere
"$@" <&3 3<&- &
qemu=$!
status=0
wait "$qemu" || status=$?
qemu=
exit "$status"
