#!/bin/bash
# expect_refusal.sh COMMAND ARGUMENT... -- TEXT...: a rule proves that it can fail.
#
# Runs a check on a bad sample: it must end with 1, and name every TEXT in what it prints.
set -euo pipefail

command=()
while [ "$1" != -- ]; do
    command+=("$1")
    shift
done
shift

status=0
output=$("${command[@]}" 2>&1) || status=$?
echo "$output"
if [ $status -ne 1 ]; then
    echo "expected a refusal (1), got $status"
    exit 1
fi
bad=0
for text in "$@"; do
    if ! grep -qF -- "$text" <<<"$output"; then
        echo "not refused: $text"
        bad=1
    fi
done
exit $bad
