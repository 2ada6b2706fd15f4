#!/bin/bash
# include_graph.sh ROOT: who may include whom, below ROOT.
#
#     cli -> http -> engine/runtime -> engine/core      include/ is seen by all
#        \-> engine/tools -/ \-----> wal
#
# The table says for each place which headers of the project it may name, and which libraries. A file
# is judged by the first line whose place matches it. System headers are free, but for the core.
set -euo pipefail

root=$1
cd "$root"

# place (shell pattern) | own headers | headers of libraries
table='
engine/core/hash.c      | include/* engine/core/*                        | xxhash.h
engine/core/*           | include/* engine/core/*                        |
wal/channel_uring.c     | include/* wal/*                                | liburing.h
wal/checksum.c          | include/* wal/*                                | xxhash.h
wal/*                   | include/* wal/*                                |
engine/runtime/*        | include/* engine/core/* engine/runtime/* wal/* |
engine/tools/*          | include/* engine/core/* engine/runtime/* engine/tools/* wal/* |
http/*                  | include/* http/* engine/runtime/ledger.h engine/runtime/worker.h engine/runtime/backup.h engine/runtime/feed.h engine/runtime/history.h engine/runtime/lister.h engine/core/money.h engine/core/record.h wal/log.h | h2o.h h2o/* cjson/cJSON.h
cli/*                   | include/* cli/* http/* engine/runtime/* engine/tools/* wal/log.h | curl/curl.h
bench/*                 | include/* bench/* engine/runtime/ledger.h wal/log.h | h2o.h h2o/* cjson/cJSON.h liburing.h
include/*               | include/*                                      |
'
# What the core may take from the C library: types, limits, bytes in memory, assert.
core_system='assert.h stdalign.h stdbool.h stddef.h stdint.h limits.h string.h'
# Headers of libraries: everything that does not come with the compiler or the C library.
libraries='h2o.h h2o/* cjson/* xxhash.h liburing.h liburing/* curl/* openssl/* uv.h libpq-fe.h'

# matches TEXT PATTERN...
matches() {
    local text=$1 pattern
    shift
    for pattern in "$@"; do
        # shellcheck disable=SC2053 # the right side is a pattern on purpose
        [[ $text == $pattern ]] && return 0
    done
    return 1
}

# Sets own_allowed and libraries_allowed for a file; false when no line speaks of it.
find_rule() {
    local file=$1 place own foreign
    while IFS='|' read -r place own foreign; do
        place=${place// /}
        if [ -n "$place" ] && matches "$file" "$place"; then
            read -ra own_allowed <<<"$own"
            read -ra libraries_allowed <<<"$foreign"
            return 0
        fi
    done <<<"$table"
    return 1
}

# resolve FILE NAME: the place of a header named in quotes, as the compiler finds it.
resolve() {
    local folder=${1%/*} name=$2
    if [[ $name == *..* ]]; then
        echo "$name"
    elif [ -e "$folder/$name" ]; then
        echo "$folder/$name"
    elif [ -e "include/$name" ]; then
        echo "include/$name"
    else
        echo "$name"
    fi
}

bad=0
refuse() {
    echo "$1: $2 may not be included here"
    bad=1
}

judge() {
    local file=$1 name=$2
    case $name in
    \"*)
        name=${name//\"/}
        name=$(resolve "$file" "$name")
        if ! matches "$name" "${own_allowed[@]}"; then
            refuse "$file" "$name"
        fi
        ;;
    \<*)
        name=${name//[<>]/}
        if matches "$name" "${libraries_patterns[@]}"; then
            matches "$name" "${libraries_allowed[@]}" || refuse "$file" "<$name>"
        elif [[ $file == engine/core/* ]]; then
            matches "$name" "${core_patterns[@]}" || refuse "$file" "<$name>"
        elif [ -e "include/$name" ] || [ -e "$name" ]; then
            refuse "$file" "<$name> (own headers stand in quotes)"
        fi
        ;;
    esac
}

set -f
read -ra libraries_patterns <<<"$libraries"
read -ra core_patterns <<<"$core_system"
set +f

folders=()
for folder in include engine wal http cli bench; do
    [ ! -d $folder ] || folders+=("$folder")
done
seen=0
previous=""
while IFS=$'\t' read -r file name; do
    seen=$((seen + 1))
    if [ "$file" != "$previous" ]; then
        previous=$file
        set -f
        if ! find_rule "$file"; then
            echo "$file: no line of the table speaks of it"
            bad=1
            own_allowed=()
            libraries_allowed=()
        fi
        set +f
    fi
    judge "$file" "$name"
done < <(grep -rE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' "${folders[@]}" |
    sed -E 's/^([^:]*):[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]*[>"]).*/\1\t\2/')

if [ $seen -eq 0 ]; then
    echo "$root: no includes found"
    bad=1
fi
exit $bad
