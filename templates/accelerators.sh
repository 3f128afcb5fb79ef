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
