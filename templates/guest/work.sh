# What a Linux guest tells of its processors' time, in one line of JSON. It changes nothing.
told() {
    read -r ticks </proc/stat
    printf '{"rscvm":"work/1","ticks":"%s"}\n' "$ticks"
}
told </dev/null
