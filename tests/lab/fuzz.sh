#!/bin/bash
# Runs each fuzzer for some seconds, as many at once as there are cores, on a copy of its corpus (tests/fuzz/corpus/NAME, if
# there is one; what it adds stays in build/). A finding is kept in build/fuzz/findings and fails the run.
#   fuzz.sh SECONDS HARNESS...
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
seconds=$1
shift
if [ $# -eq 0 ]; then
	echo "fuzz: no harness yet"
	exit 0
fi

findings=$root/build/fuzz/findings
mkdir -p "$findings"
lanes=$(nproc)
trap 'kill $(jobs -p) 2>/dev/null' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# fuzz HARNESS: prints a line, or what it found.
fuzz() {
	local harness=$1 name corpus given log options=()
	name=$(basename "$harness")
	name=${name#fuzz_}
	corpus=$root/build/fuzz/corpus/$name
	mkdir -p "$corpus"
	for given in "$root/tests/fuzz/corpus/$name" "$root/tests/fuzz/corpus/fuzz_$name"; do
		[ ! -d "$given" ] || cp -r "$given/." "$corpus/"
	done
	[ ! -s "$root/tests/fuzz/$name.dict" ] || options=(-dict="$root/tests/fuzz/$name.dict")
	log=$root/build/fuzz/$name.log
	if "$harness" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 "${options[@]}" -print_final_stats=1 \
		-artifact_prefix="$findings/$name-" "$corpus" >"$log" 2>&1; then
		echo "ok   fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
	else
		echo "$(
			tail -n 60 "$log"
			echo "FAIL fuzz $name: the input is in $findings, the log in $log"
		)"
		return 1
	fi
}

pids=()
for harness; do
	while [ "$(jobs -rp | wc -l)" -ge "$lanes" ]; do
		wait -n
	done
	fuzz "$harness" &
	pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do
	wait "$pid" || failed=1
done
exit $failed
