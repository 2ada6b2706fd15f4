#!/bin/bash
# source_rules.sh ROOT: what every source below ROOT keeps to.
#
#   - a file is shorter than 600 lines
#   - a .c file has no conditional compilation
#   - nothing is left to be done later in a comment
#   - no path of one certain machine stands in a file, document or script
set -euo pipefail

root=$1
cd "$root"

lines_max=599
# Assembled from parts, so that this file passes its own rules.
later='TO''DO|FIX''ME'
machine_path='(^|[^A-Za-z0-9_./$}*-])/(wo''rk|ro''ot)(/|[^A-Za-z0-9_]|$)'

existing=()
for place in include engine wal http cli bench tests script .ci docs README.md CHANGELOG.md \
    CMakeLists.txt CMakePresets.json .clang-format .clang-tidy; do
    [ ! -e $place ] || existing+=("$place")
done
mapfile -t sources < <(find "${existing[@]}" -type f -name '*.[ch]' | sort)
mapfile -t everything < <(find "${existing[@]}" -type f | sort)
if [ ${#sources[@]} -eq 0 ]; then
    echo "$root: no sources found"
    exit 1
fi

bad=0
# refuse_matches RULE EXPRESSION FILE...: every match is a fault.
refuse_matches() {
    local rule=$1 expression=$2
    shift 2
    if [ $# -gt 0 ] && grep -nHIE "$expression" "$@" | sed "s|^|$rule: |"; then
        bad=1
    fi
}

for file in "${sources[@]}"; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt $lines_max ]; then
        echo "long file: $file has $lines lines, more than $lines_max"
        bad=1
    fi
done

implementations=()
for file in "${sources[@]}"; do
    [[ $file != *.c ]] || implementations+=("$file")
done
refuse_matches "conditional compilation" '^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif)([[:space:]]|$|\()' \
    "${implementations[@]}"
refuse_matches "left for later" "(^|[^A-Za-z0-9_])($later)([^A-Za-z0-9_]|\$)" "${everything[@]}"
refuse_matches "path of one machine" "$machine_path" "${everything[@]}"
exit $bad
