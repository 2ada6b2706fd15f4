#!/bin/bash
# core_purity.sh ARCHIVE: the deterministic core asks nothing of the outside world.
#
# Lists every symbol that the archive needs and does not define itself, and fails on each that is not
# in the short list below: no clock, no thread, no file, no printing, no allocation.
set -euo pipefail

archive=$1

allowed() {
    case $1 in
    # Bytes in memory.
    memcpy | memset | memcmp | bcmp | memmove | memchr | strlen | strnlen) ;;
    # The same, as _FORTIFY_SOURCE calls them; the stack protector; assert().
    __memcpy_chk | __memset_chk | __memmove_chk) ;;
    __stack_chk_fail | __assert_fail | __chk_fail) ;;
    # Division of 128 bits, which the compiler calls.
    __udivti3 | __umodti3 | __udivmodti4) ;;
    # The hash function, pure, where it is not inlined.
    XXH3_* | XXH128_* | XXH64*) ;;
    # What the linker and the sanitizers add.
    _GLOBAL_OFFSET_TABLE_) ;;
    __asan_* | __ubsan_* | __tsan_* | __sanitizer_* | __sancov_*) ;;
    *) return 1 ;;
    esac
}

bad=0
while read -r symbol; do
    if ! allowed "$symbol"; then
        echo "$(basename "$archive"): $symbol is not allowed in the core:"
        nm -uA "$archive" 2>/dev/null | grep -E " $symbol\$" | sed 's/^/    /'
        bad=1
    fi
done < <(comm -23 \
    <(nm -u "$archive" 2>/dev/null | awk 'NF == 2 { print $2 }' | sort -u) \
    <(nm --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u))

# An archive that cannot be read has no symbols at all; that is not a pass.
if [ "$(nm --defined-only "$archive" 2>/dev/null | awk 'NF == 3' | wc -l)" -eq 0 ]; then
    echo "$archive: no symbols found"
    bad=1
fi
exit $bad
