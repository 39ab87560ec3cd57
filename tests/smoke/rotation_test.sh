#!/bin/bash
# A pool of 2,500 ports is drawn again every 2 s, while a server takes 1 s for each answer: queries go out from one pool and their
# answers come in the next one's time, and nothing is lost. Each pool is drawn anew. Replies that come after
# their question has timed out are late, as ever, though their port is in the pool no more.
# alone: no question may be lost at 2,000 a second
# variants: workers=1,4
# variants: workers=2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
QPS=2000
DURATION=20
POOL=2500
EVERY_S=2
LATE=500

lab_prefer
lab_up
for name in slow late; do
	address=198.18.0.20 delay=1000
	[ $name = slow ] || address=198.18.0.21 delay=3000
	lab_start $name srv /usr/bin/python3 "$here/numbered_server.py" $address --delay $delay --control "$LAB_DIR/$name.control"
	lab_wait_for 10 "$LAB_PID" "$LAB_DIR/$name.log" 'ready$' || exit 1
done
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	outgoing: {pool_size: $POOL, rotate_s: $EVERY_S, late_ms: 10000, addresses: [$LAB_PORTICO_V4]}
	forward:
	  - {zone: slow.test, to: [198.18.0.20], timeout_ms: 3000, tries: 1}
	  - {zone: late.test, to: [198.18.0.21], timeout_ms: 500, tries: 1, health: {fall: 100}}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

ports_of() {
	/usr/bin/python3 "$here/port_report.py" "$LAB_PREFIX" "$@"
}

# Into the file poolN: all of one pool, though it comes in pages between which another may be drawn.
read_pool() {
	ports_of drawn >"$LAB_DIR/pool$1" && [ "$(ports_in <"$LAB_DIR/pool$1")" = $POOL ]
}

# How many are in a list like 1024-1030,2000?
ports_in() {
	tr ',' '\n' | awk -F - 'NF { sum += $NF - $1 + 1 } END { print sum + 0 }'
}

seen() {
	/usr/bin/python3 "$here/source_counts.py" ports "$LAB_DIR/all.pcap" "$@"
}

eligible=$(ports_of --count verdict eligible)
expect_between "eligible ports" 60000 64512 "$eligible"
lab_capture "$LAB_DIR/all.pcap" "udp dst port 53 and src host $LAB_PORTICO_V4" || exit 1
capture_pid=$LAB_PID
seq -f "q%.0f.slow.test A" $((QPS * DURATION)) >"$LAB_DIR/names"
before=$(lab_stat port_rotations)
start=$(date +%s.%N)
lab_start load cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -Q $QPS -t 5 -q 20000 -c 32 -T 1 -b 8192
load_pid=$LAB_PID
lab_start checked cli /usr/bin/python3 "$here/ask_numbered.py" $LAB_PORTICO_V4 --zone slow.test --first 1000000 --rate 200 \
	--count $((200 * DURATION))
checked_pid=$LAB_PID
lab_start late cli /usr/bin/python3 "$here/ask_numbered.py" $LAB_PORTICO_V4 --zone late.test --first 2000000 --rate 50 \
	--count $LATE --rcode SERVFAIL
late_pid=$LAB_PID
# A pool every so often, while they change.
for i in 1 2 3 4 5; do
	set=$(ports_of set)
	sleep $((EVERY_S + 1))
	expect "pool $i has so many ports" read_pool "$i"
	expect "and its pages tell it from the one before" test "$(ports_of set)" -gt "$set"
	expect_match "porticoctl shows it whole" ", $POOL drawn from," "$(lab_ctl ports picture)"
	# Replies are taken on those of the last 13 s and more as well.
	accepted=$(ports_of --count accepted)
	expect_between "and replies are taken on more" $((POOL + 1)) $((POOL * 20)) "$accepted"
done
wait $load_pid
wait $checked_pid
expect_equal "every answer of a sample is its question's own" 0 $?
sed 's/^/     | /' "$LAB_DIR/checked.log"
wait $late_pid
expect_equal "questions to a server that is too slow: SERVFAIL" 0 $?
result=$(cat "$LAB_DIR/load.log")
expect_equal "all questions were sent" $((QPS * DURATION)) "$(sed -nE 's/.*Queries sent: +([0-9]+).*/\1/p' <<<"$result")"
expect_match "none was lost" 'Queries lost: +0 ' "$result"
expect_match "every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
took=$(awk -v start="$start" -v now="$(date +%s.%N)" 'BEGIN { print int(now - start) }')
expect_between "rotations are counted, one in $EVERY_S s, in $took s" $((took / EVERY_S - 2)) $((took / EVERY_S + 2)) \
	$(($(lab_stat port_rotations) - before))
expect "each pool is drawn anew, as chance has it" /usr/bin/python3 "$here/source_counts.py" overlaps --of "$eligible" \
	"$LAB_DIR"/pool*
sleep 3.5 # the last of the late server's answers
expect_equal "replies after the timeout are late ones" $LATE "$(lab_stat late_responses)"
expect_equal "and none is unmatched, or was dropped for its port" "0 0" "$(lab_stat unmatched) $(lab_stat drops_udp_port)"
expect_equal "nothing was taken for a guess" 0 "$(lab_stat near_misses)"
expect_equal "nothing was asked again" 0 "$(lab_stat upstream_retries)"
lab_stop $capture_pid
# 2 s of queries, twice the ports at most; and all the while a great many.
from=$((${start%.*} + 5))
expect_between "distinct ports in one second" 500 $((2 * POOL)) "$(seen --from $from --to $((from + 1)) | cut -d ' ' -f 4)"
expect_between "distinct ports in all" $((4 * POOL)) $((POOL * (DURATION / EVERY_S + 3))) "$(seen | cut -d ' ' -f 4)"
echo "     | $(seen)"
expect_equal "nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
expect "the outcomes add up" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
