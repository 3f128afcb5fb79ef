# What a Linux guest tells of its NICs, in one line of JSON. It changes nothing.
told() {
    PATH=$PATH:/usr/sbin:/sbin
    LC_ALL=C
    export PATH LC_ALL
    # A text as a JSON string, cut; lines stay lines.
    quoted() {
        printf '"'
        printf %s "$1" | head -c "${2:-200}" | tr -d '\000-\010\013-\037' | tr '\011' ' ' |
            awk '{gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); printf "%s%s", (NR > 1 ? "\\n" : ""), $0}'
        printf '"'
    }
    content() { quoted "$(head -c 200 "$1" 2>/dev/null)"; }

    printf '{"rscvm":"linux/1","release":%s,"processors":%s' "$(quoted "$(uname -r)")" \
        "$(quoted "$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null || grep -c ^processor /proc/cpuinfo)" 20)"
    has=$(command -v ethtool) && printf ',"ethtool":%s' "$(quoted "$(ethtool --version 2>/dev/null)")"
    printf ',"devices":['
    count=0
    for path in /sys/class/net/*; do
        # What has no device behind it is a bridge, a bond or the like, and may have the MAC address of a NIC.
        [ -e "$path/device" ] || continue
        # A failover's master has its standby's device and address, and none of its own.
        for lower in "$path"/lower_*; do
            [ ! -e "$lower" ] || continue 2
        done
        [ "$count" -lt 256 ] || break
        name=${path##*/}
        [ "$count" -gt 0 ] && printf ,
        count=$((count + 1))
        printf '{"name":%s,"mac":%s' "$(quoted "$name")" "$(content "$path/address")"
        printf ',"driver":%s' "$(quoted "$(basename "$(readlink "$path/device/driver")" 2>/dev/null)")"
        printf ',"ipv4_forwarding":%s' "$(content "/proc/sys/net/ipv4/conf/$name/forwarding")"
        printf ',"ipv6_forwarding":%s' "$(content "/proc/sys/net/ipv6/conf/$name/forwarding")"
        if [ -n "$has" ]; then
            printf ',"permanent":%s' "$(quoted "$(ethtool -P "$name" 2>/dev/null)")"
            # As text; an ethtool before 5.10 or so has no JSON.
            if said=$(ethtool --json -k "$name" 2>/dev/null); then
                printf ',"features":%s' "$(quoted "$said" 65536)"
            else
                printf ',"plain":%s' "$(quoted "$(ethtool -k "$name" 2>&1)" 65536)"
            fi
        fi
        printf '}'
    done
    printf ']}\n'
}
told </dev/null
