#!/bin/bash
# Rig C: hits, mixes, forwarded and iterated misses over memif; with --device af_packet starts and hits over a veth pair. Portico's worker on one
# core, the load generator (clients and servers) on another, turn about with dpdk-testpmd's 5tswap on the same device, which does nothing
# but take, swap and send. As root.
#
#   bench/rig_c.sh [--pairs N] [--seconds S] [--quick] [...]
#     --pairs N         turns of each (7)
#     --seconds S       measured in each turn, after a quarter of a second of warm-up (2)
#     --quick           3 turns of a second, 5 s of loss
#     --device D        memif, or af_packet (start and hits only, by a tenth of the names)
#     --starts N        starts that are timed, over af_packet (5, quick: 3)
#     --outstanding K   closed loop: questions waiting at any time (256)
#     --cpus G,W        CPU of the generator, CPU of the worker (0,1)
#     --queues Q        queues of the device (1)
#     --names N         in the cache; asked by Zipf's law with exponent 0.95 (1000000)
#     --loss-s S        open loop at 90 % of the maximum, for so long (30)
#     --flood R         new names a second while no server answers (50000)
#     --flood-s S       the same beside hits at half of what it can, while it iterates (10)
#     --part P          forward (hits, mixes, forwarded misses), iterate, flood (what iterate ends with), or all (all)
# Environment: PORTICO, PORTICOCTL, LOAD: the programs (build/portico, build/porticoctl, build/bench/load);
# RIG_OUT=DIR: figures and plots' data for the report; RIG_KEEP=1 keeps the directory with configuration, logs and figures;
# RIG_NICE: niceness of all that runs (-10).
#
# A hit is one packet in, one out, as 5tswap's. A forwarded miss is one question in, one query out, one reply in, one answer out:
# Portico takes two packets and sends two. An iterated miss is the same where its zone's cut is known; where nothing of its name is, the
# root and a top-level domain refer first, and Portico takes four packets and sends four. While testpmd runs, Portico is stopped (SIGSTOP), its cache stays.
#
# Markdown goes to stdout, progress to stderr. Huge pages are reserved for the run and given back.

set -u
RIG=rig_c
. "$(dirname "$0")/rig_parts.sh"
RATIOS="100 90 80 50 0"
HUGEPAGES=1400
WARMUP_S=0.25

rig_options "pairs=7 seconds=2 outstanding=256 cpus=0,1 queues=1 names= loss_s=30 flood=50000 flood_s=10 device=memif starts=5 part=all" \
	"pairs=3 seconds=1 loss_s=5 starts=3" "$@"
[ -n "$names" ] || { names=1000000 && [ "$device" = memif ] || names=100000; }
load_cpu=${cpus%,*} worker_cpu=${cpus#*,}
[[ $pairs =~ ^[1-9][0-9]*$ && $starts =~ ^[1-9][0-9]*$ && $outstanding =~ ^[1-9][0-9]*$ && $queues =~ ^[1-9][0-9]*$ && $names =~ ^[1-9][0-9]*$ &&
	$device =~ ^(memif|af_packet)$ && $part =~ ^(all|forward|iterate|flood)$ && $seconds =~ ^[0-9.]+$ && $loss_s =~ ^[0-9]+$ && $flood =~ ^[0-9]+$ && $flood_s =~ ^[0-9]+$ && $cpus =~ ^[0-9]+,[0-9]+$ ]] || usage "$0" 2 >&2

rig_begin
rig_pages $HUGEPAGES
if [ $device = memif ]; then
	portico_device="net_memif0,role=server,id=0,socket=$dir/portico.sock,socket-abstract=no"
	testpmd_device="net_memif0,role=server,id=0,socket=$dir/testpmd.sock,socket-abstract=no"
else
	# Both ends in a namespace of their own, where the kernel has no address and says nothing.
	rig_namespace "$prefix"
	in_namespace="ip netns exec $prefix"
	$in_namespace ip link add rig0 type veth peer name rig1 || die "no veth"
	for end in rig0 rig1; do
		$in_namespace sysctl -q -w net.ipv6.conf.$end.disable_ipv6=1
		$in_namespace ethtool -K $end tx off rx off gso off gro off tso off >/dev/null
		$in_namespace ip link set $end up || die "no veth"
	done
	portico_device="net_af_packet0,iface=rig0" testpmd_device="net_af_packet0,iface=rig0"
fi
# The generator's root and top-level domains, behind the gateway.
ROOTS=198.18.1.1,2001:2:0:4::1 TLDS=198.18.1.2,2001:2:0:4::2 AUTHORITIES=198.18.1.3,2001:2:0:4::3
cat >"$dir/root.hints" <<HINTS
. 86400 IN NS n1.
. 86400 IN NS n2.
n1. 86400 IN A ${ROOTS%,*}
n2. 86400 IN AAAA ${ROOTS#*,}
HINTS

# configure FILE [HINTS]
configure() {
	cat >"$1" <<-CONF
		workers: [$worker_cpu]
		control_cpu: $load_cpu
		poll: busy
		dpdk: {memory_mb: 512, hugepages: $portico_pages, file_prefix: $prefix}
		$(network "$portico_device" "${2:-}")
		cache: {size_mb: 512}
	CONF
}
configure "$dir/forward.yaml"
configure "$dir/iterate.yaml" "$dir/root.hints"
config=$dir/forward.yaml

# --- measuring -----------------------------------------------------------------------------------

unique_from=0
# Packets that a ring of memif holds, as a power of two: the client says.
ring_log2=10

load_device() {
	if [ $device = memif ]; then
		echo "net_memif0,role=client,id=0,socket=$dir/$1,socket-abstract=no,rsize=$ring_log2,mac=02:00:00:00:00:20"
	else
		echo "net_af_packet0,iface=rig1,framecnt=2048"
	fi
}

# load NAME SOCKET ARGUMENTS...: figures to NAME.json. No name that is meant to be new was ever asked before.
load() {
	local name=$1 socket=$2 status=0
	shift 2
	unique_from=$((unique_from + 1000000000))
	$in_namespace "$LOAD" --vdev="$(load_device "$socket")" \
		--cpu="$load_cpu" --file-prefix="$prefix-load" $load_pages --memory-mb=384 --queues="$queues" --ttl=86400 \
		--warmup-s=$WARMUP_S --seconds="$seconds" --unique-from=$unique_from --json="$dir/$name.json" "$@" \
		>"$dir/$name.log" 2>&1 &
	load_pid=$!
	[ -z "${meanwhile:-}" ] || $meanwhile "$name"
	wait "$load_pid" || status=$?
	load_pid=""
	[ $status -eq 0 ] && return
	tail -n 20 "$dir/$name.log" "$portico_log" >&2
	die "the load generator failed: $name"
}

# load_portico NAME ARGUMENTS...
load_portico() {
	local name=$1
	shift
	load "$name" portico.sock --zipf="$names,0.95" "$@"
}

# All of the set is in the cache.
warm() {
	load_portico warm --warm --outstanding="$outstanding" --seconds=0.1
	ensure_portico
}

# net_memif takes the memory away when its peer leaves, without asking whether a worker reads there just then: one that the
# kernel has put aside in the middle of it dies of that (DPDK 22.11). It must not end the run, and is counted.
deaths=0
ensure_portico() {
	sleep 0.1
	kill -0 "$portico_pid" 2>/dev/null && return
	deaths=$((deaths + 1))
	[ $deaths -le 12 ] || die "Portico has died too often"
	say "Portico has died: once more"
	tail -n 3 "$portico_log" >&2
	wait "$portico_pid"
	start_portico "$config"
	[ "$config" = "$dir/iterate.yaml" ] || warm
}

# One turn of a mix: a line of figures to turns.NAME: answers/s, of the set, of new names, busy cycles an answer, hits ÷ questions
# as Portico counts them, put aside, lost, wrong.
turn_mix() {
	local name=$1 queries deaths_before
	shift
	ensure_portico
	deaths_before=$deaths
	snapshot "$dir/before"
	load_portico "$name" "$@"
	ensure_portico
	if [ $deaths -ne $deaths_before ]; then
		turn_mix "$name" "$@"
		return
	fi
	snapshot "$dir/after"
	queries=$(difference queries "$dir/before" "$dir/after")
	[ "$queries" -gt 0 ] || die "Portico saw no questions"
	echo "$(calculate %.0f "$(figure "$dir/$name.json" set_per_s) + $(figure "$dir/$name.json" new_per_s)")" \
		"$(figure "$dir/$name.json" set_per_s)" "$(figure "$dir/$name.json" new_per_s)" \
		"$(calculate %.1f "$(difference busy_cycles "$dir/before" "$dir/after") / $queries")" \
		"$(calculate %.4f "$(difference cache_hits "$dir/before" "$dir/after") / $queries")" \
		"$(($(cat "$dir/after.put_aside") - $(cat "$dir/before.put_aside")))" \
		"$(figure "$dir/$name.json" lost)" "$(figure "$dir/$name.json" wrong)" >>"$dir/turns.$name"
}

ask_testpmd_late() {
	wait_for $((READY_S + 5)) "$load_pid" "$dir/$1.log" '^load: measuring' || return
	sleep "$(calculate %.2f "$seconds * 0.8")"
	tell_testpmd show fwd stats all
}

# One turn of 5tswap: packets/s, its own cycles a packet, to turns.echo, or turns.NAME: turn_testpmd [NAME]
turn_testpmd() {
	local file=$dir/turns.${1:-echo}
	start_testpmd "-l $load_cpu,$worker_cpu --main-lcore $load_cpu" -m 256 \
		--vdev="$testpmd_device" \
		-- -i --forward-mode=5tswap --auto-start --total-num-mbufs=16384 --rxq="$queues" --txq="$queues" --record-core-cycles
	meanwhile=ask_testpmd_late load echo testpmd.sock --mode=echo --outstanding="$outstanding"
	wait_for 5 "$testpmd_pid" "$dir/testpmd.log" 'CPU cycles/packet'
	stop_testpmd
	if [ -z "$(testpmd_cycles)" ]; then
		# It dies of net_memif too.
		deaths=$((deaths + 1))
		[ $deaths -le 12 ] || die "testpmd did not say its cycles a packet"
		say "testpmd did not say its cycles a packet: once more"
		turn_testpmd "$@"
		return
	fi
	echo "$(figure "$dir/echo.json" answered_per_s)" "$(testpmd_cycles)" >>"$file"
}

# open_loop TEXT RATE [ARGUMENTS...]: hits; appends a row of the table to open.
open_loop() {
	local text=$1 rate=$2 file=$dir/open.json
	shift 2
	ensure_portico
	load_portico open --rate="$rate" "$@"
	printf '| %s | %.0f | %.0f | %.0f | %.0f | %.1f | %.1f | %.1f | %.0f |\n' "$text" \
		"$(figure "$file" sent_per_s)" "$(figure "$file" answered_per_s)" "$(figure "$file" sent)" "$(figure "$file" lost)" \
		"$(figure "$file" latency_us_p50)" "$(figure "$file" latency_us_p99)" \
		"$(figure "$file" latency_us_p99_9)" "$(figure "$file" latency_us_max)" >>"$dir/open"
}

# ratios.NAME: answers ÷ packets swapped in the same turn, application cycles (packets of the device taken off: $2 a question).
#   ratios NAME PACKETS [NAME-OF-5TSWAP]
ratios() {
	paste -d ' ' "$dir/turns.$1" "$dir/turns.${3:-echo}" |
		awk -v packets="$2" '{ print $1 / $9, $4 - packets * $10, packets * $1 / $9 }' >"$dir/ratios.$1"
}

# --- the turns -----------------------------------------------------------------------------------

# --- af_packet: only hits -------------------------------------------------------------------------

# From exec to the first answer, of a generator that waits for it with all that is asked upstream: ms to starts.
first_answer() {
	local line begin answered=""
	exec 8< <(exec $in_namespace "$LOAD" --vdev="$(load_device portico.sock)" --cpu="$load_cpu" --file-prefix="$prefix-load" \
		$load_pages --memory-mb=384 --nap-us=100 --wait-s=$READY_S --warmup-s=0 --seconds=0.1 --rate=100 2>&1)
	load_pid=$!
	while read -r -t $READY_S -u 8 line && [ "$line" != "load: looks for the other side" ]; do :; done
	begin=$EPOCHREALTIME
	$in_namespace "$PORTICO" -c "$config" >"$dir/portico.log" 2>&1 &
	portico_pid=$!
	while [ -z "$answered" ] && read -r -t $READY_S -u 8 line; do
		[ "$line" != "load: the other side is there" ] || answered=$EPOCHREALTIME
	done
	[ -n "$answered" ] || die "no first answer: $line"
	calculate '%.1f\n' "($answered - $begin) * 1000" >>"$dir/starts"
	cat <&8 >/dev/null
	exec 8<&-
	load_pid=""
	stop_portico
}

hits_by_af_packet() {
	for ((turn = 1; turn <= starts; turn++)); do
		first_answer
	done
	show start_ms "$(median 1 "$dir/starts")" "$(most 1 "$dir/starts")"
	start_portico "$config"
	warm
	for ((turn = 1; turn <= pairs; turn++)); do
		turn_mix mix100 --outstanding="$outstanding" --timeout-ms=500
		pause_portico
		turn_testpmd
		resume_portico
		say "turn $turn of $pairs: hits $(tail -n 1 "$dir/turns.mix100"), 5tswap $(tail -n 1 "$dir/turns.echo")"
	done
	stop_portico
	ratios mix100 1
	show hit_ratio_af_packet "$(median 1 "$dir/ratios.mix100")" "$(least 1 "$dir/ratios.mix100")"
	cat <<-REPORT
		### Rig C over af_packet: a veth pair, one worker

		As over memif, but net_af_packet on both ends of a veth pair, $names names; commit $(commit).

		| per turn | median | worst | best |
		|---|---|---|---|
		| 5tswap: packets swapped a second (B) | $(row %.0f 1 "$dir/turns.echo" more) |
		| hits: answers a second (A) | $(row %.0f 1 "$dir/turns.mix100" more) |
		| A ÷ B of the same turn | $(row %.3f 1 "$dir/ratios.mix100" more) |
		| hits: busy cycles an answer, system calls included | $(row %.0f 4 "$dir/turns.mix100" less) |
		| 5tswap: cycles a packet, the same | $(row %.0f 2 "$dir/turns.echo" less) |
		| exec to first answer, a miss, ms (dpdk.memory_mb and cache.size_mb 512) | $(row %.0f 1 "$dir/starts" less) |
		| lost · wrong answers (most) | $(most 7 "$dir/turns.mix100") · $(most 8 "$dir/turns.mix100") | | |
	REPORT
}

if [ $device = af_packet ]; then
	hits_by_af_packet
	exit 0
fi

# --- iterated misses -------------------------------------------------------------------------------

# turn_iterated NAME ARGUMENTS...: a turn of questions for new names, and its upstream queries a question to exchanges.NAME.
turn_iterated() {
	local name=$1
	shift
	turn_mix "$name" --hit-ratio=0 --outstanding="$outstanding" --roots=$ROOTS --tlds=$TLDS --servers=$AUTHORITIES "$@"
	calculate '%.3f\n' "$(figure "$dir/$name.json" upstream_queries) / $(figure "$dir/$name.json" sent)" >>"$dir/exchanges.$name"
}

iterated_row() {
	echo "| $1: answers a second | $(row %.0f 1 "$dir/turns.$2" more) |"
	echo "| $1: busy cycles a question, device included | $(row %.0f 4 "$dir/turns.$2" less) |"
	echo "| $1: application cycles (busy less $3 packets of 5tswap) | $(row %.0f 2 "$dir/ratios.$2" less) |"
	echo "| $1: exchanges a question | $(row %.2f 1 "$dir/exchanges.$2" less) |"
}

# What Portico has in memory, huge pages too, in KiB.
resident_kb() {
	awk '/^(VmRSS|HugetlbPages):/ { n += $2 } END { print n }' "/proc/$portico_pid/status"
}

silent_figure() {
	figure "$dir/silent.json" "$1"
}

# flood_turn TEXT ARGUMENTS...: hits in an open loop while no zone's server says a word: a row of the table to iterated_flood.
flood_turn() {
	local text=$1 before_kb name
	shift
	snapshot "$dir/before"
	before_kb=$(resident_kb)
	load_portico silent --rate="$rate" --seconds="$flood_s" --silent=1,2 --timeout-ms=5000 "$@"
	ensure_portico
	snapshot "$dir/after"
	printf '| %s | %.0f | %.0f | %.0f | %.1f | %.1f | %.0f |' "$text" "$(calculate %f "$(silent_figure sent_set) / $flood_s")" \
		"$(silent_figure lost_set)" "$(silent_figure wrong)" "$(silent_figure latency_us_p50_set)" "$(silent_figure latency_us_p99_set)" \
		"$(calculate %f "($(silent_figure sent) - $(silent_figure sent_set)) / $flood_s")" >>"$dir/iterated_flood"
	for name in cache_hits upstream_queries answers_servfail shed_zone_share shed_server_share shed_under_way; do
		printf ' %s |' "$(difference $name "$dir/before" "$dir/after")" >>"$dir/iterated_flood"
	done
	echo " $(($(resident_kb) - before_kb)) |" >>"$dir/iterated_flood"
	say "silent servers, $(tail -n 1 "$dir/iterated_flood")"
}

# Zones whose servers are silent, and a flood of new names beside hits: in one zone, and each in a zone of its own.
iterated_flood() {
	local names=100000 zone rate config=$dir/iterate.yaml
	local played="--roots=$ROOTS --tlds=$TLDS --servers=$AUTHORITIES"
	start_portico "$config"
	for zone in "--zone=load.example" "--cold=zone --zone=example"; do
		load_portico warm --warm --outstanding="$outstanding" --seconds=0.1 $played $zone
		load_portico full --outstanding="$outstanding" --seconds=1 $played $zone
		rate=$(calculate %.0f "$(figure "$dir/full.json" set_per_s) / 2")
		flood_turn "hits ($zone)" $played $zone
		flood_turn "and the flood" --flood="$flood" $played $zone
	done
	stop_portico
	cat <<-REPORT
		### Rig C: a flood of names whose servers are silent, iterating over memif, one worker

		Hits of $names names in an open loop at half of what it can; with $flood new names a second, all of one zone, or each in a zone of its
		own on the same two silent servers; $flood_s s each; $pages; commit $(commit).

		| | hits asked/s | lost | wrong | 50 %, µs | 99 % | new names/s | cache_hits | upstream_queries | answers_servfail | shed_zone_share | shed_server_share | shed_under_way | memory grew by, KiB |
		|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
		$(cat "$dir/iterated_flood")
	REPORT
}

iterated_misses() {
	config=$dir/iterate.yaml
	start_portico "$config"
	for ((turn = 1; turn <= pairs; turn++)); do
		turn_iterated known --zone=load.example
		turn_iterated cold_zone --cold=zone --zone=example
		turn_iterated cold --cold=tld
		pause_portico
		turn_testpmd echo_iterated
		resume_portico
		say "turn $turn of $pairs: zone known $(tail -n 1 "$dir/turns.known"), cold $(tail -n 1 "$dir/turns.cold")," \
			"5tswap $(tail -n 1 "$dir/turns.echo_iterated")"
	done
	stop_portico
	ratios known 2 echo_iterated
	ratios cold_zone 3 echo_iterated
	ratios cold 4 echo_iterated
	show iterate_known_cycles "$(median 2 "$dir/ratios.known")" "$(most 2 "$dir/ratios.known")"
	show iterate_known_rate "$(median 1 "$dir/turns.known")" "$(least 1 "$dir/turns.known")"
	show iterate_cold_cycles "$(median 2 "$dir/ratios.cold")" "$(most 2 "$dir/ratios.cold")"
	cat <<-REPORT
		### Rig C: iterated misses over memif, one worker

		The generator plays root, top-level domains and zones, each with an IPv4 and an IPv6 address, behind the gateway; $outstanding
		questions under way, each for a new name; $pairs turns of $seconds s; $pages; commit $(commit).

		| per turn | median | worst | best |
		|---|---|---|---|
		$(iterated_row "zone known" known 2)
		$(iterated_row "zone cold, top-level domain known" cold_zone 3)
		$(iterated_row "cold" cold 4)
		| 5tswap: cycles a packet | $(row %.0f 2 "$dir/turns.echo_iterated" less) |

		Lost and wrong answers: $(for name in known cold_zone cold; do
			awk -v name=$name '{ l += $7; w += $8 } END { printf "%s %d, %d; ", name, l, w }' "$dir/turns.$name"
		done)
	REPORT
}

[ "$part" != iterate ] || iterated_misses
if [ "$part" = iterate ] || [ "$part" = flood ]; then
	iterated_flood
	exit 0
fi

# --- hits, mixes, forwarded misses -----------------------------------------------------------------

start_portico "$config"
warm
keep "$dir/warm.json" rig_c_warm.json
for ((turn = 1; turn <= pairs; turn++)); do
	# The misses of the turn before may have pushed some of the set out.
	[ $turn -eq 1 ] || warm
	for ratio in $RATIOS; do
		turn_mix "mix$ratio" --hit-ratio="$ratio" --outstanding="$outstanding"
	done
	turn_mix miss25k --hit-ratio=0 --outstanding=25000 --delay-us=15000
	pause_portico
	turn_testpmd
	resume_portico
	say "turn $turn of $pairs: hits $(tail -n 1 "$dir/turns.mix100"), misses $(tail -n 1 "$dir/turns.mix0")," \
		"5tswap $(tail -n 1 "$dir/turns.echo")"
done

ratios mix100 1
ratios mix0 2
ratios miss25k 2

warm
full=$(median 1 "$dir/turns.mix100")
open_loop "50 % of what it can" "$(calculate %.0f "$full * 0.5")" --cdf="$dir/cdf_50.csv"
open_loop "80 %" "$(calculate %.0f "$full * 0.8")" --cdf="$dir/cdf_80.csv"
# As a NIC has: 4,096 descriptors, so that a core that is taken away for a millisecond is no loss.
ring_log2=12
open_loop "90 %, $loss_s s" "$(calculate %.0f "$full * 0.9")" --seconds="$loss_s"
ring_log2=10
lost_all=$(figure "$dir/open.json" lost)
lost=$((lost_all - $(figure "$dir/open.json" lost_away)))
away="off its core for more than 1 ms $(figure "$dir/open.json" away) times, $(figure "$dir/open.json" away_ms_max) ms at most.
$(figure "$dir/open.json" unsent_away) questions due then were not asked; of the lost, $(figure "$dir/open.json" lost_away) were under way then, when nobody emptied the ring of answers, and $lost were not"
open_loop "mix of 80 % hits, half of what it can" "$(calculate %.0f "$(median 1 "$dir/turns.mix80") * 0.5")" --hit-ratio=80 --cdf="$dir/cdf_mix.csv"

# No server says a word; the same with a flood of new names beside the hits.
for ((turn = 1; turn <= pairs; turn++)); do
	# A name that new ones have pushed out would hold up the loop until it is given up.
	warm
	turn_mix dead --silent=1,2 --outstanding="$outstanding"
	turn_mix flood --silent=1,2 --outstanding="$outstanding" --flood="$flood" --timeout-ms=1000
done
paste -d ' ' "$dir/turns.dead" "$dir/turns.flood" | awk '{ print $10 / $2 }' >"$dir/ratios.flood"
stop_portico

# --- the report ----------------------------------------------------------------------------------

for ratio in $RATIOS; do
	echo "$ratio $(median 1 "$dir/turns.mix$ratio") $(least 1 "$dir/turns.mix$ratio") $(most 1 "$dir/turns.mix$ratio")"
done >"$dir/rate_by_hit_ratio.dat"
keep "$dir/rate_by_hit_ratio.dat" rate_by_hit_ratio.dat
echo "$(median 1 "$dir/turns.echo")" >"$dir/echo.dat"
keep "$dir/echo.dat" rate_5tswap.dat
for name in 50 80 mix; do
	keep "$dir/cdf_$name.csv" "cdf_$name.csv"
done
show hit_cycles "$(median 2 "$dir/ratios.mix100")" "$(most 2 "$dir/ratios.mix100")"
show hit_ratio_memif "$(median 1 "$dir/ratios.mix100")" "$(least 1 "$dir/ratios.mix100")"
show miss_cycles_memif "$(median 2 "$dir/ratios.miss25k")" "$(most 2 "$dir/ratios.miss25k")"
show miss_rate "$(median 1 "$dir/turns.mix0")" "$(least 1 "$dir/turns.mix0")"
show miss_ratio "$(median 3 "$dir/ratios.mix0")" "$(least 3 "$dir/ratios.mix0")"
show loss_90 "$lost" "$lost"
show loss_90_all "$lost_all" "$lost_all"
show flood_ratio "$(median 1 "$dir/ratios.flood")" "$(least 1 "$dir/ratios.flood")"

tsc_mhz=$(calculate %.0f "$(figure "$dir/echo.json" tsc_hz) / 1e6")
cat <<REPORT
### Rig C: memif, one worker

Generator on CPU $load_cpu, worker on CPU $worker_cpu, $queues queue(s), $pages; $outstanding questions under way; $names names in the cache, asked
by Zipf's law (0.95), EDNS, answers checked to the TTL; $pairs pairs of $seconds s, turn about with testpmd 5tswap; TSC $tsc_mhz MHz; commit $(commit).
$([ $deaths -eq 0 ] || echo "Portico or testpmd died $deaths times when the generator's memif device left, and were started again.")
The set was filled at $(calculate %.0f "$names / $(figure "$dir/warm.json" warm_seconds)") names/s at the last warm-up; of the set, asked again at once, $(figure "$dir/warm.json" warm_misses) had to be fetched.

| per turn | median | worst | best |
|---|---|---|---|
| 5tswap: packets swapped a second (B) | $(row %.0f 1 "$dir/turns.echo" more) |
| 5tswap: cycles a packet, the device's share | $(row %.0f 2 "$dir/turns.echo" less) |
$(for ratio in $RATIOS; do
	echo "| $ratio % of the questions for the set: answers a second | $(row %.0f 1 "$dir/turns.mix$ratio" more) |"
done)
| hits (100 %): answers ÷ packets of the same pair | $(row %.3f 1 "$dir/ratios.mix100" more) |
| hits: busy cycles an answer, device included | $(row %.0f 4 "$dir/turns.mix100" less) |
| hits: application cycles (busy less one packet of 5tswap) | $(row %.0f 2 "$dir/ratios.mix100" less) |
| hits: share that Portico answered from its cache | $(row %.4f 5 "$dir/turns.mix100" more) |
| misses (0 %): answers ÷ packets of the same pair | $(row %.3f 1 "$dir/ratios.mix0" more) |
| misses: packets moved ÷ packets (a question is two in, two out) | $(row %.3f 3 "$dir/ratios.mix0" more) |
| misses: busy cycles a question, device included | $(row %.0f 4 "$dir/turns.mix0" less) |
| misses: application cycles (busy less two packets of 5tswap) | $(row %.0f 2 "$dir/ratios.mix0" less) |
| misses, 25,000 waiting, servers 15 ms late: answers a second | $(row %.0f 1 "$dir/turns.miss25k" more) |
| the same: application cycles | $(row %.0f 2 "$dir/ratios.miss25k" less) |
| hits a second while no server answers | $(row %.0f 2 "$dir/turns.dead" more) |
| the same under a flood of $flood new names/s | $(row %.0f 2 "$dir/turns.flood" more) |
| with the flood ÷ without, of the same pair | $(row %.3f 1 "$dir/ratios.flood" more) |
| times that the kernel put the worker aside (hits) | $(row %.0f 6 "$dir/turns.mix100" less) |

Lost and wrong answers: $(for name in mix100 mix90 mix80 mix50 mix0 miss25k dead; do
	awk -v name=$name '{ l += $7; w += $8 } END { printf "%s %d, %d; ", name, l, w }' "$dir/turns.$name"
done)flood (lost are the new names) $(awk '{ l += $7; w += $8 } END { printf "%d, %d", l, w }' "$dir/turns.flood").

Open loop, hits (latency from the moment a question was due, in µs):

In the turn of $loss_s s the generator was $away.

| offered | sent/s | answered/s | sent | lost | 50 % | 99 % | 99.9 % | most |
|---|---|---|---|---|---|---|---|---|
$(cat "$dir/open")
REPORT
if [ "$part" = all ]; then
	echo
	iterated_misses
	iterated_flood
fi
