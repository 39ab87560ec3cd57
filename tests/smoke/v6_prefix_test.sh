#!/bin/bash
# An outgoing address that is a prefix: queries leave from random addresses in it, as many live ones as v6_identifiers says, evenly.
# Servers on the link find every live one by neighbour discovery, and none of the rest of the prefix; a reply to
# an address that is not live is dropped, though everything else about it is right.
# ahead: no question may be lost at 5,000 a second
# variants: workers=1
# variants: workers=2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
PREFIX=2001:2:0:1::/64
QPS=5000
QUERIES=20000
FORGED=50
# Addresses in the prefix that nobody has.
DEAD="2001:2:0:1:dead::1 2001:2:0:1:dead::2 2001:2:0:1:dead::3"
ELSEWHERE=2001:2:0:1:dead::53

waiting_max=4000
[ "$LAB_DEVICE" != af_xdp ] || waiting_max=900

lab_prefer
lab_up
portico_mac=$(lab_in dut cat /sys/class/net/eth0/address)
# So that forged replies get as far as Portico.
ip -n "$LAB_SRV" -6 neighbour replace $ELSEWHERE lladdr "$portico_mac" dev eth0 nud permanent
lab_nsd nsd --zones ". perf.test" 2001:2:0:1::20 || exit 1
lab_start numbered srv /usr/bin/python3 "$here/numbered_server.py" 2001:2:0:1::21 --gap 200 --elsewhere $ELSEWHERE \
	--control "$LAB_DIR/numbered.control"
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/numbered.log" 'ready$' || exit 1
seq -f "n%.0f.perf.test A" $QUERIES >"$LAB_DIR/names"

addresses() {
	/usr/bin/python3 "$here/source_counts.py" addresses "$LAB_DIR/$1.pcap" --prefix $PREFIX --list
}

# neighbours ADDRESS...: send something to each from the client, and say which of them somebody has.
neighbours() {
	local address
	for address; do
		lab_in cli /usr/bin/python3 -c 'import socket, sys
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", (sys.argv[1], 9))' "$address"
	done
	sleep 1
	for address; do
		ip -n "$LAB_CLI" -6 neighbour show "$address" dev eth0 | grep -q "lladdr $portico_mac" && echo "$address"
	done
	ip -n "$LAB_CLI" -6 neighbour flush dev eth0
}

# load WHAT: questions, captured upstream; every one must be answered.
load() {
	local result capture_pid
	lab_capture "$LAB_DIR/$1.pcap" "udp dst port 53 and ip6 and ether src $portico_mac" || exit 1
	capture_pid=$LAB_PID
	result=$(lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -Q $QPS -t 5 -q $waiting_max -c 32 -T 1 -b 8192 2>&1)
	expect_match "$1: none of $QUERIES questions is lost" 'Queries lost: +0 ' "$result"
	expect_match "$1: every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
	sleep 1.2 # what tcpdump has got, the kernel hands over once a second
	lab_stop "$capture_pid"
}

# try_with IDENTIFIERS LEAST: start with so many, of which at least LEAST must be seen.
try_with() {
	local count=$1 what=$1-identifiers seen responses dropped dig live
	lab_config "$LAB_DIR/$what.yaml" <<-CONF
		outgoing: {addresses: ["$PREFIX"], v6_identifiers: $count, rotate_s: 3600}
		mode: forward
		cache: {size_mb: 0}
		forward:
		  - {zone: ".", to: ["2001:2:0:1::20"]}
		  - {zone: six.test, to: ["2001:2:0:1::21"]}
	CONF
	lab_portico "$LAB_DIR/$what.yaml" || exit 1
	expect_equal "$what: porticoctl shows them" "$count" "$(/usr/bin/python3 "$here/port_report.py" "$LAB_PREFIX" row identifiers)"
	load "$what"
	addresses "$what" >"$LAB_DIR/addresses"
	read -r _ _ _ seen _ outside _ p <"$LAB_DIR/addresses"
	echo "     | $(head -n 1 "$LAB_DIR/addresses")"
	expect_between "$what: so many source addresses" "$2" "$count" "$seen"
	expect_equal "$what: none outside the prefix" 0 "$outside"
	expect "$what: as even as chance has it" awk -v p="$p" 'BEGIN { exit !(p > 1e-6) }'
	/usr/bin/python3 "$LAB_HERE/capture_stats.py" "$LAB_DIR/$what.pcap" --at-least $((QUERIES * 98 / 100)) >"$LAB_DIR/figures"
	grep -E '^(port|id)_(chi|serial)|^port_id|^bad' "$LAB_DIR/figures" | sed 's/^/     | /'
	expect "$what: IDs are as chance has them" \
		awk '/^id_chi_square_p/ { seen = $2 > 1e-6 && $2 < 1 - 1e-6 } END { exit !seen }' "$LAB_DIR/figures"

	live=$(awk 'NR == 2 || NR == 3 || NR == 4 { print $1 }' "$LAB_DIR/addresses")
	expect_equal "$what: live addresses are found by neighbour discovery" "$(echo $live)" "$(echo $(neighbours $live))"
	expect_equal "$what: others in the prefix are not" "" "$(neighbours $DEAD)"

	responses=$(lab_stat upstream_responses)
	dropped=$(lab_stat drops_ip_dst)
	expect "$what: $FORGED forged replies to an address that is not live: none is believed" \
		lab_in cli /usr/bin/python3 "$here/ask_numbered.py" $LAB_PORTICO_V4 --zone six.test --word e --first "$count" --count $FORGED
	expect_equal "$what: they are dropped as not for us" $FORGED $(($(lab_stat drops_ip_dst) - dropped))
	expect_equal "$what: one reply to each was taken" $FORGED $(($(lab_stat upstream_responses) - responses))
	dig=$(lab_dig @$LAB_PORTICO_V6 +short last.perf.test AAAA)
	expect_equal "$what: questions over IPv6 are answered, too" 2001:2:0:4::1 "$dig"
	expect_equal "$what: nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
	expect "$what: the outcomes add up" lab_outcomes_add_up
	expect "$what: SIGTERM: exit status 0" lab_stop_portico
}

try_with 64 64

# The server's kernel keeps no more than 1,024 neighbours: with 4,096 it reaches the prefix, but for its first 2^48 addresses, by way
# of Portico's own address.
for ((bits = 65; bits <= 80; bits++)); do
	# The bit that tells this half from the rest: 2001:2:0:1:8000::/65, 2001:2:0:1:4000::/66 ...
	printf 'route add 2001:2:0:1:%x::/%d via %s\n' $((1 << (80 - bits))) $bits $LAB_PORTICO_V6
done | ip -n "$LAB_SRV" -6 -batch -
# 20,000 draws leave 31 of 4,096 out.
try_with 4096 3950
