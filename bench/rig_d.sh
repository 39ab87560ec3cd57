#!/bin/bash
# Rig D: Portico beside other resolvers, over a veth pair and a bridge, asked by dnsperf. Each forwards to the same NSD, has one worker
# on one core, a configuration of its own, and runs in the foreground of a namespace; dnsperf and NSD share the other core. As root.
#
#   bench/rig_d.sh [--seconds S] [--quick] [...]
#     --seconds S       of each load (4)
#     --rounds N        so many times each load, in turns over all resolvers; the median counts (2)
#     --quick           2 seconds, one round, 50,000 answers for memory
#     --entries N       answers kept, for memory (500000)
#     --hit-rate R      questions a second offered: hits and Zipf (20000)
#     --miss-rate R     misses (5000)
#     --peers "P..."    of: unbound bind knot-resolver pdns-recursor dnsdist dnsmasq (those that are installed)
#     --cpus G,W        CPU of dnsperf and NSD, CPU of the resolver (0,1)
# Environment: PORTICO, PORTICOCTL; RIG_OUT, RIG_NICE as bench/rig_c.sh.
#
# Loads: hit: 1,000 names, all known · Zipf: exponent 0.95 over 100,000 names, all asked before · miss: names never asked before ·
# full: hits as fast as dnsperf and resolver go (closed loop). CPU: user + system time of the resolver's process (/proc/PID/stat).

set -u
RIG=rig_d
. "$(dirname "$0")/rig_parts.sh"
. "$root/tests/lab/lab.sh"
. "$root/bench/peers/peers.sh"
ADDRESS=$LAB_PORTICO_V4 UPSTREAM=198.18.0.20
HIT_NAMES=1000
ZIPF_NAMES=100000

rig_options "seconds=4 rounds=2 entries=500000 hit_rate=20000 miss_rate=5000 cpus=0,1 peers=" \
	"seconds=2 rounds=1 entries=50000" "$@"
[ -n "$peers" ] || peers=$PEERS
load_cpu=${cpus%,*} worker_cpu=${cpus#*,}
[[ $seconds =~ ^[1-9][0-9]*$ && $rounds =~ ^[1-9][0-9]*$ && $entries =~ ^[1-9][0-9]*$ && $hit_rate =~ ^[1-9][0-9]*$ &&
	$miss_rate =~ ^[1-9][0-9]*$ && $cpus =~ ^[0-9]+,[0-9]+$ ]] || usage "$0" 2 >&2

rig_begin dnsperf nsd
lab_up
trap clean_up EXIT
rig_on_exit lab_down
for end in cli srv dut; do
	lab_in $end sysctl -q -w net.core.rmem_max=8388608 2>/dev/null
done

# --- NSD, which knows every name below bench. ----------------------------------------------------

printf '%s\n' '$ORIGIN bench.' '$TTL 86400' '@ SOA ns nobody.invalid. 1 1800 900 604800 60' ' NS ns' "ns A $UPSTREAM" \
	'* A 198.18.3.1' >"$dir/bench.zone"
mkdir "$dir/nsd"
cat >"$dir/nsd.conf" <<CONF
server:
  ip-address: $UPSTREAM
  server-count: 1
  username: ""
  database: ""
  pidfile: ""
  logfile: "$dir/nsd/log"
  zonesdir: "$dir"
  zonelistfile: "$dir/nsd/zone.list"
  xfrdfile: ""
  xfrdir: "$dir/nsd"
  verbosity: 0
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  receive-buffer-size: 8388608
  # One A record and nothing else: the entries are counted in bytes.
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: "bench."
  zonefile: "bench.zone"
CONF
lab_start nsd srv taskset -c "$load_cpu" nsd -d -c "$dir/nsd.conf"
lab_answers $UPSTREAM "$LAB_PID" nsd bench. || die "NSD does not answer"

# --- a resolver: start, stop, CPU, memory --------------------------------------------------------

cat >"$dir/portico.yaml" <<CONF
workers: [$worker_cpu]
control_cpu: $worker_cpu
poll: adaptive
dpdk: {memory_mb: 256, hugepages: never, file_prefix: $prefix}
interfaces:
  - name: net0
    device: "net_af_packet0,iface=eth0"
    addresses: [$ADDRESS/24]
    gateway: 198.18.0.1
    kernel: none
allow: [198.18.0.0/15]
mode: forward
forward:
  - {zone: ".", to: [$UPSTREAM]}
CONF

# start NAME: sets resolver_pid.
start() {
	local name=$1 i words
	mkdir -p "$dir/$name"
	if [ "$name" = portico ]; then
		ip -n "$LAB_DUT" address flush dev eth0
		in_namespace="ip netns exec $LAB_DUT"
		start_portico "$dir/portico.yaml"
		resolver_pid=$portico_pid
		return
	fi
	ip -n "$LAB_DUT" address replace $ADDRESS/24 dev eth0
	peer_configure "$name" "$dir/$name"
	mapfile -t words < <(peer_command "$name" "$dir/$name")
	lab_start "$name" dut taskset -c "$worker_cpu" "${words[@]}"
	resolver_pid=$LAB_PID
	for ((i = 0; i < 100; i++)); do
		lab_dig +noall +answer first.bench A 2>/dev/null | grep -q 198.18.3.1 && return
		kill -0 "$resolver_pid" 2>/dev/null || break
		sleep 0.1
	done
	tail -n 20 "$LAB_DIR/$name.log" >&2
	say "$name does not answer"
	return 1
}

end() {
	if [ "$1" = portico ]; then
		stop_portico
	else
		lab_stop "$resolver_pid"
	fi
	resolver_pid=""
}

# user + system time of a process, in clock ticks.
ticks() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

rss_kb() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

# ask FILE DNSPERF-ARGUMENTS...: sets sent, answered, lost_share, latency_us.
ask() {
	local file=$1 result
	shift
	result=$(lab_in cli taskset -c "$load_cpu" dnsperf -s $ADDRESS -d "$file" -e -T 1 -c 16 -b 4096 -t 2 "$@" 2>/dev/null)
	sent=$(sed -nE 's/.*Queries sent: +([0-9]+).*/\1/p' <<<"$result")
	answered=$(sed -nE 's/.*Response codes:.*NOERROR ([0-9]+).*/\1/p' <<<"$result")
	per_s=$(sed -nE 's/.*Queries per second: +([0-9.]+).*/\1/p' <<<"$result")
	latency_us=$(sed -nE 's/.*Average Latency \(s\): +([0-9.]+).*/\1/p' <<<"$result" | awk '{ print $1 * 1e6 }')
	[ -n "$answered" ] || answered=0
	[ -n "$per_s" ] || per_s=0
}

# measure NAME LOAD FILE ARGUMENTS...: appends to LOAD.NAME: NOERROR/s, lost %, CPU us a query, mean latency, busy us an answer.
measure() {
	local name=$1 load=$2 file=$3 before after busy=""
	shift 3
	[ "$name" != portico ] || snapshot "$dir/before"
	before=$(ticks "$resolver_pid")
	ask "$file" "$@"
	after=$(ticks "$resolver_pid")
	[ "${answered:-0}" -gt 0 ] || {
		echo "0 100 nan nan" >>"$dir/$load.$name"
		return
	}
	if [ "$name" = portico ]; then
		snapshot "$dir/after"
		busy=$(calculate %.4f "$(difference busy_cycles "$dir/before" "$dir/after") / $tsc_hz * 1e6 / $answered")
	fi
	echo "$per_s $(calculate %.3f "100 * (1 - $answered / $sent)")" \
		"$(calculate %.3f "($after - $before) / $hz * 1e6 / $answered") $latency_us $busy" >>"$dir/$load.$name"
}

hz=$(getconf CLK_TCK)
# TSC cycles a second, as the kernel says or as load measured it.
tsc_hz=$(awk '/^cpu MHz/ { printf "%.0f", $4 * 1e6; exit }' /proc/cpuinfo)

# --- the loads -----------------------------------------------------------------------------------

questions=$root/bench/peers/questions.py
"$questions" all hot $HIT_NAMES >"$dir/hit_names"
"$questions" all zipf $ZIPF_NAMES >"$dir/zipf_names"
"$questions" zipf zipf $ZIPF_NAMES $((hit_rate * seconds)) 0.95 >"$dir/zipf"
"$questions" uniform hot $HIT_NAMES $((hit_rate * seconds)) >"$dir/hit"

installed=""
for name in $peers; do
	if [ -n "$(peer_program "$name")" ]; then
		installed="$installed $name"
	else
		say "$name is not installed: skipped"
	fi
done
resolvers="portico$installed"

for ((round = 1; round <= rounds; round++)); do
	for name in $resolvers; do
		start "$name" || {
			end "$name"
			continue
		}
		ask "$dir/hit_names" -n 2 -q 100
		measure "$name" hit "$dir/hit" -n 1 -Q "$hit_rate" -q 10000
		measure "$name" full "$dir/hit" -l "$seconds" -q 200
		"$questions" all "miss-$round-$name-" $((miss_rate * seconds)) >"$dir/miss"
		measure "$name" miss "$dir/miss" -n 1 -Q "$miss_rate" -q 10000
		ask "$dir/zipf_names" -n 1 -q 100
		measure "$name" zipf "$dir/zipf" -n 1 -Q "$hit_rate" -q 10000
		end "$name"
		say "round $round of $rounds, $name: hit $(tail -n 1 "$dir/hit.$name"), full $(tail -n 1 "$dir/full.$name")," \
			"zipf $(tail -n 1 "$dir/zipf.$name"), miss $(tail -n 1 "$dir/miss.$name")"
	done
done

# --- memory --------------------------------------------------------------------------------------

"$questions" all entry "$entries" >"$dir/entries"
for name in $resolvers; do
	start "$name" || {
		end "$name"
		continue
	}
	ask "$dir/hit_names" -n 1 -q 100
	before=$(rss_kb "$resolver_pid")
	ask "$dir/entries" -n 1 -q 200
	kept=$answered
	after=$(rss_kb "$resolver_pid")
	if [ "$name" = dnsmasq ]; then
		echo "$(calculate %.1f "$after * 1024 / $DNSMASQ_ENTRIES") $kept" >"$dir/memory.$name"
	else
		echo "$(calculate %.1f "($after - $before) * 1024 / ($kept + 1)") $kept" >"$dir/memory.$name"
	fi
	if [ "$name" = portico ]; then
		snapshot "$dir/memory.json"
		log_bytes=$(calculate %.1f "$(figure "$dir/memory.json" cache_log_used_bytes) / $(figure "$dir/memory.json" cache_entries)")
	fi
	end "$name"
	say "memory: $name $(cat "$dir/memory.$name")"
done

# --- the report ----------------------------------------------------------------------------------

# cell LOAD NAME COLUMN FORMAT
cell() {
	[ -s "$dir/$1.$2" ] && printf "$4" "$(median "$3" "$dir/$1.$2")" || printf -
}

best_peer=""
for name in $installed; do
	[ -s "$dir/hit.$name" ] || continue
	best_peer="$best_peer$(median 3 "$dir/hit.$name") $name
"
done
best_peer=$(grep . <<<"$best_peer" | sort -g | head -n 1)
own=$(median 5 "$dir/hit.portico")
if [ -n "$best_peer" ]; then
	show peer_cpu "$(calculate %.2f "${best_peer% *} / $own")" "$(calculate %.2f "${best_peer% *} / $(most 5 "$dir/hit.portico")")"
	show peer_cpu_process "$(calculate %.2f "${best_peer% *} / $(median 3 "$dir/hit.portico")")" \
		"$(calculate %.2f "${best_peer% *} / $(most 3 "$dir/hit.portico")")"
fi
show entry_bytes "$(awk '{ print $1 }' "$dir/memory.portico")" "$(awk '{ print $1 }' "$dir/memory.portico")"
for name in $resolvers; do
	column=3
	[ $name != portico ] || column=5
	echo "$name $(cell hit $name $column %.3f) $(cell zipf $name $column %.3f) $(cell miss $name $column %.3f) $(cell full $name 1 %.0f)"
done >"$dir/peers.dat"
keep "$dir/peers.dat" peers.dat

cat <<REPORT
### Rig D: beside other resolvers, dnsperf over veth and bridge

One worker each on CPU $worker_cpu, dnsperf and NSD (the server that all forward to) on CPU $load_cpu; EDNS; hit: $HIT_NAMES names, Zipf (0.95): $ZIPF_NAMES
names, offered $hit_rate/s; miss: new names, offered $miss_rate/s; full: hits in a closed loop of 200; $rounds round(s) of $seconds s, medians; NOERROR
answers count. CPU: user + system of the process, µs an answer. Memory: what the process's resident set grew by over $entries single-A answers, a
piece. Portico: net_af_packet, poll: adaptive, ordinary pages; commit $(commit).

| | version | hit: CPU | lost | Zipf: CPU | lost | miss: CPU | lost | full: answers/s | CPU | bytes an entry |
|---|---|---|---|---|---|---|---|---|---|---|
$(for name in $resolvers; do
	version=$([ $name = portico ] && "$PORTICO" --version 2>/dev/null | sed 's/.* //' || peer_version $name)
	echo "| $name | $version | $(cell hit $name 3 %.2f) | $(cell hit $name 2 %.2f) % | $(cell zipf $name 3 %.2f) | $(cell zipf $name 2 %.2f) % |" \
		"$(cell miss $name 3 %.2f) | $(cell miss $name 2 %.2f) % | $(cell full $name 1 %.0f) | $(cell full $name 3 %.2f) | $(cell memory $name 1 %.0f) |"
done)

Portico's busy cycles alone (no naps, no control thread), µs an answer: hit $(cell hit portico 5 %.2f), Zipf $(cell zipf portico 5 %.2f), miss $(cell miss portico 5 %.2f), full $(cell full portico 5 %.2f).
Best peer by CPU on hits: ${best_peer:-none}; Portico's busy cycles $own.
Of Portico's bytes an entry, $log_bytes are its cache's log.
dnsmasq makes room for its whole cache at start: its figure is what it is resident with, for each of the 1,000,000 entries of that room.
REPORT
