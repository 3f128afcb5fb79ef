# What was started for `bench` in a Linux guest, now or before, bears a mark in its environment; it is ended.
end_marked() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        marked=
        for pid in $(grep -l RSCVM_BENCH=served-for-a-while /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3); do
            if tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qx RSCVM_BENCH=served-for-a-while; then
                marked=1
                kill "$pid" 2>/dev/null
            fi
        done
        [ -n "$marked" ] || return 0
        sleep 0.1
    done
}
end_marked </dev/null
