#!/bin/bash
# Many clients ask the same question while its answer is withheld: one upstream query, and each client gets
# its own answer, with its ID and in its letter case. Over IPv4 and IPv6 on both sides.
# variants: workers=1,4
# variants: workers=2 device=af_packet2,af_xdp
. "$(dirname "$0")/../lab/lab.sh"
FLOWS=400

lab_up
lab_upstream four 198.18.0.20 || exit 1
lab_upstream six 2001:2:0:1::20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: four.test, to: [198.18.0.20], timeout_ms: 3500}
	  - {zone: six.test, to: ["2001:2:0:1::20"], timeout_ms: 3500}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
# The clients' kernel drops what does not fit in its queue while it asks for Portico's MAC: ask one question first.
lab_dig +short first.four.test A >/dev/null
lab_dig @$LAB_PORTICO_V6 +short first.four.test A >/dev/null

has_waiters() {
	local i
	for ((i = 0; i < 40; i++)); do
		[ "$(lab_stat waiters)" != "$1" ] || return 0
		sleep 0.05
	done
	lab_ctl stats | grep -E 'waiters|coalesced|questions_new|drops'
	return 1
}

flows() {
	lab_start "flows-$1-${2##*:}" cli /usr/bin/python3 "$LAB_HERE/flows.py" "$2" "withhold.x$4.$1.test" "$3" \
		--count $FLOWS --rcode NOERROR --timeout 4
}

# count NAME: lines of the query log for it
count() {
	grep -ciE " withhold\.x$2\.$1\.test\. " "$LAB_DIR/$1.queries"
}

number=0
for upstream in four six; do
	for client in $LAB_PORTICO_V4 $LAB_PORTICO_V6; do
		number=$((number + 1))
		coalesced=$(lab_stat coalesced)
		flows $upstream $client A $number
		pid=$LAB_PID
		expect "$FLOWS clients of $client wait for one question" has_waiters $FLOWS
		expect_equal "one query is under way" "1 1" "$(lab_stat tickets_out) $(lab_stat resolutions_active)"
		expect_match "porticoctl inflight shows it" "withhold\.x$number\.$upstream\.test.* $FLOWS " \
			"$(lab_ctl inflight | tr -s ' ')"
		lab_tell $upstream release >/dev/null
		wait $pid
		expect_equal "all are answered, each with its own ID and letter case" 0 $?
		expect_match "$FLOWS answers" "^sent $FLOWS answered $FLOWS wrong 0 unanswered 0 " \
			"$(cat "$LAB_DIR/flows-$upstream-${client##*:}.log")"
		expect_equal "upstream was asked once, over $upstream" 1 "$(count $upstream $number)"
		expect_equal "the others joined" $((FLOWS - 1)) $(($(lab_stat coalesced) - coalesced))
	done
done

# Clients of both families together.
flows four $LAB_PORTICO_V4 AAAA 9
first=$LAB_PID
flows four $LAB_PORTICO_V6 AAAA 9
second=$LAB_PID
expect "clients of both families wait for one question" has_waiters $((2 * FLOWS))
lab_tell four release >/dev/null
wait $first
expect_equal "those of IPv4 are answered" 0 $?
wait $second
expect_equal "those of IPv6 are answered" 0 $?
expect_equal "upstream was asked once" 1 "$(count four 9)"

# Another type, and CD, are other questions.
lab_in cli dig -r +tries=1 +time=3 @$LAB_PORTICO_V4 withhold.y.four.test A >/dev/null &
lab_in cli dig -r +tries=1 +time=3 @$LAB_PORTICO_V4 withhold.y.four.test AAAA >/dev/null &
lab_in cli dig -r +tries=1 +time=3 +cdflag @$LAB_PORTICO_V4 withhold.y.four.test A >/dev/null &
lab_in cli dig -r +tries=1 +time=3 +dnssec @$LAB_PORTICO_V4 withhold.y.four.test A >/dev/null &
expect "four clients, one of them with DO" has_waiters 4
expect_equal "three different questions" 3 "$(lab_stat tickets_out)"
lab_tell four release >/dev/null
expect "and then none" has_waiters 0
expect_equal "nothing is left" "0 0 0" \
	"$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat answer_buffers_used)"
expect "SIGTERM: exit status 0" lab_stop_portico
