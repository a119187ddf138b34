#!/bin/sh
# One shard: shard.sh I N. Failures are told by the merge: 1 are failures, 3 is something undecided.
set -u
code=0
./touchstone run --shard "$1/$2" --report-dir "shard-$1" || code=$?
[ "$code" -le 1 ] || [ "$code" -eq 3 ] || exit "$code"
