#!/bin/bash
# Runs tests and ends with `N passed, N failed`; exit status 1 if any failed or none ran.
#   suite.sh [LABEL=UNIT_PROGRAM]... [scenario] [sim] [sim_san] [stress] [smoke]
# A unit program is a CUnit runner: its summary is shown and its tests are counted. `smoke` runs every
# tests/smoke/*_test.sh in its variants, each at most SMOKE_S (300) seconds, and counts the lines that begin with
# "ok " and "FAIL ". `scenario`, `sim`, `sim_san`
# and `stress` run $SCENARIO_RUN, $SIM_RUN, $SIM_SAN_RUN and tests/stress/run.sh, which count their own.
#
# Most smoke tests wait most of the time: SMOKE_LANES (3) of them, unit programs among them, run at once, and each is printed
# whole when it ends. What needs more has a line that says why:
#   # ahead: no question may be lost at 4,000 a second      one such at a time, with more right to the cores than the others
#   # alone: both sides poll                                after those, with nothing beside it
# What fails in its lane, where others may have kept the cores from it, is run once more alone, and that counts; both are shown,
# and the last lines name it: a test that needs this often needs a line of its own, or has found something.
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
lanes=${SMOKE_LANES:-3}
work=$(mktemp -d /tmp/portico-suite.XXXXXX)
running=() started=() # of the jobs in the background, by pid: what it is called, and since when it runs
variants=()           # of smoke tests in lanes, by pid: FILE WORKERS DEVICE
again=()              # of those, what failed there
trap 'stop_all' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

stop_all() {
	[ ${#running[@]} -eq 0 ] || kill -TERM "${!running[@]}" 2>/dev/null
	rm -rf "$work"
}

# Starts JOB in the background, in a session of its own, as lab_prefer is about a whole session; what it writes is in $work/PID.
#   start_job JOB COMMAND...
start_job() {
	local job=$1
	shift
	(
		exec >"$work/$BASHPID" 2>&1 </dev/null
		exec setsid "$@"
	) &
	running[$!]=$job
	started[$!]=$SECONDS
}

# Counts the results of the job that was PID and has ended with STATUS: judge_job PID STATUS
judge_job() {
	local job=${running[$1]}
	unset "running[$1]"
	case $job in
	"unit tests, "*) judge_unit "$job" "$work/$1" "$2" ;;
	*) judge_test "$job" "$work/$1" "$2" ;;
	esac
	echo "--- $((SECONDS - started[$1])) s: $job"
	rm -f "$work/$1"
}

# Waits for one of the jobs to end, and prints it whole.
take_one() {
	local pid status
	wait -n -p pid "${!running[@]}"
	status=$?
	echo "--- ${running[$pid]}"
	case ${running[$pid]} in
	# What CUnit prints of a passed test says nothing, and after five assertions a failed one is known.
	"unit tests, "*)
		grep -avE '^( *Test: .*\.\.\.passed|Suite: .*|)$' "$work/$pid" |
			awk '/ had failures:$/ { shown = 0; $0 = "FAIL " $0 } !/^ +[0-9]+\. / || shown++ < 5'
		;;
	*)
		if [ -n "${variants[$pid]:-}" ] && has_failed "$work/$pid" $status; then
			sed 's/^FAIL /failed beside others: /' "$work/$pid"
			echo "--- $((SECONDS - started[$pid])) s: ${running[$pid]}: status $status, to be run again alone"
			again+=("${variants[$pid]}")
			unset "running[$pid]" "variants[$pid]"
			return
		fi
		unset "variants[$pid]"
		cat "$work/$pid"
		;;
	esac
	judge_job "$pid" $status
}

# has_failed OUTPUT STATUS
has_failed() {
	[ "$2" -ne 0 ] || grep -q '^FAIL ' "$1"
}

# take_until_below COUNT: until fewer than so many run
take_until_below() {
	while [ ${#running[@]} -ge "$1" ]; do
		take_one
	done
}

# judge_unit JOB OUTPUT STATUS
judge_unit() {
	local total bad
	# "               tests     12     12     11      1        0": total, ran, passed, failed.
	read -r total bad < <(awk '$1 == "tests" && NF == 6 { print $4, $5 }' "$2")
	passed=$((passed + ${total:-0}))
	failed=$((failed + ${bad:-0}))
	if [ "$3" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then
		echo "FAIL $1: exit status $3"
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

# What the smoke test in FILE is called in this variant: test_name FILE WORKERS DEVICE
test_name() {
	local name
	name=$(basename "$1" _test.sh)
	! grep -q '^# variants: ' "$1" && [ "$2" = 1 ] || name="$name workers=$2"
	[ "$3" = af_packet ] || name="$name device=$3"
	echo "$name"
}

# judge_test JOB OUTPUT STATUS
judge_test() {
	local good bad
	good=$(grep -c '^ok ' "$2")
	bad=$(grep -c '^FAIL ' "$2")
	passed=$((passed + good))
	failed=$((failed + bad))
	if [ "$3" -eq 124 ] || [ "$3" -eq 137 ]; then
		echo "FAIL $1: killed, or not done within ${SMOKE_S:-300} s"
		failed=$((failed + 1))
	elif [ "$3" -ne 0 ] && [ "$bad" -eq 0 ]; then
		echo "FAIL $1: exit status $3"
		failed=$((failed + 1))
	fi
	[ "$bad" -eq 0 ] || echo "FAILED: $1 ($bad of $((good + bad)))"
}

# start_test FILE WORKERS DEVICE
start_test() {
	LAB_WORKERS=$2 LAB_DEVICE=$3 start_job "smoke test $(test_name "$@")" \
		timeout --kill-after=30 "${SMOKE_S:-300}" "$1"
}

# run_beside FILE WORKERS DEVICE
run_beside() {
	LAB_NICE=0 start_test "$@"
	variants[$!]="$*"
}

# Is one running that goes ahead of the others?
is_one_ahead() {
	local job
	for job in "${running[@]}"; do
		[ "$job" != "$ahead" ] || return 0
	done
	return 1
}

# run_ahead FILE WORKERS DEVICE: once no other such runs
run_ahead() {
	while is_one_ahead; do
		take_one
	done
	start_test "$@"
	variants[$!]="$*"
	ahead="smoke test $(test_name "$@")"
}

# run_alone FILE WORKERS DEVICE: what it writes is seen while it runs.
run_alone() {
	local pid
	take_until_below 1
	echo "--- smoke test $(test_name "$@")"
	start_test "$@"
	pid=$!
	tail -n +1 -F -s 0.2 --pid="$pid" "$work/$pid" 2>/dev/null
	wait "$pid"
	judge_job "$pid" $?
}

# has_line FILE WORD: does the test say so of itself?
has_line() {
	grep -q "^# $2: " "$1"
}

# Whatever can run beside others is in `beside`, what goes ahead of these in `first`, and what needs all for itself in `alone`.
run_smoke() {
	local file name asked="" wanted=${SMOKE:-} workers device ahead=none beside=() first=() alone=()
	case $wanted in
	*" "*) asked=${wanted#* } ;;
	esac
	wanted=${wanted%% *}
	for file in "$root"/tests/smoke/*_test.sh; do
		[ -e "$file" ] || continue
		name=$(basename "$file" _test.sh)
		[ -z "$wanted" ] || [ "$wanted" = "$name" ] || continue
		while read -r workers device; do
			if [ -n "$wanted" ] || [ "$lanes" -eq 1 ] || has_line "$file" alone; then
				alone+=("$file $workers $device")
			elif has_line "$file" ahead; then
				first+=("$file $workers $device")
			else
				beside+=("$file $workers $device")
			fi
		done < <(variants_of "$file" "$asked")
	done
	# shellcheck disable=SC2086
	while [ $((${#first[@]} + ${#beside[@]})) -gt 0 ]; do
		take_until_below "$lanes"
		if [ ${#first[@]} -gt 0 ] && { ! is_one_ahead || [ ${#beside[@]} -eq 0 ]; }; then
			run_ahead ${first[0]}
			first=("${first[@]:1}")
		else
			run_beside ${beside[0]}
			beside=("${beside[@]:1}")
		fi
	done
	# shellcheck disable=SC2086
	for name in "${alone[@]}"; do
		run_alone $name
	done
	take_until_below 1
	# shellcheck disable=SC2086
	for name in "${again[@]}"; do
		run_alone $name
	done
}

# What counts its own tests, and ends with `N passed, N failed`: run_counted NAME COMMAND...
run_counted() {
	local name=$1 output=$work/$1 status good bad
	shift
	take_until_below 1
	echo "--- $name"
	"$@" </dev/null 2>&1 | tee "$output"
	status=${PIPESTATUS[0]}
	read -r good bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$output" | tail -n 1)
	passed=$((passed + ${good:-0}))
	failed=$((failed + ${bad:-0}))
	if [ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then
		echo "FAIL $name: exit status $status"
		failed=$((failed + 1))
	fi
}

# Unit programs need a core each and nothing else: they are in the lanes, too.
for what; do
	case $what in
	*=*) start_job "unit tests, ${what%%=*}" "${what#*=}" ;;
	esac
done
for what; do
	case $what in
	# shellcheck disable=SC2086
	scenario) run_counted scenario $SCENARIO_RUN ;;
	# shellcheck disable=SC2086
	sim) run_counted sim $SIM_RUN ;;
	# shellcheck disable=SC2086
	sim_san) run_counted sim_san $SIM_SAN_RUN ;;
	stress) run_counted stress "$root/tests/stress/run.sh" ;;
	smoke)
		if [ "$(id -u)" -ne 0 ]; then
			echo "FAIL smoke tests need root (network namespaces): sudo make smoke"
			failed=$((failed + 1))
		else
			run_smoke
		fi
		;;
	esac
done
take_until_below 1
for what in "${again[@]}"; do
	# shellcheck disable=SC2086
	echo "failed beside others, and was run again alone: $(test_name $what)"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
