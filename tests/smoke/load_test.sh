#!/bin/bash
# 20,000 questions a second for 30 s, every one with a name never asked before, through Portico to NSD: none
# is lost and every answer is right; every worker took part, and each packet has its one outcome.
#   LOAD_QPS, LOAD_S      rate and duration (20000, 30)
# alone: no question may be lost at 20,000 a second
# variants: workers=1,4 device=af_packet
# variants: workers=2 device=af_packet2,af_xdp
. "$(dirname "$0")/../lab/lab.sh"
QPS=${LOAD_QPS:-20000}
DURATION=${LOAD_S:-30}

lab_prefer
lab_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
run=$(date +%s)

# How many may wait for an answer. Whoever was put off for a moment catches up in a burst: net_af_xdp has room for 2,048 packets
# (DPDK's constant), and a question is two.
waiting_max=20000
[ "$LAB_DEVICE" != af_xdp ] || waiting_max=900

# Many sockets, as each buffers only what net.core.rmem_max allows.
load() {
	local prefix=$1
	shift
	seq -f "$prefix-$run-%.0f.perf.test A" "$1" >"$LAB_DIR/load"
	shift
	lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/load" -t 5 -q $waiting_max -c 64 -T 1 -b 8192 "$@" 2>&1 | grep -v '^.Timeout'
}

figure() {
	sed -nE "s/.*$1: +([0-9.]+).*/\1/p" <<<"$2"
}

# Answers of a sample, asked beside the load, one by one.
sample() {
	local i
	sleep 1
	for ((i = 0; i < 100; i++)); do
		lab_dig +short "sample$i-$run.perf.test" A
		lab_dig @$LAB_PORTICO_V6 +short "sample$i-$run.perf.test" AAAA
	done >"$LAB_DIR/sample"
}

# The cores are shared with whatever else the machine does: where it has stolen them for longer than the rings last, once
# more, and said so. Three times in a row is no accident.
for attempt in 1 2 3; do
	before_queries=$(lab_stat upstream_queries)
	before_retries=$(lab_stat upstream_retries)
	before_coalesced=$(lab_stat coalesced)
	before_dropped=$(lab_stat tx_dropped)
	sample &
	sample_pid=$!
	result=$(load "q$attempt" $((QPS * DURATION)) -n 1 -Q "$QPS" -l $((DURATION + 10)))
	wait $sample_pid
	dropped=$(($(lab_stat tx_dropped) - before_dropped))
	! grep -Eq 'Queries lost: +0 ' <<<"$result" || [ "$dropped" -gt 0 ] || break
	echo "     | attempt $attempt:$(sed -n 's/.*Queries lost: */ lost /p' <<<"$result"), not taken by the device $dropped"
	run=$(date +%s)
done
sent=$(figure 'Queries sent' "$result")
rate=$(figure 'Queries per second' "$result")
sed -n '/Statistics/,$p' <<<"$result" | grep -E 'Queries|Response|Run time|Latency' | sed 's/^ */     | /'
lab_ctl stats | grep -E 'upstream_(timeouts|retries)|rx_missed|rx_nombuf|tx_dropped' | sed 's/^/     | /'
expect_equal "all questions were sent" $((QPS * DURATION)) "$sent"
expect_match "none was lost" 'Queries lost: +0 ' "$result"
expect_match "every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
expect_between "questions a second" $((QPS * 95 / 100)) $((QPS * 105 / 100)) "${rate%.*}"
expect_equal "every answer of the sample is right" "100 198.18.3.1 100 2001:2:0:4::1" \
	"$(echo $(sort "$LAB_DIR/sample" | uniq -c))"
retries=$(($(lab_stat upstream_retries) - before_retries))
expect_equal "each question was asked upstream, once" $((sent + 200)) \
	$(($(lab_stat upstream_queries) - before_queries - retries))
# What the server's socket did not hold while it had no core.
expect_between "but for a few that were lost on the way to the server" 0 $((sent / 100)) $retries
expect_equal "none twice under way" 0 $(($(lab_stat coalesced) - before_coalesced))
expect_equal "no packet was dropped on the way out" 0 "$dropped"
expect_equal "nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"

expect "the outcomes add up" lab_outcomes_add_up
expect "every worker took part" lab_workers_took_part
if [ "$LAB_WORKERS" -gt 1 ]; then
	expect_between "questions were handed from worker to worker" 1 999999999 "$(lab_stat handoffs)"
else
	expect_equal "one worker hands nothing to itself" 0 "$(lab_stat handoffs)"
fi
expect "SIGTERM: exit status 0" lab_stop_portico
