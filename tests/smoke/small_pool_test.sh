#!/bin/bash
# A range of 64 ports: Portico says how little that is, and carries 4,096 queries under way on it to one server, 64 a port, that
# keeps its answers back: when it lets go, all are answered, none with another one's data. Meanwhile forgers who have all
# but the ID, on the very port or on any of the 64, are noticed, counted as near misses, and not believed.
# ahead: what is asked again is counted
# variants: workers=1,4
# variants: workers=2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
UNDER_WAY=4096
FORGED=100
RANGE=20000-20063

lab_prefer
lab_up
for name in four six; do
	address=198.18.0.20
	[ $name = four ] || address=2001:2:0:1::20
	lab_start $name srv /usr/bin/python3 "$here/numbered_server.py" $address --control "$LAB_DIR/$name.control" \
		--forge-ports $RANGE --gap 300
	lab_wait_for 10 "$LAB_PID" "$LAB_DIR/$name.log" 'ready$' || exit 1
done
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	outgoing: {range: $RANGE}
	forward:
	  - {zone: four.test, to: [198.18.0.20], timeout_ms: 2000, tries: 2}
	  - {zone: six.test, to: ["2001:2:0:1::20"], timeout_ms: 2000, tries: 2}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
# 6 bits of port, or 22 with the ID.
expect_match "it warns of 64 ports, in bits" '(^|: )warning.*(64 ports.*[^0-9.](6|22)(\.0+)? bits|[^0-9.](6|22)(\.0+)? bits.*64)' \
	"$(cat "$PORTICO_LOG")"
expect_match "port_entropy_bits is 6" '^6(\.0+)?$' "$(lab_stat port_entropy_bits)"
lab_capture "$LAB_DIR/all.pcap" "udp dst port 53 and ether src $(lab_in dut cat /sys/class/net/eth0/address)" || exit 1
capture_pid=$LAB_PID

# asks NAME SERVER ARGS: numbered questions in the background
asks() {
	local name=$1
	shift
	lab_start "$name" cli /usr/bin/python3 "$here/ask_numbered.py" "$@"
}

# So many held by that server, within 2.5 s.
is_held() {
	local i
	for ((i = 0; i < 50; i++)); do
		[ "$(lab_tell "$1" held)" -lt "$2" ] || return 0
		sleep 0.02
	done
	lab_tell "$1" held
	return 1
}

first=1
for family in four six; do
	client=$LAB_PORTICO_V4
	[ $family = four ] || client=$LAB_PORTICO_V6
	for word in w p; do
		near=$(lab_stat near_misses)
		text="wrong IDs to the port that asked"
		[ $word = w ] || text="wrong IDs to any other of the ports"
		lab_tell $family hold >/dev/null
		asks held $client --zone $family.test --first $first --count $UNDER_WAY --rate 8000
		held_pid=$LAB_PID
		expect "$family: $UNDER_WAY queries are under way" is_held $family $UNDER_WAY
		expect_between "$family: tickets out" $UNDER_WAY $((UNDER_WAY + 100)) "$(lab_stat tickets_out)"
		asks forged $client --word $word --zone $family.test --first $first --count $FORGED --rate 1000 --timeout 2
		wait "$LAB_PID"
		expect_equal "$family: $FORGED forged answers, $text: none is believed, the truth arrives" 0 $?
		sed 's/^/     | /' "$LAB_DIR/forged.log"
		lab_tell $family release >/dev/null
		wait $held_pid
		expect_equal "$family: all $UNDER_WAY are answered, each with its own data" 0 $?
		sed 's/^/     | /' "$LAB_DIR/held.log"
		# Hardly ever a wrong ID is that of another query under way.
		expect_between "$family: they are near misses" $((FORGED * 98 / 100)) $((FORGED + 20)) $(($(lab_stat near_misses) - near))
		first=$((first + UNDER_WAY))
	done
done
# One forgery in a thousand has port and ID of another query that is held: 64 of 65,536 IDs.
expect_between "hardly a forgery met another query" 0 6 "$(lab_stat mismatch_question)"
expect_between "nothing was asked again but what was forged at" $((4 * FORGED * 98 / 100)) $((4 * FORGED + 20)) \
	"$(lab_stat upstream_retries)"
expect_equal "no query went without a free ticket" 0 "$(lab_stat shed_tickets)"
expect_equal "the server's forgeries were sent" $((2 * FORGED)) "$(lab_tell four forged)"
sleep 1.2 # what tcpdump has got, the kernel hands over once a second
lab_stop $capture_pid
for source in $LAB_PORTICO_V4 $LAB_PORTICO_V6; do
	/usr/bin/python3 "$LAB_HERE/capture_stats.py" "$LAB_DIR/all.pcap" --ports $RANGE --source "$source" \
		--at-least $((2 * UNDER_WAY + 4 * FORGED * 98 / 100)) >"$LAB_DIR/figures"
	expect_equal "$source: ports are of the 64, evenly; IDs, too" 0 $?
	grep -E '^(queries|port_(min|max|chi)|ports_outside|id_(chi|serial)|bad)' "$LAB_DIR/figures" | sed 's/^/     | /'
done
sleep 0.5
expect_equal "nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
expect "the outcomes add up" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
