#!/bin/bash
# Runs tests and ends with `N passed, N failed`; exit status 1 if any failed or none ran.
#   suite.sh [LABEL=UNIT_PROGRAM]... [smoke]
# A unit program is a CUnit runner: its summary is shown and its tests are counted. `smoke` runs every
# tests/smoke/*_test.sh one after the other (SMOKE=name: only name_test.sh), each at most SMOKE_S (300)
# seconds, and counts the lines that begin with "ok " and "FAIL ".
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

run_smoke() {
	local file name status good bad
	for file in "$root"/tests/smoke/*_test.sh; do
		[ -e "$file" ] || continue
		name=$(basename "$file" _test.sh)
		if [ -n "${SMOKE:-}" ] && [ "$SMOKE" != "$name" ]; then
			continue
		fi
		echo "--- smoke test $name"
		timeout --kill-after=30 "${SMOKE_S:-300}" "$file" </dev/null 2>&1 | tee "$output"
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
	done
}

for what; do
	case $what in
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
