#!/bin/bash
# `kernel: tap`: the kernel has what is not DNS by a TAP of Portico's, with the interface's MAC, addresses and gateways. Under
# DNS load of 70 % of what this run can, pings of all sizes come back, a TCP stream stands still for no second, a BGP
# session of BIRD's stays up and no question is lost; UDP to eligible ports never gets there, drawn or not, whole or in
# fragments, and no ICMP says that nobody is there. What is reloaded is there at once. After a kill, a stop and an error at
# the start nothing is left: no TAP, address, rule, route, filter or namespace.
# alone: no question may be lost at 70 %
# variants: workers=1 device=af_packet,af_xdp
# variants: workers=2 device=af_packet2
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
SECONDS_OF_LOAD=8
POOL_FIRST=20000 POOL_LAST=29999

lab_prefer
lab_up
lab_sysctl "$LAB_DUT" net.ipv6.conf.default.disable_ipv6=0 || exit 1
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1

# config FILE KERNEL [MORE]: MORE are further keys of the interface, in one line
config() {
	lab_config "$1" <<-CONF
		mode: forward
		outgoing: {range: $POOL_FIRST-$POOL_LAST, pool_size: 2500, exclude_defaults: false}
		forward:
		  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
	CONF
	sed -i "s/^    kernel: none/    kernel: $2\n${3:+    $3\n}/" "$1"
}

# What Portico puts there and takes away, wherever in dut it is.
state() {
	ip -n "$LAB_DUT" -o link show | awk '{ print $2 }'
	ip -n "$LAB_DUT" -o address show
	ip -n "$LAB_DUT" rule show
	ip -n "$LAB_DUT" -6 rule show
	ip -n "$LAB_DUT" route show table all
	ip -n "$LAB_DUT" -6 route show table all | grep -v fe80
	lab_in dut tc qdisc show dev eth0
	lab_in dut tc filter show dev eth0 ingress
	ip netns list | grep -F "$LAB_PREFIX-tap"
}

is_as_before() {
	local i
	for i in {1..20}; do
		state >"$LAB_DIR/state-now" 2>/dev/null
		cmp -s "$LAB_DIR/state" "$LAB_DIR/state-now" && return
		sleep 0.2
	done
	diff "$LAB_DIR/state" "$LAB_DIR/state-now"
	return 1
}
state >"$LAB_DIR/state" 2>/dev/null

config "$LAB_DIR/portico.yaml" tap
lab_portico "$LAB_DIR/portico.yaml" || exit 1
tap=$(sed -nE 's/.*the kernel has the interface.* tap=([^ ]+).*/\1/p' "$PORTICO_LOG")
expect_equal "the TAP has the port's MAC" "$(lab_in dut cat /sys/class/net/eth0/address)" \
	"$(lab_in dut cat "/sys/class/net/$tap/address")"
expect "IPv4 echo" lab_in cli "$here/echo_ping.py" $LAB_PORTICO_V4
expect "IPv6 echo" lab_in cli "$here/echo_ping.py" $LAB_PORTICO_V6
# The kernel puts fragments together before a packet socket sees them, and that is too long then.
[ "$(lab_fragments)" = kept ] || expect "echo of 4,000 bytes, in fragments" \
	lab_in cli "$here/echo_ping.py" --size 4000 $LAB_PORTICO_V4
expect "from the kernel out, by the gateway" lab_in dut "$here/echo_ping.py" $LAB_BEHIND_V4
expect "by IPv6 too" lab_in dut "$here/echo_ping.py" $LAB_BEHIND_V6
expect_equal "and DNS" 198.18.3.1 "$(lab_dig +short x.perf.test A)"
expect_equal "DNS over TCP, too" 198.18.3.1 "$(lab_dig +tcp +short x2.perf.test A)"

# --- under load ---
cat >"$LAB_DIR/bird-dut.conf" <<-CONF
	router id 198.18.0.53;
	protocol device {}
	protocol static { ipv4; route 198.18.53.0/24 blackhole; }
	protocol bgp peer {
	  local $LAB_PORTICO_V4 as 65001; neighbor 198.18.0.10 as 65002;
	  hold time 3; keepalive time 1; connect retry time 1; connect delay time 1;
	  ipv4 { import all; export all; };
	}
CONF
sed -e "s/id 198.18.0.53/id 198.18.0.10/; s/local [^ ]* as 65001; neighbor [^ ]* as 65002/local 198.18.0.10 as 65002; neighbor $LAB_PORTICO_V4 as 65001/" \
	-e 's/198.18.53.0/198.18.10.0/' "$LAB_DIR/bird-dut.conf" >"$LAB_DIR/bird-cli.conf"
for side in dut cli; do
	lab_start bird-$side $side bird -f -c "$LAB_DIR/bird-$side.conf" -s "$LAB_DIR/bird-$side.ctl" -P "$LAB_DIR/bird-$side.pid"
done
bgp() {
	birdc -s "$LAB_DIR/bird-cli.ctl" show protocols all peer 2>&1
}
for i in {1..50}; do
	! bgp | grep -q Established || break
	sleep 0.2
done
expect_match "BGP over the TAP" Established "$(bgp)"
bgp_before=$(bgp | awk '$1 == "peer" { print $5 }')
lab_start tcp-server dut "$here/tcp_stream.py" serve $LAB_PORTICO_V4 5001
lab_wait_for 5 "$LAB_PID" "$LAB_DIR/tcp-server.log" '^bound' || exit 1

seq -f "q%.0f.perf.test A" 1000 >"$LAB_DIR/names"
load() {
	lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -c 16 -T 1 -q 60 "$@" 2>&1
}
rate_of() {
	sed -nE 's/.*Queries per second: +([0-9]+).*/\1/p' <<<"$1"
}
load -n 1 >/dev/null # everything is in the cache
max=$(rate_of "$(load -l 3)")
echo "     | at most $max questions a second"

# Other users of this machine may take its two cores away for longer than any queue lasts: three times in a row is no accident.
for attempt in 1 2 3; do
	lab_start "ping4-$attempt" cli "$here/echo_ping.py" --count 100 --interval 0.05 $LAB_PORTICO_V4
	pids=$LAB_PID
	lab_start "ping6-$attempt" cli "$here/echo_ping.py" --count 100 --interval 0.05 $LAB_PORTICO_V6
	pids="$pids $LAB_PID"
	lab_start "ping-big-$attempt" cli "$here/echo_ping.py" --count 100 --interval 0.05 --size 1400 $LAB_PORTICO_V4
	pids="$pids $LAB_PID"
	lab_start "tcp-$attempt" cli "$here/tcp_stream.py" run $LAB_PORTICO_V4 5001 --seconds $((SECONDS_OF_LOAD - 2))
	pids="$pids $LAB_PID"
	result=$(load -l $SECONDS_OF_LOAD -Q $((max * 7 / 10)))
	for pid in $pids; do
		wait "$pid"
	done
	lost=$(sed -nE 's/.*Queries lost: +([0-9]+).*/\1/p' <<<"$result")
	all=$(cat "$LAB_DIR"/{ping4,ping6,ping-big,tcp}-$attempt.log)
	sed 's/^/     | /' <<<"attempt $attempt: lost $lost
$all"
	! { [ "$lost" = 0 ] && [ "$(grep -c 'lost 0' <<<"$all")" = 3 ]; } || break
done
sed -n '/Statistics/,$p' <<<"$result" | grep -E 'Queries|Average' | sed 's/^ */     | /'
expect_equal "DNS loses nothing" 0 "$lost"
expect_match "IPv4: all pings came back" 'sent 100 lost 0' "$(cat "$LAB_DIR/ping4-$attempt.log")"
expect_match "IPv6: all pings came back" 'sent 100 lost 0' "$(cat "$LAB_DIR/ping6-$attempt.log")"
expect_match "1,400 bytes: all pings came back" 'sent 100 lost 0' "$(cat "$LAB_DIR/ping-big-$attempt.log")"
expect_match "the TCP stream is whole" 'sent ([0-9]{6,}) back \1 ' "$(cat "$LAB_DIR/tcp-$attempt.log")"
expect_between "its longest pause, ms" 0 999 "$(sed -nE 's/.*longest_ms ([0-9]+).*/\1/p' "$LAB_DIR/tcp-$attempt.log")"
expect_equal "the BGP session is the same" "Established $bgp_before" "$(bgp | awk '$1 == "peer" { print $6, $5 }')"
expect_equal "no packet found the kernel's queue full" 0 "$(lab_stat drops_kernel_full)"
expect "the outcomes add up" lab_outcomes_add_up

# --- eligible ports ---
icmp_sent() {
	lab_in dut awk '
		$1 == "Icmp:" || $1 == "Udp:" {
			if (!($1 in names)) { names[$1] = $0; next }
			split(names[$1], name)
			for (i = 2; i <= NF; i++)
				if (name[i] == "OutDestUnreachs" || name[i] == "NoPorts") sum += $i
		}
		$1 == "Icmp6OutDestUnreachs" || $1 == "Udp6NoPorts" { sum += $2 }
		END { print sum + 0 }' /proc/net/snmp /proc/net/snmp6
}
lab_start tap-capture dut tcpdump -nn -p -U --immediate-mode -Z root -i "$tap" -Q in -w "$LAB_DIR/tap.pcap" \
	"udp portrange $POOL_FIRST-$POOL_LAST or udp portrange 30001-30100 or (ip proto 17 and ip[6:2] & 0x3fff != 0) or (ip6 proto 44)"
capture=$LAB_PID
lab_wait_for 5 "$capture" "$LAB_DIR/tap-capture.log" 'listening on' || exit 1
lab_sysctl "$LAB_DUT" net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 net.ipv6.icmp.ratelimit=0
before=$(icmp_sent)
for address in $LAB_PORTICO_V4 $LAB_PORTICO_V6; do
	expect_match "$address: a scan of the eligible range is not refused" '^sent 20208 refused 0$' \
		"$(lab_in cli "$here/udp_scan.py" $address $POOL_FIRST $POOL_LAST)"
done
expect_equal "the kernel has said nothing" "$before" "$(icmp_sent)"
expect_match "it does of ports beside it" '^sent 2[0-9]{2} refused [1-9]' "$(lab_in cli "$here/udp_scan.py" $LAB_PORTICO_V4 30001 30100)"
lab_stop "$capture"
in_capture() {
	tcpdump -nn -r "$LAB_DIR/tap.pcap" "$@" 2>/dev/null | wc -l
}
expect_equal "none of them has come to the TAP" 0 "$(in_capture "udp portrange $POOL_FIRST-$POOL_LAST or ip[6:2] & 0x3fff != 0 or ip6 proto 44")"
expect_between "those beside it have" 1 1000 "$(in_capture udp portrange 30001-30100)"
# The kernel's own packets from such ports stay here.
lab_start out-capture srv tcpdump -nn -U --immediate-mode -Z root -i eth0 -w "$LAB_DIR/out.pcap" udp port 9999
capture=$LAB_PID
lab_wait_for 5 "$capture" "$LAB_DIR/out-capture.log" 'listening on' || exit 1
lab_in dut /usr/bin/python3 - <<-'PY'
	import socket
	for port in (20007, 53, 30007):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	    s.bind(("198.18.0.53", port))
	    s.sendto(b"x", ("198.18.0.20", 9999))
PY
sleep 0.5
lab_stop "$capture"
expect_equal "of the kernel's datagrams one leaves: from a port that is not ours" 30007 \
	"$(tcpdump -nn -r "$LAB_DIR/out.pcap" 2>/dev/null | sed -nE 's/.*198\.18\.0\.53\.([0-9]+) > .*/\1/p' | xargs)"

# --- reload ---
cp "$LAB_DIR/portico.yaml" "$LAB_DIR/first.yaml"
sed -i 's/addresses: \[198.18.0.53\/24/addresses: [198.18.0.54\/24, 198.18.0.53\/24/' "$LAB_DIR/portico.yaml"
lab_ctl reload >"$LAB_DIR/reload.log" 2>&1
expect "an address more: echo at once" lab_in cli "$here/echo_ping.py" 198.18.0.54
cp "$LAB_DIR/first.yaml" "$LAB_DIR/portico.yaml"
lab_ctl reload >"$LAB_DIR/reload.log" 2>&1
expect_equal "taken out: it is gone, and its rules" 0 "$({
	ip -n "$LAB_DUT" rule show
	ip -n "$LAB_DUT" address show
} | grep -c 198.18.0.54)"
expect "the others stay" lab_in cli "$here/echo_ping.py" $LAB_PORTICO_V4

# --- ends ---
for pid in $(cat "$LAB_DIR"/bird-*.pid); do
	kill "$pid"
done
kill -KILL "$(pgrep -P "$PORTICO_PID" portico || echo "$PORTICO_PID")"
wait "$PORTICO_PID" 2>/dev/null
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "killed and started: one TAP" 1 "$(ip -n "$LAB_DUT" -o link show type tun | wc -l)"
expect_equal "two rules an address" 4 "$({
	ip -n "$LAB_DUT" rule show
	ip -n "$LAB_DUT" -6 rule show
} | grep -c 'proto 80')"
expect "echo" lab_in cli "$here/echo_ping.py" $LAB_PORTICO_V4
expect "SIGTERM: exit status 0" lab_stop_portico
expect "nothing is left" is_as_before

# --- a namespace of its own: named where all see it, so not from within `ip netns exec` ---
start_bare() {
	PORTICO_LOG=$LAB_DIR/$1.log
	nsenter --net="/run/netns/$LAB_DUT" "$PORTICO" -c "$LAB_DIR/$1.yaml" </dev/null >"$PORTICO_LOG" 2>&1 &
	PORTICO_PID=$!
	lab_pids="$lab_pids $PORTICO_PID"
	lab_wait_for 20 "$PORTICO_PID" "$PORTICO_LOG" '^portico: ready$'
}
config "$LAB_DIR/netns.yaml" tap "tap: {name: inside, netns: $LAB_PREFIX-tap}"
lab_namespaces="$lab_namespaces $LAB_PREFIX-tap"
expect "a namespace of its own" start_bare netns
expect_match "has the TAP" "$LAB_PORTICO_V4/24" "$(ip -n "$LAB_PREFIX-tap" address show dev inside)"
expect "echo" lab_in cli "$here/echo_ping.py" $LAB_PORTICO_V4
expect_equal "and DNS" 2001:2:0:4::1 "$(lab_dig @$LAB_PORTICO_V6 +short y.perf.test AAAA)"
expect_equal "also over TCP" 2001:2:0:4::1 "$(lab_dig @$LAB_PORTICO_V6 +tcp +short y2.perf.test AAAA)"
kill -KILL "$PORTICO_PID"
wait "$PORTICO_PID" 2>/dev/null
expect "after a kill the same again" start_bare netns
expect "echo" lab_in cli "$here/echo_ping.py" $LAB_PORTICO_V6
kill -KILL "$PORTICO_PID"
wait "$PORTICO_PID" 2>/dev/null
cp "$LAB_DIR/portico.yaml" "$LAB_DIR/plain.yaml"
expect "after a kill, without a namespace" start_bare plain
expect_equal "its name is gone" "" "$(ip netns list | grep -F "$LAB_PREFIX-tap")"
expect "SIGTERM: exit status 0" lab_stop_portico
expect "the namespace again" start_bare netns
expect "SIGTERM: exit status 0" lab_stop_portico
expect "nothing is left" is_as_before
lab_namespaces=${lab_namespaces% "$LAB_PREFIX-tap"}

# --- a VLAN ---
if [ "$LAB_DEVICE" = af_packet ]; then
	# A switch with dut's port in VLAN 7, tagged there.
	cat >"$LAB_DIR/tag.bpf.c" <<-'C'
		#include <linux/bpf.h>
		#include <bpf/bpf_endian.h>
		#include <bpf/bpf_helpers.h>
		SEC("tc/put") int put(struct __sk_buff *packet) { bpf_skb_vlan_push(packet, bpf_htons(0x8100), 7); return 0; }
		SEC("tc/take") int take(struct __sk_buff *packet) { bpf_skb_vlan_pop(packet); return 0; }
		char LICENSE[] SEC("license") = "GPL";
	C
	clang -O2 -g -target bpf "-I/usr/include/$(gcc -print-multiarch)" -c "$LAB_DIR/tag.bpf.c" -o "$LAB_DIR/tag.o" || exit 1
	lab_in sw tc qdisc add dev dut clsact
	lab_in sw tc filter add dev dut egress bpf direct-action object-file "$LAB_DIR/tag.o" section tc/put
	lab_in sw tc filter add dev dut ingress bpf direct-action object-file "$LAB_DIR/tag.o" section tc/take
	config "$LAB_DIR/vlan.yaml" tap "vlan: 7"
	lab_portico "$LAB_DIR/vlan.yaml" || exit 1
	expect "with a tag: echo" lab_in cli "$here/echo_ping.py" --size 1400 $LAB_PORTICO_V4
	expect "and out" lab_in dut "$here/echo_ping.py" $LAB_BEHIND_V6
	expect_equal "and DNS" 198.18.3.1 "$(lab_dig +short z.perf.test A)"
	expect "SIGTERM: exit status 0" lab_stop_portico
	lab_in sw tc qdisc del dev dut clsact
	expect "nothing is left" is_as_before
fi

# --- errors ---
# refused TEXT REGEX CONFIG [COMMAND]
refused() {
	local output
	output=$(timeout 20 ip netns exec "$LAB_DUT" ${4:-} "$PORTICO" -c "$3" 2>&1)
	expect_match "$1" "$2" "$(grep -E '^[^ ]*yaml:[0-9]+:[0-9]+: ' <<<"$output" || tail -n 3 <<<"$output")"
}
ip -n "$LAB_DUT" link add taken type veth peer name taken-too
config "$LAB_DIR/taken.yaml" tap "tap: {name: taken}"
refused "a name that is taken" 'interfaces\[0\]\.tap\.name: another interface is called taken already: ip link del taken' "$LAB_DIR/taken.yaml"
ip -n "$LAB_DUT" address add "$LAB_PORTICO_V4/24" dev taken
refused "an address that is elsewhere" \
	'interfaces\[0\]\.addresses: the kernel has 198.18.0.53 on taken already: ip addr del 198.18.0.53/24 dev taken' "$LAB_DIR/portico.yaml"
ip -n "$LAB_DUT" link del taken
cat >"$LAB_DIR/no_tun" <<-'SH'
	#!/bin/sh
	mount -t tmpfs none /dev/net && exec "$@"
SH
chmod +x "$LAB_DIR/no_tun"
refused "no /dev/net/tun" 'interfaces\[0\]\.kernel: tap: /dev/net/tun: No such file or directory: modprobe tun' "$LAB_DIR/portico.yaml" "$LAB_DIR/no_tun"
expect "nothing is left" is_as_before
