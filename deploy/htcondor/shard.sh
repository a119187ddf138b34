#!/bin/sh
# One shard: shard.sh I N. Failures are told by the merge: 1 are failures, 3 is something undecided.
set -u
run=
stopped=
# A run that is told to stop removes what it has made: it has to hear of it, and to be waited for.
stop() {
    stopped=yes
    [ -z "$run" ] || kill -TERM "$run" 2>/dev/null
}
trap stop HUP INT TERM
# In a group of its own it hears of a signal once, from here: whoever hears of two ends at once.
group=$(command -v setsid)
# shellcheck disable=SC2086 # There may be no such program.
$group ./touchstone run --shard "$1/$2" --report-dir "shard-$1" &
run=$!
[ -z "$stopped" ] || { sleep 1 && stop; }
wait "$run"
code=$?
# A signal ends the waiting before it ends the run.
while kill -0 "$run" 2>/dev/null; do
    wait "$run"
    code=$?
done
[ "$code" -le 1 ] || [ "$code" -eq 3 ] || exit "$code"
