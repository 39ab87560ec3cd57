#!/bin/bash
# 1,000 TCP clients with 100 questions each at once, beside 100 that read slowly, 100 that say nothing, 100 that send a byte
# a second, and a flood of SYNs: each well-behaved client has all its answers, from the cache and not; UDP goes on as without them; the bad
# ones are closed by name; and in the end nothing is left of any.
# alone: a UDP rate is compared, beside thousands of connections
# variants: workers=1 device=af_packet,af_xdp
. "$(dirname "$0")/../lab/lab.sh"
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
QPS=8000
load() { # NAME ARGS...: in the background; sets LAB_PID
	local name=$1
	shift
	lab_start "$name" cli /usr/bin/python3 "$LAB_ROOT/tests/smoke/tcp_load.py" "$@"
}
ended() { # PID NAME REGEX: it has said so
	lab_wait_for 90 "$1" "$LAB_DIR/$2.log" "$3"
	cat "$LAB_DIR/$2.log"
}
udp() { # SECONDS: queries a second that were answered, and what was lost
	lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -c 4 -Q $QPS -l "$1" >"$LAB_DIR/dnsperf" 2>&1
	sed -nE 's/.*Queries per second: +([0-9]+).*/\1/p' "$LAB_DIR/dnsperf"
}

lab_prefer
shared_up
lab_nsd nsd --zones ". perf.test big.test" 198.18.0.20 2001:2:0:1::20 || exit 1
shared_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"]}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
seq -f 'u%.0f.perf.test A' 3000 >"$LAB_DIR/names"
udp 3 >/dev/null
alone=$(udp 5)
kib_before=$(awk '/^VmRSS/ { print $2 }' /proc/$PORTICO_PID/status)

load slow slow $LAB_PORTICO_V4 100 t1100.big.test 25 && slow=$LAB_PID
load silent silent $LAB_PORTICO_V4 100 25 && silent=$LAB_PID
load trickle trickle $LAB_PORTICO_V4 100 t.perf.test 25 && trickle=$LAB_PID
load syn syn $LAB_PORTICO_V4 2000 25 && syn=$LAB_PID
sleep 1
load well well $LAB_PORTICO_V4 1000 100 w.perf.test && well=$LAB_PID
beside=$(udp 6)
expect_match "1,000 clients, 100 questions each, not in the cache" '^answered 100000 of 100000 by 1000 clients, 0 failures' \
	"$(ended $well well '^answered')"
load again well $LAB_PORTICO_V4 1000 100 w.perf.test && well=$LAB_PID
expect_match "the same, from the cache" '^answered 100000 of 100000 by 1000 clients, 0 failures' "$(ended $well again '^answered')"
expect_between "UDP at $QPS/s goes on: $alone/s alone, $beside/s beside them" $((alone * 9 / 10)) $((alone * 11 / 10)) \
	"$beside"
# They have seconds of answers in their kernel's buffers, and do not notice.
expect_match "the slow ones end" '^closed' "$(ended $slow slow '^closed')"
expect_match "the silent ones are closed again and again" '^closed [1-9][0-9]{2}' "$(ended $silent silent '^closed')"
expect_match "and those that trickle" '^closed [1-9][0-9]{2}' "$(ended $trickle trickle '^closed')"
expect_match "SYNs" '^sent [1-9][0-9]{4}' "$(ended $syn syn '^sent')"
kib_after=$(awk '/^VmRSS/ { print $2 }' /proc/$PORTICO_PID/status)
expect_between "memory has grown by less than 256 MiB" -1000000 262144 $((kib_after - kib_before))
expect_between "slow ones by name" 100 100000 "$(lab_stat tcp_clients_closed_stalled)"
expect_between "silent ones by name" 200 100000 "$(lab_stat tcp_clients_closed_silent)"
expect_equal "nothing was lost between workers and TCP" "0 0" "$(lab_stat tcp_handoffs_lost) $(lab_stat tcp_messages_lost)"
nobody_is_left() {
	local i
	for ((i = 0; i < 150; i++)); do
		[ "$(lab_stat tcp_clients_open)" -ne 0 ] || return 0
		sleep 0.1
	done
	lab_ctl tcp
	return 1
}
expect "no connection is left" nobody_is_left
expect "packets add up" lab_outcomes_add_up
expect_equal "one more question" 198.18.3.1 "$(lab_dig +tcp +short after.perf.test)"
expect "SIGTERM: exit status 0" lab_stop_portico
