# What the rigs share. Sourced by bench/rig_*.sh, which sets RIG (its name) first.
#
# rig_options DEFAULTS QUICK ARGUMENTS...   variables and their values ("pairs=7 loss_s=30"); --loss-s N sets loss_s, --quick what QUICK
#                          says; --help shows the rig's first comment
# rig_begin                as root; a temporary directory `dir`, a prefix `prefix` for DPDK; priority; clean-up on every way out
# rig_pages COUNT          huge pages of 2 MiB, given back at the end; sets pages, portico_pages, load_pages, pmd_pages
# rig_namespace NAME       a network namespace, deleted at the end; in_namespace: what start_portico, start_testpmd begin with
# rig_on_exit COMMAND      something more to undo, last one first
# stop PID                 TERM, after 10 s KILL
# wait_for SECONDS PID FILE REGEX
# network DEVICE [HINTS]   the part of Portico's configuration that says where clients and servers are: where bench/load has them. With a
#                          file of root hints it iterates, else it forwards
# start_portico CONFIG     sets portico_pid; portico_log is its log.  stop_portico
# pause_portico, resume_portico   SIGSTOP and SIGCONT: its cores are free meanwhile, and its cache stays
# start_testpmd CPUS ARGUMENTS...  `-- -i --auto-start` behind them; sets testpmd_pid; tell_testpmd WORDS...; stop_testpmd
# snapshot FILE            Portico's counters, and how often the kernel has put its workers aside
# difference NAME BEFORE AFTER    of two snapshots
# figure FILE NAME         a number of a flat JSON object;  calculate FORMAT EXPRESSION
# median, least, most COLUMN FILE
# show ID MEDIAN WORST     a figure that the report compares with its target (bench/report.py), to $RIG_OUT/figures.tsv
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PORTICO=${PORTICO:-$root/build/portico}
PORTICOCTL=${PORTICOCTL:-$(dirname "$PORTICO")/porticoctl}
LOAD=${LOAD:-$root/build/bench/load}
TESTPMD=${TESTPMD:-dpdk-testpmd}
RIG_OUT=${RIG_OUT:-}
READY_S=30

nice=${RIG_NICE:--10} autogroup_before=""
dir="" prefix="" in_namespace="" pages_before="" portico_pid="" testpmd_pid="" load_pid="" undo=()

die() {
	echo "$RIG: $*" >&2
	exit 1
}

say() {
	echo "$RIG: $*" >&2
}

# usage SCRIPT STATUS: its first comment, from the line with its name on.
usage() {
	sed -nE '/^#   bench/,/^$/s/^# ?//p' "$1"
	exit "$2"
}

rig_options() {
	local defaults quick=$2 word name
	defaults=$(echo $1)
	shift 2
	for word in $defaults; do
		printf -v "${word%%=*}" %s "${word#*=}"
	done
	while [ $# -gt 0 ]; do
		case $1 in
		--help | -h) usage "$0" 0 ;;
		--quick)
			for word in $quick; do
				printf -v "${word%%=*}" %s "${word#*=}"
			done
			shift
			continue
			;;
		esac
		name=${1#--} name=${name//-/_}
		[[ $1 == --* && " $defaults" == *" $name="* && $# -ge 2 ]] || usage "$0" 2 >&2
		printf -v "$name" %s "$2"
		shift 2
	done
}

# --- start and end -------------------------------------------------------------------------------

stop() {
	local i
	[ -n "$1" ] || return 0
	kill -CONT "$1" 2>/dev/null
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

pause_portico() {
	sleep 0.2
	kill -STOP "$portico_pid"
}

resume_portico() {
	kill -CONT "$portico_pid"
	sleep 0.1
}

rig_on_exit() {
	undo=("$*" "${undo[@]}")
}

clean_up() {
	local status=$? command
	trap - EXIT
	trap '' INT TERM HUP
	stop "$load_pid"
	stop_testpmd
	stop_portico
	for command in "${undo[@]}"; do
		$command >/dev/null 2>&1
	done
	[ -z "$autogroup_before" ] || echo "$autogroup_before" >/proc/self/autogroup
	[ -z "$pages_before" ] || sysctl -q -w vm.nr_hugepages="$pages_before"
	[ -z "$dir" ] || rm -rf "/var/run/dpdk/$prefix" "/var/run/dpdk/$prefix-load" "/var/run/dpdk/$prefix-pmd"
	if [ -n "${RIG_KEEP:-}" ]; then
		echo "$RIG: kept $dir" >&2
	elif [ -n "$dir" ]; then
		rm -rf "$dir"
	fi
	exit $status
}

# Whatever else runs here must not take the cores away in the middle of it. Where the kernel groups processes by session
# (sched_autogroup), niceness counts within a session only, and what counts between them is the group's.
prefer() {
	renice -n "$nice" -p $$ >/dev/null 2>&1
	if [ -w /proc/self/autogroup ]; then
		autogroup_before=$(sed -n 's/.*nice //p' /proc/self/autogroup)
		echo "$nice" >/proc/self/autogroup
	fi
}

# rig_namespace NAME: a network namespace for the run.
rig_namespace() {
	ip netns add "$1" || die "no network namespaces here"
	rig_on_exit ip netns delete "$1"
	ip -n "$1" link set lo up
}

rig_begin() {
	local program
	[ "$(id -u)" -eq 0 ] || die "DPDK's devices need root: sudo $0"
	for program in "$PORTICO" "$PORTICOCTL" "$LOAD" "$TESTPMD" "$@"; do
		[ -n "$(command -v "$program")" ] || die "$program is not there"
	done
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	dir=$(mktemp -d /tmp/portico-rig.XXXXXX) || die "no temporary directory"
	prefix=rig-$$
	prefer
}

rig_pages() {
	pages_before=$(cat /proc/sys/vm/nr_hugepages)
	[ "$pages_before" -ge "$1" ] || sysctl -q -w vm.nr_hugepages="$1"
	if [ "$(cat /proc/sys/vm/nr_hugepages)" -ge "$1" ]; then
		pages="huge pages" portico_pages=required load_pages=--hugepages pmd_pages=--in-memory
	else
		pages="ordinary pages" portico_pages=never load_pages="" pmd_pages=--no-huge
	fi
}

wait_for() {
	local i
	for ((i = 0; i < $1 * 20; i++)); do
		grep -Eq -- "$4" "$3" 2>/dev/null && return 0
		kill -0 "$2" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

network() {
	cat <<-CONF
		interfaces:
		  - name: net0
		    device: "$1"
		    addresses: [198.18.0.53/24, "2001:2:0:1::53/64"]
		    gateway: [198.18.0.1, "2001:2:0:1::1"]
		    kernel: none
		allow: [198.18.0.0/15, "2001:2::/48"]
	CONF
	if [ -n "${2:-}" ]; then
		printf 'mode: iterate\nroot_hints: "%s"\n' "$2"
	else
		printf 'mode: forward\nforward:\n  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}\n'
	fi
}

start_portico() {
	portico_log=$dir/portico.log
	$in_namespace "$PORTICO" -c "$1" >"$portico_log" 2>&1 &
	portico_pid=$!
	wait_for $READY_S $portico_pid "$portico_log" '^portico: ready$' && return
	tail -n 20 "$portico_log" >&2
	die "Portico does not get ready"
}

start_testpmd() {
	local cpus=$1
	shift
	[ -p "$dir/commands" ] || mkfifo "$dir/commands" || die "no fifo"
	: >"$dir/testpmd.log"
	$in_namespace stdbuf -oL "$TESTPMD" $cpus --no-pci --no-telemetry $pmd_pages --file-prefix="$prefix-pmd" "$@" \
		<"$dir/commands" >>"$dir/testpmd.log" 2>&1 &
	testpmd_pid=$!
	exec 9>"$dir/commands"
	wait_for $READY_S $testpmd_pid "$dir/testpmd.log" 'packet forwarding' && return
	tail -n 20 "$dir/testpmd.log" >&2
	die "testpmd does not start"
}

tell_testpmd() {
	echo "$*" >&9
}

# Its cycles a packet, as it said last.
testpmd_cycles() {
	sed -nE 's/.*CPU cycles\/packet=([0-9.]+).*/\1/p' "$dir/testpmd.log" | tail -n 1
}

# --- figures -------------------------------------------------------------------------------------

figure() {
	grep -Eo "\"$2\" *: *-?[0-9.]+" "$1" | head -n 1 | sed 's/.*: *//'
}

calculate() {
	awk "BEGIN { printf \"$1\", $2 }"
}

# The workers' threads: those that DPDK has named after their lcores.
worker_tasks() {
	local task
	for task in /proc/"$portico_pid"/task/*; do
		! grep -qs '^rte-worker\|^lcore-worker\|^dpdk-worker' "$task/comm" || echo "$task"
	done
}

# Not while it is measured: with two CPUs, who answers shares one with the generator.
snapshot() {
	local task
	"$PORTICOCTL" -p "$prefix" stats --json >"$1" || die "porticoctl failed"
	echo "$EPOCHREALTIME" >"$1.time"
	for task in $(worker_tasks); do
		sed -nE 's/^nonvoluntary_ctxt_switches:\s*//p' "$task/status"
	done | awk '{ n += $1 } END { print n + 0 }' >"$1.put_aside"
}

difference() {
	calculate %.0f "$(figure "$3" "$1") - $(figure "$2" "$1")"
}

column() {
	awk -v c="$1" '$c != "" { print $c }' "$2" | sort -g
}

median() {
	column "$1" "$2" | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

least() {
	column "$1" "$2" | head -n 1
}

most() {
	column "$1" "$2" | tail -n 1
}

show() {
	[ -z "$RIG_OUT" ] || printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$RIG_OUT/figures.tsv"
}

# row FORMAT COLUMN FILE BETTER: "median | worst | best" of a column; BETTER: more or less.
row() {
	local worst best
	worst=$(least "$2" "$3") best=$(most "$2" "$3")
	[ "$4" = more ] || { best=$(least "$2" "$3") worst=$(most "$2" "$3"); }
	printf "$1 | $1 | $1" "$(median "$2" "$3")" "$worst" "$best"
}

commit() {
	git -C "$root" rev-parse --short HEAD 2>/dev/null
}

# keep FILE NAME: for the report.
keep() {
	[ -z "$RIG_OUT" ] || cp "$1" "$RIG_OUT/$2"
}
