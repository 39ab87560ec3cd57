#!/bin/bash
# The stress of the shared in-flight words with 2 and 4 threads (more than cores is wanted), and of the cache with writers and
# readers, release and under ThreadSanitizer, and then the mutants that it must find. Ends with `N passed, N failed`.
#   STRESS_S   seconds a run (5)      SEED    of the first run (1; each further run counts up)
#   STRESS_RELEASE, STRESS_TSAN, STRESS_CACHE_RELEASE, STRESS_CACHE_TSAN   programs that are built already
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

# stress SUBJECT VARIANT PROGRAM CREW...: PROGRAM is built if it is none.
stress() {
	local subject=$1 variant=$2 program=$3 crew
	shift 3
	if [ -z "$program" ]; then
		program=$work/${subject}_$variant
		if ! stress_build "$subject" "$variant" "$root" "$program"; then
			echo "FAIL stress $subject $variant: does not build"
			failed=$((failed + 1))
			return
		fi
	fi
	for crew; do
		if stress_run "$subject" "$variant" "$program" "$crew" "$seconds" "$seed" >"$work/output" 2>&1; then
			echo "ok   stress $variant: $(grep -a "^stress_$subject:" "$work/output")"
			passed=$((passed + 1))
		else
			head -60 "$work/output"
			echo "FAIL stress $subject $variant, $crew threads, seed $seed"
			failed=$((failed + 1))
		fi
		seed=$((seed + 1))
	done
}

for variant in release tsan; do
	inflight=STRESS_${variant^^}
	cache=STRESS_CACHE_${variant^^}
	stress inflight $variant "${!inflight:-}" 2 4
	# Twice the seed's parity: two writers with keys of their own, and with shared ones.
	stress cache $variant "${!cache:-}" 1+1 1+2 2+0 2+1 2+1
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
