#!/bin/bash
# Rig C: forwarded misses over memif. Portico's worker on one core, the load generator (clients and servers) on another,
# turn about with dpdk-testpmd's 5tswap on the same device, which does nothing but take, swap and send. As root.
#
#   bench/rig_c.sh [--pairs N] [--seconds S] [--outstanding K] [--cpus G,W]
#     --pairs N         turns of each (7)
#     --seconds S       measured in each turn, after half a second of warm-up (4)
#     --outstanding K   closed loop: questions waiting at any time (256)
#     --cpus G,W        CPU of the generator, CPU of the worker (0,1)
#     --queues Q        queues of the device (1)
# Environment: PORTICO, PORTICOCTL, LOAD: the programs (build/portico, build/porticoctl, build/bench/load);
# RIG_KEEP=1 keeps the directory with configuration, logs and figures; RIG_NICE: niceness of all that runs (-10).
#
# A forwarded miss is one question in, one query out, one reply in, one answer out: Portico takes two packets and sends two.
# 5tswap takes one and sends one. Both ratios are reported. All names are new, so that no cache can answer.
#
# Markdown goes to stdout, progress to stderr. Huge pages are reserved for the run and given back.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
PORTICO=${PORTICO:-$root/build/portico}
PORTICOCTL=${PORTICOCTL:-$(dirname "$PORTICO")/porticoctl}
LOAD=${LOAD:-$root/build/bench/load}
TESTPMD=${TESTPMD:-dpdk-testpmd}
HUGEPAGES=768
READY_S=20
WARMUP_S=0.5

pairs=7 seconds=4 outstanding=256 cpus=0,1 queues=1
nice=${RIG_NICE:--10} autogroup_before=""
dir="" pages_before="" portico_pid="" testpmd_pid="" load_pid=""

die() {
	echo "rig_c: $*" >&2
	exit 1
}

usage() {
	sed -nE '/^#   bench/,/^# RIG_KEEP/s/^# ?//p' "$0"
	exit "$1"
}

while [ $# -gt 0 ]; do
	case $1 in
	--pairs) pairs=${2-} ;;
	--seconds) seconds=${2-} ;;
	--outstanding) outstanding=${2-} ;;
	--cpus) cpus=${2-} ;;
	--queues) queues=${2-} ;;
	--help | -h) usage 0 ;;
	*) usage 2 >&2 ;;
	esac
	[ $# -ge 2 ] || usage 2 >&2
	shift 2
done
load_cpu=${cpus%,*} worker_cpu=${cpus#*,}
[[ $pairs =~ ^[1-9][0-9]*$ && $outstanding =~ ^[1-9][0-9]*$ && $queues =~ ^[1-9][0-9]*$ &&
	$seconds =~ ^[0-9.]+$ && $cpus =~ ^[0-9]+,[0-9]+$ ]] || usage 2 >&2

# --- start and end -------------------------------------------------------------------------------

# stop PID: TERM, after 10 s KILL.
stop() {
	local i
	[ -n "$1" ] || return 0
	kill -TERM "$1" 2>/dev/null
	for ((i = 0; i < 200; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

stop_testpmd() {
	exec 9>&-
	stop "$testpmd_pid"
	testpmd_pid=""
}

stop_portico() {
	stop "$portico_pid"
	portico_pid=""
}

clean_up() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	stop "$load_pid"
	stop_testpmd
	stop_portico
	[ -z "$autogroup_before" ] || echo "$autogroup_before" >/proc/self/autogroup
	[ -z "$pages_before" ] || sysctl -q -w vm.nr_hugepages="$pages_before"
	[ -z "$dir" ] || rm -rf "/var/run/dpdk/$prefix" "/var/run/dpdk/$prefix-load" "/var/run/dpdk/$prefix-pmd"
	if [ -n "${RIG_KEEP:-}" ]; then
		echo "rig_c: kept $dir" >&2
	elif [ -n "$dir" ]; then
		rm -rf "$dir"
	fi
	exit $status
}

[ "$(id -u)" -eq 0 ] || die "huge pages and memif need root: sudo $0"
for program in "$PORTICO" "$PORTICOCTL" "$LOAD" "$TESTPMD"; do
	[ -n "$(command -v "$program")" ] || die "$program is not there"
done
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
dir=$(mktemp -d /tmp/portico-rig.XXXXXX) || die "no temporary directory"
prefix=rig-$$
socket=$dir/memif.sock
# Whatever else runs here must not take the cores away in the middle of it. Where the kernel groups processes by session
# (sched_autogroup), niceness counts within a session only, and what counts between them is the group's.
renice -n "$nice" -p $$ >/dev/null 2>&1
if [ -w /proc/self/autogroup ]; then
	autogroup_before=$(sed -n 's/.*nice //p' /proc/self/autogroup)
	echo "$nice" >/proc/self/autogroup
fi

pages_before=$(cat /proc/sys/vm/nr_hugepages)
[ "$pages_before" -ge $HUGEPAGES ] || sysctl -q -w vm.nr_hugepages=$HUGEPAGES
if [ "$(cat /proc/sys/vm/nr_hugepages)" -ge $HUGEPAGES ]; then
	pages="huge pages" portico_pages=required load_pages=--hugepages pmd_pages=--in-memory
else
	pages="ordinary pages" portico_pages=never load_pages="" pmd_pages=--no-huge
fi

cat >"$dir/portico.yaml" <<CONF
workers: [$worker_cpu]
control_cpu: $load_cpu
poll: busy
dpdk: {memory_mb: 384, hugepages: $portico_pages, file_prefix: $prefix}
interfaces:
  - name: net0
    device: "net_memif0,role=server,id=0,socket=$socket,socket-abstract=no"
    addresses: [198.18.0.53/24, "2001:2:0:1::53/64"]
    gateway: [198.18.0.1, "2001:2:0:1::1"]
    kernel: none
allow: [198.18.0.0/15, "2001:2::/48"]
mode: forward
forward:
  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
CONF

# wait_for SECONDS PID FILE REGEX
wait_for() {
	local i
	for ((i = 0; i < $1 * 20; i++)); do
		grep -Eq -- "$4" "$3" 2>/dev/null && return 0
		kill -0 "$2" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

start_portico() {
	"$PORTICO" -c "$dir/portico.yaml" >"$dir/portico.log" 2>&1 &
	portico_pid=$!
	wait_for $READY_S $portico_pid "$dir/portico.log" '^portico: ready$' && return
	tail -n 20 "$dir/portico.log" >&2
	die "Portico does not get ready"
}

start_testpmd() {
	[ -p "$dir/commands" ] || mkfifo "$dir/commands" || die "no fifo"
	"$TESTPMD" -l "$load_cpu,$worker_cpu" --main-lcore "$load_cpu" --no-pci --no-telemetry $pmd_pages -m 256 \
		--file-prefix="$prefix-pmd" --vdev="net_memif0,role=server,id=0,socket=$socket,socket-abstract=no" \
		-- -i --forward-mode=5tswap --auto-start --total-num-mbufs=16384 --rxq="$queues" --txq="$queues" \
		--record-core-cycles <"$dir/commands" >"$dir/testpmd.log" 2>&1 &
	testpmd_pid=$!
	exec 9>"$dir/commands"
	wait_for $READY_S $testpmd_pid "$dir/testpmd.log" '5tswap packet forwarding' && return
	tail -n 20 "$dir/testpmd.log" >&2
	die "testpmd does not start"
}

# --- measuring -----------------------------------------------------------------------------------

# load NAME ARGUMENTS...: in the background, figures to NAME.json.
load() {
	local name=$1
	shift
	"$LOAD" --vdev="net_memif0,role=client,id=0,socket=$socket,socket-abstract=no,mac=02:00:00:00:00:20" \
		--cpu="$load_cpu" --file-prefix="$prefix-load" $load_pages --memory-mb=384 --queues="$queues" \
		--warmup-s=$WARMUP_S --seconds="$seconds" --json="$dir/$name.json" "$@" >"$dir/$name.log" 2>&1 &
	load_pid=$!
}

wait_load() {
	local status=0
	wait "$load_pid" || status=$?
	load_pid=""
	[ $status -eq 0 ] && return
	tail -n 20 "$dir/$1.log" "$dir/portico.log" >&2
	die "the load generator failed: $1"
}

# figure FILE NAME: a number of a flat JSON object.
figure() {
	grep -Eo "\"$2\" *: *-?[0-9.]+" "$1" | head -n 1 | sed 's/.*: *//'
}

calculate() {
	awk "BEGIN { printf \"$1\", $2 }"
}

# The worker's thread: the one that DPDK has named after its lcore.
worker_task() {
	local task
	for task in /proc/"$portico_pid"/task/*; do
		! grep -q '^rte-worker\|^lcore-worker\|^dpdk-worker' "$task/comm" || echo "$task"
	done | head -n 1
}

# snapshot FILE: Portico's counters, and how often the kernel has put its worker aside. Not while it is measured: with two
# CPUs, who answers shares one with the generator.
snapshot() {
	"$PORTICOCTL" -p "$prefix" stats --json >"$1" || die "porticoctl failed"
	sed -nE 's/^nonvoluntary_ctxt_switches:\s*//p' "$(worker_task)/status" >"$1.put_aside"
}

difference() {
	calculate %.0f "$(figure "$dir/after" "$1") - $(figure "$dir/before" "$1")"
}

# wait_measuring NAME: until the warm-up of that load is over.
wait_measuring() {
	wait_for $((READY_S + 5)) "$load_pid" "$dir/$1.log" '^load: measuring' && return
	cat "$dir/$1.log" >&2
	die "the load generator does not get to measure: $1"
}

# One turn of Portico: a line of figures. Busy cycles are those of the whole load, warm-up included.
turn_portico() {
	local queries
	start_portico
	snapshot "$dir/before"
	load portico --outstanding="$outstanding"
	wait_load portico
	snapshot "$dir/after"
	stop_portico
	queries=$(difference queries)
	[ "$queries" -gt 0 ] || die "Portico saw no questions"
	echo "$(figure "$dir/portico.json" noerror_per_s)" "$(calculate %.0f "$(difference busy_cycles) / $queries")" \
		"$(($(cat "$dir/after.put_aside") - $(cat "$dir/before.put_aside")))" \
		"$(figure "$dir/portico.json" lost)" "$(figure "$dir/portico.json" wrong)" >>"$dir/turns.portico"
}

# One turn of 5tswap: packets/s, its own cycles a packet.
turn_testpmd() {
	local cycles
	start_testpmd
	load echo --mode=echo --outstanding="$outstanding"
	wait_measuring echo
	sleep "$(calculate %.2f "$seconds * 0.8")"
	echo "show fwd stats all" >&9
	wait_load echo
	stop_testpmd
	cycles=$(sed -nE 's/.*CPU cycles\/packet=([0-9.]+).*/\1/p' "$dir/testpmd.log" | head -n 1)
	[ -n "$cycles" ] || die "testpmd did not say its cycles a packet"
	echo "$(figure "$dir/echo.json" answered_per_s)" "$cycles" >>"$dir/turns.testpmd"
}

# open_loop NAME RATE [ARGUMENTS...]: with the Portico that runs; appends a row of the table to open.
open_loop() {
	local name=$1 rate=$2 file
	shift 2
	load "$name" --rate="$rate" "$@"
	wait_load "$name"
	file=$dir/$name.json
	printf '| %s | %.0f | %.0f | %.2f %% | %.2f %% | %.0f | %.0f | %.0f | %.0f |\n' "$name" \
		"$(figure "$file" sent_per_s)" "$(figure "$file" noerror_per_s)" \
		"$(calculate %.4f "100 * $(figure "$file" servfail) / $(figure "$file" sent)")" \
		"$(figure "$file" answered_per_s | awk -v sent="$(figure "$file" sent_per_s)" \
			'{ missing = 1 - $1 / sent; print (missing > 0 ? 100 * missing : 0) }')" \
		"$(figure "$file" latency_us_p50)" "$(figure "$file" latency_us_p99)" \
		"$(figure "$file" latency_us_p99_9)" "$(figure "$file" latency_us_max)" >>"$dir/open"
}

# median COLUMN FILE, least COLUMN FILE, most COLUMN FILE
column() {
	awk -v c="$1" '{ print $c }' "$2" | sort -g
}

median() {
	column "$1" "$2" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

least() {
	column "$1" "$2" | head -n 1
}

most() {
	column "$1" "$2" | tail -n 1
}

# --- the turns -----------------------------------------------------------------------------------

for ((turn = 1; turn <= pairs; turn++)); do
	turn_portico
	turn_testpmd
	echo "rig_c: turn $turn of $pairs: Portico $(tail -n 1 "$dir/turns.portico")," \
		"5tswap $(tail -n 1 "$dir/turns.testpmd")" >&2
done
paste -d ' ' "$dir/turns.portico" "$dir/turns.testpmd" | awk '{ print $1 / $6, 2 * $1 / $6, $2 - 2 * $7 }' >"$dir/ratios"

full=$(median 1 "$dir/turns.portico")
start_portico
open_loop "50 % of what it can" "$(calculate %.0f "$full * 0.5")"
open_loop "80 %" "$(calculate %.0f "$full * 0.8")"
open_loop "200 %" "$(calculate %.0f "$full * 2")" --timeout-ms=1000 --drop-refused
stop_portico

# --- the report ----------------------------------------------------------------------------------

cat <<REPORT
Rig C: forwarded misses over memif, $queues queue(s), one worker; generator on CPU $load_cpu, worker on CPU $worker_cpu; $pages;
$outstanding questions under way; $pairs pairs of $seconds s, turn about with testpmd 5tswap; TSC $(calculate %.0f "$(figure "$dir/portico.json" tsc_hz) / 1e6") MHz; commit $(git -C "$root" rev-parse --short HEAD 2>/dev/null).

| per turn | median | worst | best |
|---|---|---|---|
| Portico: questions answered NOERROR a second (A) | $(printf '%.0f | %.0f | %.0f' "$(median 1 "$dir/turns.portico")" "$(least 1 "$dir/turns.portico")" "$(most 1 "$dir/turns.portico")") |
| 5tswap: packets swapped a second (B) | $(printf '%.0f | %.0f | %.0f' "$(median 1 "$dir/turns.testpmd")" "$(least 1 "$dir/turns.testpmd")" "$(most 1 "$dir/turns.testpmd")") |
| questions ÷ packets: A ÷ B of the same pair | $(printf '%.3f | %.3f | %.3f' "$(median 1 "$dir/ratios")" "$(least 1 "$dir/ratios")" "$(most 1 "$dir/ratios")") |
| packets moved: 2 A ÷ B (a question is two packets in, two out) | $(printf '%.3f | %.3f | %.3f' "$(median 2 "$dir/ratios")" "$(least 2 "$dir/ratios")" "$(most 2 "$dir/ratios")") |
| Portico: busy cycles a question, device included | $(printf '%.0f | %.0f | %.0f' "$(median 2 "$dir/turns.portico")" "$(most 2 "$dir/turns.portico")" "$(least 2 "$dir/turns.portico")") |
| 5tswap: cycles a packet, the device's share | $(printf '%.0f | %.0f | %.0f' "$(median 2 "$dir/turns.testpmd")" "$(most 2 "$dir/turns.testpmd")" "$(least 2 "$dir/turns.testpmd")") |
| application cycles a question: busy cycles less two packets of 5tswap | $(printf '%.0f | %.0f | %.0f' "$(median 3 "$dir/ratios")" "$(most 3 "$dir/ratios")" "$(least 3 "$dir/ratios")") |
| times that the kernel put Portico's worker aside | $(printf '%.0f | %.0f | %.0f' "$(median 3 "$dir/turns.portico")" "$(most 3 "$dir/turns.portico")" "$(least 3 "$dir/turns.portico")") |
| lost, wrong answers, of all turns | $(awk '{ l += $4; w += $5 } END { print l ", " w }' "$dir/turns.portico") | | |

Open loop (latency from the moment a question was due, in µs; at 200 % what the full device refuses is dropped, replies of
servers among it):

| offered | sent/s | NOERROR/s | SERVFAIL | not answered | 50 % | 99 % | 99.9 % | most |
|---|---|---|---|---|---|---|---|---|
$(cat "$dir/open")
REPORT
