#!/bin/bash
# A NIC shared with the kernel where AF_XDP cannot be had, because somebody else's XDP program is there: Portico says so, names
# that program and leaves it alone, and answers through packet sockets. The kernel, which sees all that Portico sees, does
# not answer that Portico's ports are closed, and its own services run as before. A killed Portico's filter drops
# nothing any more after two seconds, and the next start removes it. A qdisc that was there before stays.
# variants: workers=1 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
LAB_DEVICE=af_xdp
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
QPS=1000

lab_prefer
shared_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
shared_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
CONF
cat >"$LAB_DIR/other.bpf.c" <<-'C'
	#include <linux/bpf.h>
	#include <bpf/bpf_helpers.h>
	SEC("xdp") int someone_elses(struct xdp_md *packet) { return packet->data < packet->data_end ? XDP_PASS : XDP_DROP; }
	SEC("tc") int let_pass(struct __sk_buff *packet) { return packet->len ? 0 : 2; }
	char LICENSE[] SEC("license") = "GPL";
C
clang -O2 -g -target bpf "-I/usr/include/$(gcc -print-multiarch)" -c "$LAB_DIR/other.bpf.c" -o "$LAB_DIR/other.o" || exit 1
ip -n "$LAB_DUT" link set dev eth0 xdp obj "$LAB_DIR/other.o" sec xdp || exit 1
serve ntp dut --bind "$LAB_PORTICO_V4@123" --bind "$LAB_PORTICO_V6@123" || exit 1
serve early dut --bind "$LAB_PORTICO_V4@20001" || exit 1
shared_state "$LAB_DIR/state"

lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_match "a warning names the other program" 'warning xdp: no AF_XDP here.*id [0-9]+, name someone_elses' "$(cat "$PORTICO_LOG")"
expect_equal "which is still there" someone_elses "$(shared_program)"
expect_match "the fallback is on packet sockets" 'driver=net_af_packet' "$(cat "$PORTICO_LOG")"
expect_match "our filter is at tc ingress" portico_drop "$(lab_in dut tc filter show dev eth0 ingress)"

icmp_before=$(shared_icmp)
seq -f "q%.0f.perf.test A" $((QPS * 6)) >"$LAB_DIR/names"
for family in v4 v6; do
	[ $family = v4 ] && server=$LAB_PORTICO_V4 || server=$LAB_PORTICO_V6
	lab_start "load-$family" cli dnsperf -s "$server" -d "$LAB_DIR/names" -c 8 -q 500 -n 1 -Q $((QPS / 2)) -l 6
	pids="$pids $LAB_PID"
done
ping_service ntp-ping-v4 --from 198.18.0.10@53 --to "$LAB_PORTICO_V4@123" --rate 100 --seconds 4
pids="$pids $LAB_PID"
ping_service ntp-ping-v6 --from 2001:2:0:1::10@53 --to "$LAB_PORTICO_V6@123" --rate 100 --seconds 4
pids="$pids $LAB_PID"
lab_start out dut dnsperf -s 198.18.0.20 -d "$LAB_DIR/names" -c 16 -q 100 -n 1 -Q 300 -l 4
pids="$pids $LAB_PID"
expect "IPv4 echo, answered by the kernel, once" lab_in cli "$shared_here/echo_ping.py" $LAB_PORTICO_V4
expect "IPv6 echo" lab_in cli "$shared_here/echo_ping.py" $LAB_PORTICO_V6
expect "datagrams of 4,000 bytes to a service, in fragments" \
	lab_in cli "$shared_here/kernel_traffic.py" big $LAB_PORTICO_V4 123
wait $pids
for name in ntp-ping-v4 ntp-ping-v6; do
	expect_match "$name: every ping came back" '^sent ([0-9]{3,}) back \1$' "$(cat "$LAB_DIR/$name.log")"
done
for name in load-v4 load-v6 out; do
	expect_match "$name: none lost" 'Queries lost: +0 ' "$(cat "$LAB_DIR/$name.log")"
	expect_match "$name: all NOERROR" 'NOERROR [0-9]+ \(100.00%\)' "$(cat "$LAB_DIR/$name.log")"
done
expect_equal "the kernel told nobody that a port is closed" "$icmp_before" "$(shared_icmp)"
for counter in questions replies kernel; do
	expect_between "the program's count of its packets: $counter" 500 99999999 "$(lab_stat "xdp_net0_$counter")"
done
expect "SIGTERM: exit status 0" lab_stop_portico
expect "everything is as before, the other program too" shared_is_as_before "$LAB_DIR/state"

# A qdisc of somebody else's, with nothing on it, and with something.
lab_in dut tc qdisc add dev eth0 clsact
lab_in dut tc filter add dev eth0 egress bpf da obj "$LAB_DIR/other.o" sec tc || exit 1
shared_state "$LAB_DIR/state-clsact"
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "beside a qdisc of somebody else's: questions are answered" 198.18.3.1 "$(lab_dig +short beside.perf.test A)"
kill -KILL "$PORTICO_PID"
wait "$PORTICO_PID" 2>/dev/null
icmp_before=$(shared_icmp)
sleep 2
lab_dig dead.perf.test A >/dev/null
expect_between "two seconds after a kill the kernel says that nobody listens" $((icmp_before + 1)) $((icmp_before + 99)) \
	"$(shared_icmp)"
expect_match "the killed one's filter is still there" portico_drop "$(lab_in dut tc filter show dev eth0 ingress)"
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "the next start has one filter again" 1 "$(lab_in dut tc filter show dev eth0 ingress | grep -c portico_drop)"
expect "SIGTERM: exit status 0" lab_stop_portico
expect "the qdisc and what hung on it are still there, and nothing else" shared_is_as_before "$LAB_DIR/state-clsact"
lab_in dut tc qdisc del dev eth0 clsact

# Killed, and stopped the next time: nothing is left of the qdisc that was ours.
ip -n "$LAB_DUT" link set dev eth0 xdp off
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "the other program has gone: AF_XDP again" portico_steer "$(shared_program)"
expect "SIGTERM: exit status 0" lab_stop_portico
