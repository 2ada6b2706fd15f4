#!/bin/bash
# mutants_apply.sh ROOT: every planted bug still fits the sources, and says what it is.
set -euo pipefail

root=$1
bad=0
seen=0
for patch in "$root"/tests/simulation/mutants/*.patch; do
    seen=$((seen + 1))
    if ! sed -n '1p' "$patch" | grep -q '^# [a-z]'; then
        echo "$(basename "$patch"): its first line does not say what is planted"
        bad=1
    fi
    if ! output=$(patch --dry-run --batch --fuzz=0 -d "$root" -p1 <"$patch" 2>&1); then
        echo "$(basename "$patch") does not apply:"
        echo "${output//$'\n'/$'\n'    }"
        bad=1
    fi
done
echo "$seen mutants"
if [ $seen -lt 25 ]; then
    echo "that are too few"
    bad=1
fi
exit $bad
