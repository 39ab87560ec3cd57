#!/bin/bash
# The stress of the shared in-flight words: 2 and 4 threads (more than cores is wanted), release and under
# ThreadSanitizer, and then the mutants that it must find. Ends with `N passed, N failed`.
#   STRESS_S   seconds a run (5)      SEED    of the first run (1; each further run counts up)
#   STRESS_RELEASE, STRESS_TSAN       programs that are built already
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/build.sh"
work=$(mktemp -d /tmp/portico-stress.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
seconds=${STRESS_S:-5}
seed=${SEED:-1}
passed=0
failed=0

for variant in release tsan; do
	program=STRESS_${variant^^}
	program=${!program:-}
	if [ -z "$program" ]; then
		program=$work/$variant
		if ! stress_build $variant "$root" "$program"; then
			echo "FAIL stress $variant: does not build"
			failed=$((failed + 1))
			continue
		fi
	fi
	for threads in 2 4; do
		if stress_run $variant "$program" $threads "$seconds" "$seed" >"$work/output" 2>&1; then
			echo "ok   stress $variant: $(grep -a '^stress_inflight:' "$work/output")"
			passed=$((passed + 1))
		else
			head -60 "$work/output"
			echo "FAIL stress $variant, $threads threads, seed $seed"
			failed=$((failed + 1))
		fi
		seed=$((seed + 1))
	done
done
"$here/mutants.sh" >"$work/mutants" 2>&1
grep -aE '^(ok  |FAIL) ' "$work/mutants"
read -r good bad < <(sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$work/mutants")
if [ -z "${bad:-}" ]; then
	tail -5 "$work/mutants"
	echo "FAIL stress: the mutants did not run to the end"
	failed=$((failed + 1))
fi
passed=$((passed + ${good:-0}))
failed=$((failed + ${bad:-0}))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
