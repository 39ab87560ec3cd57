#!/bin/bash
# Runs tests and ends with `N passed, N failed`; exit status 1 if any failed or none ran.
#   suite.sh [LABEL=UNIT_PROGRAM]... [stress] [smoke]
# A unit program is a CUnit runner: its summary is shown and its tests are counted. `smoke` runs every
# tests/smoke/*_test.sh one after the other, in its variants, each at most SMOKE_S (300) seconds, and counts the
# lines that begin with "ok " and "FAIL ". `stress` runs tests/stress/run.sh, which counts its own.
#
# A test that has more than one variant says so on lines of its own:
#   # variants: workers=1,2,4 device=af_packet,af_xdp
# Each line stands for all combinations of its values; what it leaves out is workers=1, device=af_packet. The test
# finds its variant in LAB_WORKERS and LAB_DEVICE (lab.sh shapes the configuration by them).
#
#   SMOKE=coalesce                       only that test, in its variants
#   SMOKE="coalesce workers=4"           only that variant, whether or not the test names it
#   LAB_WORKERS=2, LAB_DEVICE=af_xdp     (environment) every test in this variant, once
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
passed=0
failed=0
output=$(mktemp /tmp/portico-suite.XXXXXX)
trap 'rm -f "$output"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

run_unit() {
	local label=$1 program=$2 status total bad
	echo "--- unit tests, $label"
	"$program" >"$output" 2>&1
	status=$?
	# What CUnit prints of a passed test says nothing, and after five assertions a failed one is known.
	grep -avE '^( *Test: .*\.\.\.passed|Suite: .*|)$' "$output" |
		awk '/ had failures:$/ { shown = 0; $0 = "FAIL " $0 } !/^ +[0-9]+\. / || shown++ < 5'
	# "               tests     12     12     11      1        0": total, ran, passed, failed.
	read -r total bad < <(awk '$1 == "tests" && NF == 6 { print $4, $5 }' "$output")
	passed=$((passed + ${total:-0}))
	failed=$((failed + ${bad:-0}))
	if [ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then
		echo "FAIL unit tests, $label: exit status $status"
		failed=$((failed + 1))
	fi
}

# The values of KEY in WORDS ("workers=1,2 device=x"), or DEFAULT.
values_of() {
	local word
	for word in $2; do
		if [ "${word%%=*}" = "$1" ]; then
			echo "${word#*=}" | tr , ' '
			return
		fi
	done
	echo "$3"
}

# "WORKERS DEVICE", one a line, for all combinations of WORDS
combinations() {
	local workers device
	for device in $(values_of device "$1" "${LAB_DEVICE:-af_packet}"); do
		for workers in $(values_of workers "$1" "${LAB_WORKERS:-1}"); do
			echo "$workers $device"
		done
	done
}

# The variants of a test file, given the words that were asked for.
variants_of() {
	local file=$1 asked=$2 words
	if [ -n "$asked${LAB_WORKERS:-}${LAB_DEVICE:-}" ] || ! grep -q '^# variants: ' "$file"; then
		combinations "$asked"
		return
	fi
	sed -n 's/^# variants: //p' "$file" | while read -r words; do
		combinations "$words"
	done
}

# run_smoke_test FILE NAME WORKERS DEVICE
run_smoke_test() {
	local name=$2 status good bad
	! grep -q '^# variants: ' "$1" && [ "$3" = 1 ] || name="$name workers=$3"
	[ "$4" = af_packet ] || name="$name device=$4"
	echo "--- smoke test $name"
	LAB_WORKERS=$3 LAB_DEVICE=$4 timeout --kill-after=30 "${SMOKE_S:-300}" "$1" </dev/null 2>&1 | tee "$output"
	status=${PIPESTATUS[0]}
	good=$(grep -c '^ok ' "$output")
	bad=$(grep -c '^FAIL ' "$output")
	passed=$((passed + good))
	failed=$((failed + bad))
	if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
		echo "FAIL $name: not done within ${SMOKE_S:-300} s"
		failed=$((failed + 1))
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		echo "FAIL $name: exit status $status"
		failed=$((failed + 1))
	fi
	[ "$bad" -eq 0 ] || echo "FAILED: smoke test $name ($bad of $((good + bad)))"
}

run_smoke() {
	local file name asked="" wanted=${SMOKE:-} workers device
	case $wanted in
	*" "*) asked=${wanted#* } ;;
	esac
	wanted=${wanted%% *}
	for file in "$root"/tests/smoke/*_test.sh; do
		[ -e "$file" ] || continue
		name=$(basename "$file" _test.sh)
		[ -z "$wanted" ] || [ "$wanted" = "$name" ] || continue
		while read -r workers device <&3; do
			run_smoke_test "$file" "$name" "$workers" "$device"
		done 3< <(variants_of "$file" "$asked")
	done
}

run_stress() {
	local status good bad
	echo "--- stress"
	"$root/tests/stress/run.sh" </dev/null 2>&1 | tee "$output"
	status=${PIPESTATUS[0]}
	read -r good bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$output" | tail -n 1)
	passed=$((passed + ${good:-0}))
	failed=$((failed + ${bad:-0}))
	if [ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then
		echo "FAIL stress: exit status $status"
		failed=$((failed + 1))
	fi
}

for what; do
	case $what in
	stress) run_stress ;;
	smoke)
		if [ "$(id -u)" -ne 0 ]; then
			echo "FAIL smoke tests need root (network namespaces): sudo make smoke"
			failed=$((failed + 1))
		else
			run_smoke
		fi
		;;
	*) run_unit "${what%%=*}" "${what#*=}" ;;
	esac
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
