#!/bin/bash
# Below DNS: ARP, ND and ping are answered; frames that a kernel would have stopped are dropped, each under
# one name; a gateway that changes its MAC is found again, and nobody can make it seem to have.
# ahead: no question may be lost
# variants: workers=1,4
# variants: workers=2 device=af_packet2,af_xdp
# variants: workers=1,2 device=pcap
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke

lab_prefer
lab_up
lab_nsd nsd $LAB_BEHIND_V4 $LAB_BEHIND_V6 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: ".", to: [$LAB_BEHIND_V4], tries: 4}
	  - {zone: wild.example, to: ["$LAB_BEHIND_V6"], tries: 4}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
mac=$(lab_ctl status | grep -oE '([0-9a-f]{2}:){5}[0-9a-f]{2}')

neighbour() {
	lab_ctl neighbours --json | sed -nE "s/.*\"address\": \"$1\", \"mac\": \"([^\"]*)\".*\"moves\": ([0-9]+).*/\1 \2/p"
}

pings() {
	lab_in cli /usr/bin/python3 "$here/echo_ping.py" "$1" --size "$2"
}

for size in 0 1 18 56 555 1000 1452 1472; do
	expect "ping $LAB_PORTICO_V4, $size bytes" pings $LAB_PORTICO_V4 $size
	[ $size -gt 1452 ] || expect "ping $LAB_PORTICO_V6, $size bytes" pings $LAB_PORTICO_V6 $size
done
expect_match "ARP: the client has its MAC" "$mac" "$(ip -n "$LAB_CLI" neighbour show $LAB_PORTICO_V4)"
expect_match "ND: the client has its MAC" "$mac" "$(ip -n "$LAB_CLI" neighbour show $LAB_PORTICO_V6)"
gateway_mac=$(lab_in srv cat /sys/class/net/eth0/address)
expect_equal "it has the gateway's, IPv4" "$gateway_mac 0" "$(neighbour 198.18.0.1)"
expect_equal "it has the gateway's, IPv6" "$gateway_mac 0" "$(neighbour 2001:2:0:1::1)"

expect "every frame has its outcome" lab_in sw /usr/bin/python3 "$here/link_frames.py" --ctl "$PORTICOCTL" \
	--prefix "$LAB_PREFIX" --mac "$mac" --fragments "$(lab_fragments)"
expect_equal "unasked ARP has not moved the gateway" "$gateway_mac 0" "$(neighbour 198.18.0.1)"
expect_equal "nor has an unasked advertisement" "$gateway_mac 0" "$(neighbour 2001:2:0:1::1)"
expect_equal "questions are answered" "198.18.2.80 198.18.4.1" \
	"$(echo $(lab_dig +short www.test A; lab_dig +short any.wild.example A))"
expect "the outcomes add up" lab_outcomes_add_up

# The gateway gets another MAC under load.
{
	seq -f "m%.0f.perf.test A" 1000
	seq -f "m%.0f.wild.example A" 1000
} | shuf --random-source=<(yes) >"$LAB_DIR/load"
lab_start dnsperf cli dnsperf -s $LAB_PORTICO_V6 -d "$LAB_DIR/load" -Q 200 -l 6 -t 5 -q 2000 -c 2
load_pid=$LAB_PID
sleep 1
new_mac=02:00:00:00:53:01
expect "the gateway gets another MAC" ip -n "$LAB_SRV" link set eth0 address $new_mac
wait $load_pid
result=$(cat "$LAB_DIR/dnsperf.log")
expect_match "no question is lost" 'Queries lost: +0 ' "$result"
expect_match "all are answered" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
expect_equal "it has moved, IPv4" "$new_mac 1" "$(neighbour 198.18.0.1)"
expect_equal "it has moved, IPv6" "$new_mac 1" "$(neighbour 2001:2:0:1::1)"
expect "the outcomes add up" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
