#!/bin/bash
# Rigs A and B: hits at full speed, without a load generator beside them. net_pcap replays a trace of questions for ever
# (infinite_rx) and drops what is sent; Portico answers from its cache. Turn about with dpdk-testpmd on the same device: 5tswap, and
# io, which does not even look at packets. Rig A: one queue, one worker. Rig B: two of each. As root.
#
#   bench/rig_a.sh [--pairs N] [--seconds S] [--quick] [...]
#     --queues Q        queues and workers (1): 2 is rig B
#     --pairs N         turns of each (7)
#     --seconds S       measured in each turn (2)
#     --quick           3 turns of a second
#     --packets N       in the trace of each queue (262143); each stays in a packet buffer of its own
#     --names N         in the cache; asked by Zipf's law with exponent 0.95 (1000000)
#     --cpus C[,C]      of the workers (1, with two queues 0,1)
# Environment: as bench/rig_c.sh.
#
# The cache is filled over memif by bench/load, saved by a first Portico (cache.file) and restored by the one that is measured.

set -u
RIG=rig_a
. "$(dirname "$0")/rig_parts.sh"

rig_options "pairs=7 seconds=2 queues=1 packets=262143 names=1000000 cpus=" "pairs=3 seconds=1" "$@"
if [ -z "$cpus" ]; then
	cpus=1
	[ "$queues" = 1 ] || cpus=$(seq -s, 0 $((queues - 1)))
fi
[[ $pairs =~ ^[1-9][0-9]*$ && $queues =~ ^[1-9][0-9]*$ && $packets =~ ^[1-9][0-9]*$ && $names =~ ^[1-9][0-9]*$ &&
	$seconds =~ ^[0-9.]+$ && $cpus =~ ^[0-9]+(,[0-9]+)*$ ]] || usage "$0" 2 >&2
letter=A
[ "$queues" = 1 ] || { letter=B RIG=rig_b; }

# A packet buffer is 2,304 bytes with its head; Portico and testpmd each hold the trace.
mbufs_mb=$((queues * packets * 2400 / 1048576 + 256))
rig_begin
rig_pages $((mbufs_mb + 700))

device="net_pcap0,infinite_rx=1"
"$LOAD" --trace="$dir/trace.pcap" --count=$((queues * packets)) --zipf="$names,0.95" || die "no trace"
# Each queue its own part; all packets are of one length.
head_bytes=24
part_bytes=$((($(stat -c %s "$dir/trace.pcap") - head_bytes) / queues))
for ((q = 0; q < queues; q++)); do
	device+=",rx_pcap=$dir/trace$q.pcap"
	head -c $head_bytes "$dir/trace.pcap" >"$dir/trace$q.pcap"
	tail -c +$((head_bytes + q * part_bytes + 1)) "$dir/trace.pcap" | head -c $part_bytes >>"$dir/trace$q.pcap"
done
rm "$dir/trace.pcap"

# configuration FILE WORKERS DEVICE MEMORY EXTRA-MBUFS
configuration() {
	cat >"$1" <<-CONF
		workers: [$2]
		control_cpu: 0
		poll: busy
		dpdk: {memory_mb: $4, hugepages: $portico_pages, file_prefix: $prefix, extra_mbufs: $5}
		$(network "$3")
		cache: {size_mb: 512, file: $dir/cache.saved}
	CONF
}

# --- the cache -----------------------------------------------------------------------------------

configuration "$dir/warm.yaml" 1 "net_memif0,role=server,id=0,socket=$dir/memif.sock,socket-abstract=no" 512 0
start_portico "$dir/warm.yaml"
"$LOAD" --vdev="net_memif0,role=client,id=0,socket=$dir/memif.sock,socket-abstract=no,mac=02:00:00:00:00:20" --cpu=0 \
	--file-prefix="$prefix-load" $load_pages --memory-mb=384 --zipf="$names,0.95" --ttl=86400 --warm --seconds=0.1 \
	--json="$dir/warm.json" >"$dir/warm.log" 2>&1 || {
	cat "$dir/warm.log" "$portico_log" >&2
	die "the cache was not filled"
}
stop_portico
[ -s "$dir/cache.saved" ] || die "no cache was saved"
saved_mb=$(calculate %.0f "$(stat -c %s "$dir/cache.saved") / 1048576")
configuration "$dir/portico.yaml" "$cpus" "$device" "$mbufs_mb" $((queues * packets))

# --- the turns -----------------------------------------------------------------------------------

# window BEFORE AFTER: seconds between two snapshots.
window() {
	calculate %.6f "$(cat "$2.time") - $(cat "$1.time")"
}

turn_portico() {
	snapshot "$dir/before"
	sleep "$seconds"
	snapshot "$dir/after"
	local answers hits
	answers=$(difference answers_noerror "$dir/before" "$dir/after")
	hits=$(difference cache_hits "$dir/before" "$dir/after")
	[ "$answers" -gt 0 ] || die "Portico answers nothing"
	echo "$(calculate %.0f "$answers / $(window "$dir/before" "$dir/after")")" \
		"$(calculate %.1f "$(difference busy_cycles "$dir/before" "$dir/after") / $answers")" \
		"$(calculate %.6f "$hits / $answers")" \
		"$(($(cat "$dir/after.put_aside") - $(cat "$dir/before.put_aside")))" >>"$dir/turns.portico"
}

# testpmd_turn FILE: packets a second, cycles a packet, of the mode that it is in.
testpmd_turn() {
	local begin end packets
	tell_testpmd clear fwd stats all
	begin=$EPOCHREALTIME
	sleep "$seconds"
	: >"$dir/testpmd.log"
	tell_testpmd show fwd stats all
	end=$EPOCHREALTIME
	wait_for 5 "$testpmd_pid" "$dir/testpmd.log" 'CPU cycles/packet' || die "testpmd says no figures"
	packets=$(sed -nE 's/.*RX-packets: *([0-9]+).*/\1/p' "$dir/testpmd.log" | tail -n 1)
	echo "$(calculate %.0f "$packets / ($end - $begin)") $(testpmd_cycles)" >>"$dir/$1"
}

turn_testpmd() {
	local lcores="0@0" worker=1 cpu
	for cpu in ${cpus//,/ }; do
		lcores+=",$worker@$cpu"
		worker=$((worker + 1))
	done
	start_testpmd "--lcores=$lcores --main-lcore=0" -m "$mbufs_mb" --vdev="$device" \
		-- -i --forward-mode=5tswap --auto-start --total-num-mbufs=$((queues * packets + 16384)) --rxq="$queues" --txq="$queues" \
		--nb-cores="$queues" --record-core-cycles
	testpmd_turn turns.swap
	tell_testpmd stop
	tell_testpmd set fwd io
	tell_testpmd start
	sleep 0.3
	testpmd_turn turns.io
	stop_testpmd
}

# The set is read back in the background.
wait_restored() {
	wait_for 20 "$portico_pid" "$portico_log" 'cache: restored.*state="done"' || {
		tail -n 20 "$portico_log" >&2
		die "the cache was not restored"
	}
	restored=$(sed -nE 's/.*cache: restored.* entries=([0-9]+).*/\1/p' "$portico_log")
	restored_ms=$(sed -nE 's/.*cache: restored.* ms=([0-9]+).*/\1/p' "$portico_log")
	[ "$restored" -ge $((names * 99 / 100)) ] || die "only $restored entries were restored"
}

start_portico "$dir/portico.yaml"
wait_restored
for ((turn = 1; turn <= pairs; turn++)); do
	turn_portico
	pause_portico
	turn_testpmd
	resume_portico
	say "turn $turn of $pairs: Portico $(tail -n 1 "$dir/turns.portico"), 5tswap $(tail -n 1 "$dir/turns.swap")," \
		"io $(tail -n 1 "$dir/turns.io")"
done
stop_portico
paste -d ' ' "$dir/turns.portico" "$dir/turns.swap" "$dir/turns.io" |
	awk '{ print $1 / $5, $2 - $6, $2 - $8 }' >"$dir/ratios"

if [ $letter = A ]; then
	show hit_ratio_pcap "$(median 1 "$dir/ratios")" "$(least 1 "$dir/ratios")"
	show hit_cycles_pcap "$(median 3 "$dir/ratios")" "$(most 3 "$dir/ratios")"
else
	show hit_ratio_pcap_2 "$(median 1 "$dir/ratios")" "$(least 1 "$dir/ratios")"
fi
cat <<REPORT
### Rig $letter: replay by net_pcap, $queues worker(s)

CPUs $cpus, $pages; $packets questions a queue, Zipf's law (0.95) over $names names, all in the cache ($restored entries,
restored from a file of $saved_mb MiB in $restored_ms ms, beside the replay); EDNS; $pairs turns of $seconds s each, with testpmd 5tswap and io on the same device; commit $(commit).

| per turn | median | worst | best |
|---|---|---|---|
| Portico: answers a second (A) | $(row %.0f 1 "$dir/turns.portico" more) |
| 5tswap: packets swapped a second (B) | $(row %.0f 1 "$dir/turns.swap" more) |
| io: packets a second | $(row %.0f 1 "$dir/turns.io" more) |
| hits ÷ packets: A ÷ B of the same turn | $(row %.3f 1 "$dir/ratios" more) |
| Portico: busy cycles an answer, device included | $(row %.0f 2 "$dir/turns.portico" less) |
| 5tswap: cycles a packet | $(row %.0f 2 "$dir/turns.swap" less) |
| io: cycles a packet, the device's share | $(row %.0f 2 "$dir/turns.io" less) |
| application cycles a hit: busy less io | $(row %.0f 3 "$dir/ratios" less) |
| the same, less 5tswap | $(row %.0f 2 "$dir/ratios" less) |
| share that Portico answered from its cache | $(row %.6f 3 "$dir/turns.portico" more) |
| times that the kernel put workers aside | $(row %.0f 4 "$dir/turns.portico" less) |
REPORT
