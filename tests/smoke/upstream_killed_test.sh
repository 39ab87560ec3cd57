#!/bin/bash
# One of two upstream servers is killed under load: no question is lost and no answer wrong. It is used
# again within 2 s of its return; with both gone clients get SERVFAIL within 4 s, and answers again within
# 2 s of the return of one. Nothing is left behind in any table.
# variants: workers=1,4
. "$(dirname "$0")/../lab/lab.sh"
QPS=${LOAD_QPS:-3000}
SECONDS_OF_LOAD=8

lab_up
# kill_server NAME PID: the whole of it at once, children too; what goes to its port meets an ICMP error
kill_server() {
	local pid pids=""
	for pid in $(ip netns pids "$LAB_SRV"); do
		! grep -qF "$LAB_DIR/$1/nsd.conf" "/proc/$pid/cmdline" 2>/dev/null || pids="$pids $pid"
	done
	[ -n "$pids" ] && kill -KILL $pids && wait "$2" 2>/dev/null
	[ -n "$pids" ]
}

now_ms() {
	date +%s%3N
}

# server_field SERVER KEY
server_field() {
	lab_ctl upstreams --json | sed -nE "s/.*\"server\": \"$1\",.*\"$2\": \"?([^\",}]*).*/\\1/p"
}

# within MS COMMAND...: until COMMAND succeeds
within() {
	local end=$(($(now_ms) + $1))
	shift
	until "$@"; do
		[ "$(now_ms)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

is_state() {
	[ "$(server_field "$1" state)" = "$2" ]
}

is_asked_more() {
	lab_dig +short "again$RANDOM$RANDOM.perf.test" A >/dev/null
	[ "$(server_field "$1" responses)" -gt "$2" ]
}

is_answered() {
	[ "$(lab_dig "$@" +short "back$RANDOM$RANDOM.perf.test" A +time=1)" = 198.18.3.1 ]
}

nothing_left() {
	local counter
	for counter in resolutions_active waiters tickets_out answer_buffers_used; do
		[ "$(lab_stat $counter)" = 0 ] || return 1
	done
}

A=198.18.0.20 B=2001:2:0:1::21
lab_nsd a --zones ". perf.test" $A || exit 1
a_pid=$LAB_PID
lab_nsd b --zones ". perf.test" $B || exit 1
b_pid=$LAB_PID
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: ".", to: [$A, "$B"], policy: round_robin}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

seq -f "k%.0f.perf.test A" $((QPS * (SECONDS_OF_LOAD + 1))) >"$LAB_DIR/load"
lab_start dnsperf cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/load" -Q "$QPS" -l $SECONDS_OF_LOAD -t 5 -q 20000 -c 4 \
	-b 4096
load_pid=$LAB_PID
sleep 3
asked=$(server_field "$A" queries)
expect "the first server is killed under load" kill_server a $a_pid
expect "and is down soon" within 2000 is_state $A down
wait "$load_pid"
result=$(cat "$LAB_DIR/dnsperf.log")
expect_match "no question was lost" 'Queries lost: +0 ' "$result"
expect_match "every answer was right" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
expect_between "both had been asked" 1000 9999999 "$asked"
expect_between "queries to the dead one timed out" 3 99999 "$(lab_stat upstream_timeouts)"
expect_between "and were asked again" 3 99999 "$(lab_stat upstream_retries)"
expect "nothing is left under way, though it is down" within 3000 nothing_left
expect_equal "it is down still" down "$(server_field "$A" state)"

lab_nsd a --zones ". perf.test" $A || exit 1
a_pid=$LAB_PID
expect "it is up within 2 s of its return" within 2000 is_state $A up
expect "and is asked again" within 1000 is_asked_more $A "$(server_field "$A" responses)"
expect "nothing is left waiting" within 1500 nothing_left

kill_server a $a_pid
kill_server b $b_pid
start=$(now_ms)
answer=$(lab_dig +time=6 gone.perf.test A)
took=$(($(now_ms) - start))
expect_match "both are gone: SERVFAIL" 'status: SERVFAIL' "$answer"
expect_between "within 4 s" 0 4100 $took
expect_match "and it says why" 'EDE: 22' "$answer"
start=$(now_ms)
answer=$(lab_dig @$LAB_PORTICO_V6 +time=6 gone2.perf.test AAAA)
expect_match "IPv6 clients too" 'status: SERVFAIL' "$answer"
expect_between "within 4 s" 0 4100 $(($(now_ms) - start))
within 4000 is_state $A down
within 4000 is_state $B down
lab_nsd b --zones ". perf.test" $B || exit 1
expect "one returns: answers within 2 s" within 2000 is_answered
expect "over IPv6 too" is_answered @$LAB_PORTICO_V6
expect "SIGTERM: exit status 0" lab_stop_portico
