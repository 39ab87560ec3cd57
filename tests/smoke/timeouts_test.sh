#!/bin/bash
# A million timeouts in a row: a zone whose only server says nothing is asked by the load generator over memif, with
# 200,000 questions under way, four workers. Meanwhile dnsperf asks other names through another interface: they must not feel
# it. After it memory is what it was, and nothing is left under way.
# alone: the generator polls, and a million timeouts take all the cores there are
. "$(dirname "$0")/../lab/lab.sh"
LOAD=${LOAD:-$LAB_ROOT/build/bench/load}
RATE=58000 # three tries of 1.2 s each: 209,000 under way
SECONDS_OF_LOAD=${TIMEOUTS_S:-8}

lab_prefer
lab_up
if [ ! -x "$LOAD" ]; then
	fail "$LOAD is not there: make"
	exit 1
fi
socket=$LAB_DIR/memif.sock
lab_nsd nsd --zones perf.test 198.18.0.20 || exit 1
cat >"$LAB_DIR/portico.yaml" <<-CONF
	workers: 4
	dpdk: {memory_mb: 512, hugepages: never, file_prefix: $LAB_PREFIX}
	interfaces:
	  - name: net0
	    device: "net_memif0,role=server,id=0,socket=$socket,socket-abstract=no"
	    addresses: [198.19.255.53/24]
	  - name: net1
	    device: "net_af_packet0,iface=eth0"
	    addresses: [$LAB_PORTICO_V4/24]
	allow: [198.18.0.0/15]
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: perf.test, to: [198.18.0.20]}
	  - {zone: load.test, to: [198.19.255.20], timeout_ms: 1200, tries: 3}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# Silence for SECONDS: what fails is answered SERVFAIL.
silence() {
	timeout 90 "$LOAD" --vdev="net_memif0,role=client,id=0,socket=$socket,socket-abstract=no,mac=02:00:00:00:00:20" \
		--file-prefix="$LAB_PREFIX-load" --memory-mb=256 --mbufs=32767 --nap-us=50 --queues=4 --target=198.19.255.53 \
		--servers=198.19.255.20 --gateway=198.19.255.1 --clients=8192 --ports=64 --silent=1 --rate=$RATE \
		--seconds="$1" --timeout-ms=8000 --seed="$2" --json="$LAB_DIR/load.json" >"$LAB_DIR/load.log" 2>&1
}

figure() {
	grep -Eo "\"$1\":[0-9.]+" "$LAB_DIR/load.json" | sed 's/.*://'
}

resident_kb() {
	sed -nE 's/^VmRSS:[^0-9]*([0-9]+) kB/\1/p' "/proc/$PORTICO_PID/status"
}

# The tables' pages are touched as they are first used: the first run touches them.
silence 4 1 || cat "$LAB_DIR/load.log"
before_kb=$(resident_kb)
before_timeouts=$(lab_stat upstream_timeouts)

seq -f 'n%.0f.perf.test A' 1 100000 >"$LAB_DIR/names"
most_out=0
silence "$SECONDS_OF_LOAD" 2 &
load_pid=$!
lab_in cli dnsperf -s "$LAB_PORTICO_V4" -d "$LAB_DIR/names" -l "$SECONDS_OF_LOAD" -Q 1000 -c 20 -t 5 >"$LAB_DIR/dnsperf.log" 2>&1 &
dnsperf_pid=$!
while kill -0 $dnsperf_pid 2>/dev/null; do
	out=$(lab_stat tickets_out)
	[ "$out" -le "$most_out" ] || most_out=$out
	sleep 0.2
done
wait $load_pid
expect_equal "the load generator: exit status" 0 $?
sed -n '/questions over/p;/latency/p' "$LAB_DIR/load.log" | sed 's/^/     | /'
echo "     | tickets out, most: $most_out"

expect_between "questions under way at a time" 180000 262144 "$most_out"
expect_between "timeouts in a row" 1000000 9999999 $(($(lab_stat upstream_timeouts) - before_timeouts))
expect_equal "every question of the silent zone is answered SERVFAIL: sent and lost" "$(figure sent) 0" \
	"$(figure servfail) $(figure lost)"
lab_ctl stats | grep -E '^(drops|shed|rx_missed|tx_dropped)[^ ]* +[1-9]' | sed 's/^/     | /'
grep -E 'Queries|Average Lat' "$LAB_DIR/dnsperf.log" | sed 's/^/     | /'
expect_match "other questions meanwhile: none lost" 'Queries lost: *0 ' "$(cat "$LAB_DIR/dnsperf.log")"
expect_match "all of them NOERROR" 'NOERROR [0-9]+ \(100.00%\)' "$(cat "$LAB_DIR/dnsperf.log")"
for _ in $(seq 100); do
	[ "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)" != "0 0 0" ] || break
	sleep 0.1
done
expect_equal "after it: tickets out, resolutions, waiters" "0 0 0" \
	"$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
# The silent server is probed every second, and each probe is late for three.
for _ in $(seq 80); do
	[ "$(lab_stat tickets_late)" -gt 8 ] || break
	sleep 0.1
done
expect_between "and late ones, but for the probes'" 0 8 "$(lab_stat tickets_late)"
after_kb=$(resident_kb)
echo "     | resident: $before_kb kB before, $after_kb kB after"
expect_between "memory is what it was, in kB" 0 8192 $((after_kb > before_kb ? after_kb - before_kb : 0))
expect_match "the silent zone still fails" SERVFAIL "$(lab_dig x.load.test A)"
expect_match "and others are answered" 'ANSWER: 1' "$(lab_dig y.perf.test A)"
expect "SIGTERM: exit status 0" lab_stop_portico
