#!/bin/bash
# One NIC, one set of addresses, two who use them: Portico and the kernel (`kernel: auto` on AF_XDP). Beside questions at
# load run NTP-like services (UDP 123), others on 4500 and on ports that Portico could draw, and TCP streams, all of them
# started before and after it, programs that ask port 53 elsewhere from ports of their own choice, DNS look-ups from this same host to a server elsewhere, pings and fragments: all of it as if the other
# were not there, nothing lost on either side. Whom to send to, Portico hears from the kernel. When it stops, the kernel
# is as it was before.
# variants: workers=1,2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
LAB_DEVICE=af_xdp
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
SECONDS_OF_LOAD=12
QPS=2000
ASKED_PORT=53

lab_prefer
shared_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
# Who sends to the kernel's services are "servers" too, so that nothing but the destination port tells whose it is.
shared_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
	  - {zone: "unasked.test", to: [198.18.0.10, 198.18.0.11, "2001:2:0:1::10"]}
CONF
shared_state "$LAB_DIR/state"

ip -n "$LAB_CLI" address add 198.18.0.11/24 dev eth0
ip -n "$LAB_CLI" address add 198.18.0.12/24 dev eth0
# Started before: bound to the wildcard, and to the address.
serve ntp dut --bind "$LAB_PORTICO_V4@123" || exit 1
serve ipsec dut --bind 0.0.0.0@4500 || exit 1
serve early dut --bind "$LAB_PORTICO_V4@20001" --bind "$LAB_PORTICO_V6@20001" || exit 1
lab_start stream dut /usr/bin/python3 "$shared_here/kernel_traffic.py" stream "$LAB_PORTICO_V4" 8080
lab_wait_for 5 "$LAB_PID" "$LAB_DIR/stream.log" listening || exit 1

lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "our program is on the interface" portico_steer "$(shared_program)"
icmp_before=$(shared_icmp)
seq -f "q%.0f.perf.test A" $((QPS * SECONDS_OF_LOAD)) >"$LAB_DIR/names"
for family in v4 v6; do
	[ $family = v4 ] && server=$LAB_PORTICO_V4 || server=$LAB_PORTICO_V6
	lab_start "load-$family" cli dnsperf -s "$server" -d "$LAB_DIR/names" -c 8 -q 500 -n 1 \
		-Q $((QPS / 2)) -l $SECONDS_OF_LOAD
	load_pids="$load_pids $LAB_PID"
done

serve late-ntp dut --bind "$LAB_PORTICO_V6@123" || exit 1
lab_start late-stream dut /usr/bin/python3 "$shared_here/kernel_traffic.py" stream "$LAB_PORTICO_V6" 8081
lab_wait_for 5 "$LAB_PID" "$LAB_DIR/late-stream.log" listening || exit 1
serve elsewhere cli --bind 198.18.0.12@53 || exit 1

ping_service ntp-ping-v4 --from 198.18.0.10@$ASKED_PORT --to "$LAB_PORTICO_V4@123" --rate 200 --seconds 8
pids="$pids $LAB_PID"
ping_service ntp-ping-v6 --from 2001:2:0:1::10@123 --to "$LAB_PORTICO_V6@123" --rate 200 --seconds 8
pids="$pids $LAB_PID"
ping_service ipsec-ping --from 198.18.0.10@4500 --to "$LAB_PORTICO_V4@4500" --rate 100 --seconds 8
pids="$pids $LAB_PID"
ping_service early-ping --from 2001:2:0:1::10@$ASKED_PORT --to "$LAB_PORTICO_V6@20001" --rate 100 --seconds 8
pids="$pids $LAB_PID"
lab_start fetch cli /usr/bin/python3 "$shared_here/kernel_traffic.py" fetch "$LAB_PORTICO_V4" 8080 --seconds 8
pids="$pids $LAB_PID"
lab_start late-fetch cli /usr/bin/python3 "$shared_here/kernel_traffic.py" fetch "$LAB_PORTICO_V6" 8081 --seconds 8
pids="$pids $LAB_PID"
lab_start out dut dnsperf -s 198.18.0.20 -d "$LAB_DIR/names" -c 16 -q 100 -n 1 -Q 500 -l 8
out_pid=$LAB_PID
expect "who asks another server from ports of his own choice gets every reply" \
	lab_in dut "$shared_here/kernel_traffic.py" ask 198.18.0.12 53 --count 300
for i in {1..20}; do
	lab_in dut dig -r +tries=1 +time=2 +short "@2001:2:0:1::20" "own$i.perf.test" AAAA
done | sort | uniq -c | xargs >"$LAB_DIR/digs"

# Started while Portico runs, on a port that it may have drawn: its own within a second.
serve late dut --bind "$LAB_PORTICO_V4@20002" --bind "$LAB_PORTICO_V6@20002" || exit 1
sleep 1
ping_service late-ping --from 198.18.0.11@$ASKED_PORT --to "$LAB_PORTICO_V4@20002" --rate 100 --seconds 4
late_pid=$LAB_PID
expect "IPv4 echo, answered by the kernel" lab_in cli "$shared_here/echo_ping.py" $LAB_PORTICO_V4
expect "IPv6 echo, answered by the kernel" lab_in cli "$shared_here/echo_ping.py" $LAB_PORTICO_V6
expect "datagrams of 4,000 bytes to a service, in fragments" \
	lab_in cli "$shared_here/kernel_traffic.py" big $LAB_PORTICO_V4 123
expect "the same over IPv6" lab_in cli "$shared_here/kernel_traffic.py" big $LAB_PORTICO_V6 123

# fragments FAMILY: how many the kernel has taken in for reassembly
fragments() {
	if [ "$1" = v4 ]; then
		lab_in dut awk '$1 == "Ip:" && !names { names = $0; next }
			$1 == "Ip:" { split(names, name); for (i in name) if (name[i] == "ReasmReqds") print $i }' /proc/net/snmp
	else
		lab_in dut awk '$1 == "Ip6ReasmReqds" { print $2 }' /proc/net/snmp6
	fi
}
for family in v4 v6; do
	[ $family = v4 ] && server=$LAB_PORTICO_V4 || server=$LAB_PORTICO_V6
	before=$(fragments $family)
	lab_in cli "$shared_here/kernel_traffic.py" first "$server" 53
	sleep 0.2
	expect_equal "$family: a first fragment to port 53 is the kernel's" $((before + 1)) "$(fragments $family)"
done

wait $pids $out_pid $late_pid $load_pids
for name in ntp-ping-v4 ntp-ping-v6 ipsec-ping early-ping late-ping; do
	expect_match "$name: every ping came back" '^sent ([0-9]{3,}) back \1$' "$(cat "$LAB_DIR/$name.log")"
done
for name in fetch late-fetch; do
	expect_match "$name: the TCP stream is whole" '^[0-9]{7,} bytes' "$(cat "$LAB_DIR/$name.log")"
done
expect_equal "look-ups from this host to a server elsewhere" "20 2001:2:0:4::1" "$(cat "$LAB_DIR/digs")"
expect_match "the same at load: none lost" 'Queries lost: +0 ' "$(cat "$LAB_DIR/out.log")"
for family in v4 v6; do
	expect_match "questions over $family: none lost" 'Queries lost: +0 ' "$(cat "$LAB_DIR/load-$family.log")"
	expect_match "questions over $family: all NOERROR" 'NOERROR [0-9]+ \(100.00%\)' "$(cat "$LAB_DIR/load-$family.log")"
done
sed 's/^/     | stream: /' "$LAB_DIR/fetch.log" "$LAB_DIR/late-fetch.log"
grep -hE 'Queries (sent|lost)' "$LAB_DIR"/load-v?.log "$LAB_DIR/out.log" | sed 's/^/     | /'
expect_equal "the kernel told nobody that a port is closed" "$icmp_before" "$(shared_icmp)"
for counter in questions replies kernel; do
	expect_between "the program's count of its packets: $counter" 1000 99999999 "$(lab_stat "xdp_net0_$counter")"
done

# The kernel's word on neighbours: another MAC is used within a second.
mac_was=$(lab_in srv cat /sys/class/net/eth0/address)
ip -n "$LAB_SRV" link set eth0 address 02:00:00:00:53:99
lab_in dut ip neigh replace 198.18.0.20 lladdr 02:00:00:00:53:99 dev eth0 nud reachable
lab_in dut ip neigh replace 2001:2:0:1::20 lladdr 02:00:00:00:53:99 dev eth0 nud permanent
sleep 1
for i in {1..10}; do
	lab_dig +short "moved$i.perf.test" A
done | sort | uniq -c | xargs >"$LAB_DIR/moved"
expect_equal "the servers' MAC has changed a second ago: every question is answered" "10 198.18.3.1" "$(cat "$LAB_DIR/moved")"
expect_equal "an entry that is set for good is left alone" PERMANENT \
	"$(ip -n "$LAB_DUT" -6 neigh show 2001:2:0:1::20 dev eth0 | grep -o PERMANENT)"
ip -n "$LAB_SRV" link set eth0 address "$mac_was"
ip -n "$LAB_DUT" -6 neigh del 2001:2:0:1::20 dev eth0
lab_in dut ip neigh replace 198.18.0.20 lladdr "$mac_was" dev eth0 nud reachable

expect "SIGTERM: exit status 0" lab_stop_portico
expect "links, addresses, qdiscs, sysctls and BPF programs are as before" shared_is_as_before "$LAB_DIR/state"
