#!/bin/bash
# The article of 2008: a DNS server whose SendPort is 53 does not start, because it listens there. Portico does: with
# outgoing.send_port 53 beside listen on port 53, on the same address and on another one, over IPv4 and IPv6, every
# upstream query leaves from port 53, every answer is right, and questions are told from replies. It says what that costs.
# In the end 45,000 queries are under way to one server from the one port, and all are answered.
# ahead: no question may be lost at 5,000 a second
# variants: workers=1,2
# variants: workers=2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
LOAD=${LOAD:-$LAB_ROOT/build/bench/load}
QPS=5000
DURATION=5
UNDER_WAY=45000
# The generator looks for the servers a hundred times a second, and the first answers take long.
TRIES=500
OTHER_V4=198.18.0.54
OTHER_V6=2001:2:0:1::54

# Who was put off for a moment catches up in a burst: net_af_xdp has room for 2,048 packets, and a question is two.
waiting_max=4000
[ "$LAB_DEVICE" != af_xdp ] || waiting_max=900

lab_prefer
lab_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
lab_start numbered srv /usr/bin/python3 "$here/numbered_server.py" 198.18.0.21 2001:2:0:1::21 --gap 200 \
	--control "$LAB_DIR/numbered.control"
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/numbered.log" 'ready$' || exit 1

# configure WHAT: the lines of outgoing and listen; zones of one family each.
configure() {
	lab_config "$LAB_DIR/$1.yaml" <<-CONF
		$(cat)
		mode: forward
		cache: {size_mb: 0}
		forward:
		  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
		  - {zone: four.test, to: [198.18.0.21]}
		  - {zone: six.test, to: ["2001:2:0:1::21"]}
		  - {zone: nobody.test, to: [198.18.0.22, "2001:2:0:1::22"]}
	CONF
}

# asked TEXT SERVER ARGS: numbered questions, every one of them answered with its own data
asked() {
	local text=$1 server=$2
	shift 2
	expect "$text" lab_in cli /usr/bin/python3 "$here/ask_numbered.py" "$server" "$@"
}

# probe NAMESPACE SOURCE SERVER QR: a message from this source (ADDRESS PORT) to the server's port 53; prints what came
# back within half a second, `nothing` or `answer RCODE`.
probe() {
	lab_in "$1" env PYTHONPATH="$here" /usr/bin/python3 - "$2" "$3" "$4" "$5" <<-'PYTHON'
		import socket, sys
		import dns_wire as dns
		address, port, server, is_reply = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "reply"
		sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
		sock.bind((address, port))
		sock.settimeout(0.5)
		flags = dns.QR | dns.RA | dns.RD if is_reply else dns.RD
		sock.sendto(dns.header(4711, flags) + dns.question("probe.perf.test"), (server, 53))
		try:
		    print("answer", dns.Answer(sock.recvfrom(4096)[0]).rcode)
		except TimeoutError:
		    print("nothing")
	PYTHON
}

# Questions and replies to the same port of the same address, told from each other.
tells_questions_from_replies() {
	local address=$1 family=$2 client=198.18.0.10 stranger=198.18.0.1 server=198.18.0.22 qr unmatched
	if [ "$family" = six ]; then
		client=2001:2:0:1::10 stranger=2001:2:0:1::1 server=2001:2:0:1::22
	fi
	asked "$family: a client that asks from port 53 has its answers" "$address" --zone $family.test --source-port 53 \
		--sockets 1 --count 200 --rate 500
	expect_equal "$family: so has a question from a server's own port" "answer NOERROR" "$(probe srv $server 53 "$address" question)"
	qr=$(lab_stat drops_query_qr)
	unmatched=$(lab_stat unmatched)
	expect_equal "$family: a reply that nobody asked for gets no answer" nothing "$(probe cli $client 4711 "$address" reply)"
	expect_equal "$family: nor from a stranger's port 53" nothing "$(probe srv $stranger 53 "$address" reply)"
	expect_equal "$family: nor from a server's" nothing "$(probe srv $server 53 "$address" reply)"
	expect_equal "$family: all three are counted" 3 \
		$(($(lab_stat drops_query_qr) - qr + $(lab_stat unmatched) - unmatched))
	expect_equal "$family: a question from that place is answered" "answer NOERROR" "$(probe srv $stranger 53 "$address" question)"
}

# run_with WHAT V4 V6: start it, ask it; V4 and V6 are where upstream queries come from.
run_with() {
	local what=$1 source_v4=$2 source_v6=$3 family address source near result
	expect "$what: it starts" lab_portico "$LAB_DIR/$what.yaml" || exit 1
	expect_match "$what: it warns that the port is known to all" '(^|: )warning.*send_port' "$(cat "$PORTICO_LOG")"
	expect_match "$what: and says what to do: send_port random" 'warning.*send_port.*random|warning.*random.*send_port' \
		"$(cat "$PORTICO_LOG")"
	expect_match "$what: port_entropy_bits is 0" '^0(\.0+)?$' "$(lab_stat port_entropy_bits)"
	lab_capture "$LAB_DIR/$what.pcap" "udp dst port 53 and ether src $(lab_in dut cat /sys/class/net/eth0/address)" || exit 1
	local capture_pid=$LAB_PID
	for family in four six; do
		address=$LAB_PORTICO_V4
		[ $family = four ] || address=$LAB_PORTICO_V6
		tells_questions_from_replies "$address" $family
		# Wrong IDs are noticed though all queries share one port; the truth arrives all the same. Each name is
		# forged at once.
		near=$(lab_stat near_misses)
		asked "$what, $family: 50 forged answers are not believed" "$address" --zone $what.$family.test --word w --count 50
		expect_between "$what, $family: they are near misses" 50 60 $(($(lab_stat near_misses) - near))
	done
	seq -f "$what-%.0f.perf.test A" $((QPS * DURATION)) >"$LAB_DIR/names"
	result=$(lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -Q $QPS -t 5 -q $waiting_max -c 32 -T 1 -b 8192 2>&1)
	expect_match "$what: $((QPS * DURATION)) questions, $QPS a second: none lost" 'Queries lost: +0 ' "$result"
	expect_match "$what: every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
	sleep 1.2 # what tcpdump has got, the kernel hands over once a second
	lab_stop "$capture_pid"
	for source in "$source_v4" "$source_v6"; do
		/usr/bin/python3 "$LAB_HERE/capture_stats.py" "$LAB_DIR/$what.pcap" --ports 53 --source "$source" \
			--at-least $((QPS * DURATION * 4 / 10)) --case >"$LAB_DIR/figures"
		expect_equal "$what: every query from $source is from port 53, its ID and letter case as chance has it" 0 $?
		grep -E '^(queries|port_(min|max)|ports_outside|id_(chi|serial)|bad)' "$LAB_DIR/figures" | sed 's/^/     | /'
	done
	tcpdump -r "$LAB_DIR/$what.pcap" -w "$LAB_DIR/strange.pcap" "not src host $source_v4 and not src host $source_v6" \
		2>/dev/null
	expect_equal "$what: none left from another address" "queries 0 distinct 0" \
		"$(/usr/bin/python3 "$here/source_counts.py" ports "$LAB_DIR/strange.pcap")"
	expect_equal "$what: nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
	expect "$what: the outcomes add up" lab_outcomes_add_up
	expect "$what: SIGTERM: exit status 0" lab_stop_portico
}

configure same <<<"outgoing: {send_port: 53}"
run_with same $LAB_PORTICO_V4 $LAB_PORTICO_V6

configure different <<-CONF
	listen: [$LAB_PORTICO_V4, "$LAB_PORTICO_V6"]
	outgoing: {send_port: 53, addresses: [$OTHER_V4, "$OTHER_V6"]}
CONF
sed -i "s#addresses: \[$LAB_PORTICO_V4/24#&, $OTHER_V4/24, \"$OTHER_V6/64\"#" "$LAB_DIR/different.yaml"
run_with different $OTHER_V4 $OTHER_V6

# 45,000 under way: the load generator asks so many within 2 s, from so many clients that none counts as one that crowds the others
# out (drops_client_waiters), and its only server keeps every answer back for 2.5 s.
[ "$LAB_DEVICE" = af_packet ] || exit 0
if [ ! -x "$LOAD" ]; then
	fail "$LOAD is not there: make"
	exit 1
fi
socket=$LAB_DIR/memif.sock
cat >"$LAB_DIR/many.yaml" <<-CONF
	workers: $LAB_WORKERS
	dpdk: {memory_mb: 512, hugepages: never, file_prefix: $LAB_PREFIX}
	interfaces:
	  - name: net0
	    device: "net_memif0,role=server,id=0,socket=$socket,socket-abstract=no"
	    addresses: [198.19.255.53/24]
	allow: [198.18.0.0/15]
	outgoing: {send_port: 53}
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: load.test, to: [198.19.255.20], timeout_ms: 4000, tries: 1}
CONF
expect "one server, one port: it starts" lab_portico "$LAB_DIR/many.yaml" || exit 1
timeout 60 "$LOAD" --vdev="net_memif0,role=client,id=0,socket=$socket,socket-abstract=no,mac=02:00:00:00:00:20" \
	--file-prefix="$LAB_PREFIX-load" --memory-mb=448 --mbufs=98303 --nap-us=50 --queues="$LAB_WORKERS" --target=198.19.255.53 \
	--servers=198.19.255.20 --gateway=198.19.255.1 --clients=8192 --ports=64 --rate=25000 --count=$UNDER_WAY \
	--delay-us=2500000 --timeout-ms=8000 --check-every=1 --json="$LAB_DIR/load.json" >"$LAB_DIR/load.log" 2>&1 &
load_pid=$!
most_out=0
while kill -0 $load_pid 2>/dev/null; do
	out=$(lab_stat tickets_out)
	[ "${out:-0}" -le "$most_out" ] || most_out=$out
	sleep 0.05
done
wait $load_pid
expect_equal "the load generator, which compares every answer: exit status" 0 $? || tail -n 20 "$LAB_DIR/load.log"
figure() {
	grep -Eo "\"$1\":[0-9.]+" "$LAB_DIR/load.json" | sed 's/.*://'
}
expect_between "queries under way from port 53 to one server at a time" $((UNDER_WAY * 98 / 100)) $((UNDER_WAY + TRIES)) "$most_out"
lab_ctl stats | grep -E '^(drops|shed|upstream_[ter]|rx_missed|tx_dropped)[^ ]* +[1-9]' | sed 's/^/     | /'
# It asks a few more while it makes itself known.
expect_between "all are answered" $UNDER_WAY $((UNDER_WAY + TRIES)) "$(figure answered)"
expect_equal "sent, SERVFAIL, lost, wrong" "$UNDER_WAY 0 0 0" \
	"$(figure sent) $(figure servfail) $(figure lost) $(figure wrong)"
expect_equal "none was mistaken for another" "0 0 0" \
	"$(lab_stat near_misses) $(lab_stat mismatch_question) $(lab_stat unmatched)"
expect_equal "nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
expect "SIGTERM: exit status 0" lab_stop_portico
