#!/bin/bash
# Clients over TCP (RFC 7766) of a NIC that the kernel shares: dig, kdig and dnsperf; questions pipelined, answered out of order and
# with the same bytes as over UDP; closed halves, trickles, garbage; what idles or stalls is closed when it should be, the oldest
# idle one when too many come; a reload changes all of it without touching what stays valid; the end closes in order.
# variants: workers=1,2 device=af_packet,af_xdp
. "$(dirname "$0")/../lab/lab.sh"
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
client() {
	lab_in cli timeout 60 /usr/bin/python3 "$LAB_ROOT/tests/smoke/tcp_clients.py" "$@" 2>&1
}

shared_up
lab_nsd nsd --zones ". perf.test big.test" 198.18.0.20 2001:2:0:1::20 || exit 1
lab_upstream slow 198.18.0.21 || exit 1
conf=$LAB_DIR/portico.yaml
configure() { # what is under tcp:
	shared_config "$conf" <<-CONF
		mode: forward
		tcp: {$1}
		listen: ${2:-[$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"]}
		forward:
		  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"]}
		  - {zone: "slow.test", to: [198.18.0.21]}
	CONF
}
configure "idle_s: 2"
lab_portico "$conf" || exit 1

expect_match "the kernel listens on both addresses" '^2$' "$(lab_in dut ss -Htln 'sport = 53' | wc -l)"
expect_equal "dig +tcp: not in the cache" 198.18.3.1 "$(lab_dig +tcp +short a.perf.test)"
expect_equal "dig +tcp: from the cache" 198.18.3.1 "$(lab_dig +tcp +short a.perf.test)"
expect_equal "dig +tcp over IPv6" 2001:2:0:4::1 "$(lab_dig @$LAB_PORTICO_V6 +tcp +short b.perf.test AAAA)"
lab_in cli kdig @$LAB_PORTICO_V4 +tcp +keepopen c.perf.test A d.perf.test TXT c.perf.test A >"$LAB_DIR/kdig" 2>&1
expect_equal "kdig +tcp +keepopen: three answers" 3 "$(grep -c 'status: NOERROR' "$LAB_DIR/kdig")"
expect_equal "of one connection" 4 "$(lab_stat tcp_clients_accepted)"

seq -f 'q%.0f.perf.test A' 2000 >"$LAB_DIR/names"
for turn in misses hits; do
	lab_in cli timeout 60 dnsperf -m tcp -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -c 20 -q 400 >"$LAB_DIR/dnsperf" 2>&1
	expect_match "dnsperf -m tcp, $turn: nothing lost" 'Queries lost: +0 ' "$(cat "$LAB_DIR/dnsperf")"
	expect_match "$turn: all of them" 'Queries completed: +2000 ' "$(cat "$LAB_DIR/dnsperf")"
done

expect_equal "90 pipelined questions" "answers 90 as UDP 90" "$(client pipelined $LAB_PORTICO_V4 90 p.perf.test)"
expect_equal "300, more than may be under way" "answers 300 as UDP 300" \
	"$(client pipelined $LAB_PORTICO_V6 300 r.perf.test)"
expect_equal "the same from the cache" "answers 300 as UDP 300" "$(client pipelined $LAB_PORTICO_V6 300 r.perf.test)"
expect_equal "answers as they come, out of order" "quick slow" \
	"$(client late $LAB_PORTICO_V4 delay-700.x.slow.test a.perf.test)"
expect_equal "a closed half is answered, then closed" "answers 7 8 then closed" \
	"$(client half $LAB_PORTICO_V4 delay-300.y.slow.test)"
expect_equal "byte by byte" "answered 3" "$(client trickle $LAB_PORTICO_V4 t.perf.test)"
expect_equal "keepalive where it is asked for" "with 20 without none no EDNS none again 20 UDP none" \
	"$(client keepalive $LAB_PORTICO_V4 k.perf.test)"

garbage=$(lab_stat tcp_clients_closed_garbage)
expect_match "a length of zero closes" 'closed after 0|reset' "$(client send $LAB_PORTICO_V4 0000)"
expect_match "a message without a header closes" 'closed after 0|reset' "$(client send $LAB_PORTICO_V4 000348454c)"
expect_match "HTTP closes" 'closed after 0|reset' \
	"$(client send $LAB_PORTICO_V4 "$(printf 'GET / HTTP/1.1\r\n\r\n' | xxd -p | tr -d '\n')")"
expect_match "a response closes" 'closed after 0|reset' "$(client send $LAB_PORTICO_V4 000c000180000000000000000000)"
expect_between "three of them by name (HTTP never ends)" 3 3 $(($(lab_stat tcp_clients_closed_garbage) - garbage))
expect_equal "FORMERR for a query that makes no sense" "closed after 14 bytes" \
	"$(client send $LAB_PORTICO_V4 000c00010100000200000000000000)"

expect_between "nothing in 3 s: closed" 28 36 "$(client silent $LAB_PORTICO_V4)"
expect_between "half a message in 3 s: closed" 28 36 "$(client silent $LAB_PORTICO_V4 001c0001)"
expect_between "idle for idle_s: closed" 18 26 "$(client idle $LAB_PORTICO_V4 a.perf.test)"

# A reload: no more than 4, and another idle time; who is connected stays so.
lab_start stays cli /usr/bin/python3 "$LAB_ROOT/tests/smoke/tcp_clients.py" stays $LAB_PORTICO_V4 a.perf.test "$LAB_DIR/go"
stays=$LAB_PID
lab_wait_for 5 $stays "$LAB_DIR/stays.log" '^asked$'
configure "max_clients: 4, idle_s: 5"
expect "reload" lab_ctl reload
: >"$LAB_DIR/go"
lab_wait_for 10 $stays "$LAB_DIR/stays.log" '^asked again'
expect_match "a connection outlives it" '^asked again 2' "$(cat "$LAB_DIR/stays.log")"
expect_between "the new idle time" 48 56 "$(client idle $LAB_PORTICO_V4 a.perf.test)"
# A client has 3 of 4 for itself, then as many as a quarter: the others are refused.
expect_equal "one address does not get all" "open open open closed closed" \
	"$(client many $LAB_PORTICO_V4 5 a.perf.test)"
expect_between "refused by name" 2 2 "$(lab_stat tcp_clients_refused_share)"
for i in 11 12 13 14 15; do
	ip -n "$LAB_CLI" address add 198.18.0.$i/24 dev eth0
done
sleep 0.5
for i in 11 12 13 14 15; do
	lab_start "idle$i" cli /usr/bin/python3 -c "
import socket, struct, sys
s = socket.socket()
s.settimeout(10)
s.bind(('198.18.0.$i', 0))
s.connect(('$LAB_PORTICO_V4', 53))
s.sendall(bytes.fromhex('001d0001010000010000000000000161047065726604746573740000010001'))
s.recv(1000)
print('asked', flush=True)
s.recv(1000)
print('closed', flush=True)
s.close()"
	lab_wait_for 5 "$LAB_PID" "$LAB_DIR/idle$i.log" '^asked'
done
expect_equal "the fifth makes the oldest idle one give way" "closed asked asked asked asked" \
	"$(for i in 11 12 13 14 15; do tail -n 1 "$LAB_DIR/idle$i.log"; done | xargs)"
expect_equal "by name" 1 "$(lab_stat tcp_clients_closed_evicted)"
sleep 5.5

# Listening elsewhere: those there are closed, the others are not.
rm -f "$LAB_DIR/go"
lab_start stays cli /usr/bin/python3 "$LAB_ROOT/tests/smoke/tcp_clients.py" stays $LAB_PORTICO_V4 a.perf.test "$LAB_DIR/go"
stays=$LAB_PID
lab_start leaves cli /usr/bin/python3 "$LAB_ROOT/tests/smoke/tcp_clients.py" idle $LAB_PORTICO_V6 a.perf.test
leaves=$LAB_PID
lab_wait_for 5 $stays "$LAB_DIR/stays.log" '^asked$'
sleep 0.5
configure "idle_s: 20" "[$LAB_PORTICO_V4, $LAB_PORTICO_V4@5353]"
expect "reload: IPv6 is gone, another port has come" lab_ctl reload
lab_wait_for 5 $leaves "$LAB_DIR/leaves.log" .
expect_between "its connection is closed at once" 0 20 "$(cat "$LAB_DIR/leaves.log")"
: >"$LAB_DIR/go"
lab_wait_for 10 $stays "$LAB_DIR/stays.log" '^asked again'
expect_match "the other one stays" '^asked again 2' "$(cat "$LAB_DIR/stays.log")"
expect_match "nobody listens there" 'connection refused|no servers could be reached' \
	"$(lab_dig @$LAB_PORTICO_V6 +tcp a.perf.test 2>&1)"
expect_equal "on the new port" 198.18.3.1 "$(lab_dig -p 5353 +tcp +short a.perf.test)"
configure "enabled: false"
expect "reload: without TCP" lab_ctl reload
expect_equal "nobody listens" "" "$(lab_in dut ss -Htln 'sport = 53')"
expect_equal "UDP goes on" 198.18.3.1 "$(lab_dig +short a.perf.test)"
lab_start squatter dut /usr/bin/python3 -c "
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('$LAB_PORTICO_V4', 53))
s.listen()
print('bound', flush=True)
time.sleep(60)"
squatter=$LAB_PID
expect "somebody else listens there" lab_wait_for 5 $squatter "$LAB_DIR/squatter.log" bound
configure "enabled: true"
expect_match "a reload that cannot listen is refused, and says why" \
	"$LAB_PORTICO_V4: process python3 \(pid $squatter\) already answers there over TCP" "$(lab_ctl reload 2>&1)"
lab_stop $squatter
expect "and done when the place is free" lab_ctl reload
expect_equal "TCP again" 198.18.3.1 "$(lab_dig +tcp +short a.perf.test)"

expect "packets add up" lab_outcomes_add_up
# The end: what is under way is answered.
queries=$(lab_stat tcp_queries)
lab_start last cli dig @$LAB_PORTICO_V4 +tcp +time=5 +tries=1 +short delay-500.z.slow.test
last=$LAB_PID
for ((i = 0; i < 100 && $(lab_stat tcp_queries) == queries; i++)); do
	sleep 0.02
done
expect "SIGTERM: exit status 0" lab_stop_portico
lab_wait_for 5 $last "$LAB_DIR/last.log" .
expect_equal "the question under way was answered" 198.18.99.1 "$(cat "$LAB_DIR/last.log")"
