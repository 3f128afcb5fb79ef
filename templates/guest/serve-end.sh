# What was started for `bench` in a Linux guest, now or before, bears a mark in its environment; it is ended.
end_marked() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        marked=$(grep -l RSCVM_BENCH=1 /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3)
        [ -n "$marked" ] || return 0
        # shellcheck disable=SC2086 # numbers
        kill $marked 2>/dev/null
        sleep 0.1
    done
}
end_marked </dev/null
