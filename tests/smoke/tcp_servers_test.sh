#!/bin/bash
# TCP to servers: what does not fit into UDP, and what somebody guesses at, is asked again over TCP, and arrives whole. Servers
# that refuse, close, reset, keep silent, lie or dribble over TCP end in the right answer or SERVFAIL within 5 s, at the
# cost of at most 64 packets and 8 connections a question (a connect counts 2). Connections are reused. Answers of 60 KiB are
# those of the authority, record for record, over TC=1 on both sides.
# variants: workers=1,2 device=af_xdp
# variants: workers=1 device=af_packet
. "$(dirname "$0")/../lab/lab.sh"
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
here=$LAB_ROOT/tests/smoke


shared_up
log=$LAB_DIR/tcp.events
lab_start tcp srv /usr/bin/python3 "$LAB_HERE/tcp_upstream.py" --log "$log" --address 198.18.0.20 \
	--address 2001:2:0:1::20 --no-tcp 198.18.0.21 --reset-tcp 198.18.0.22
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/tcp.log" ready || exit 1

# An authority of 60 KiB, and one that is guessed at.
mkdir "$LAB_DIR/huge"
{
	printf '$ORIGIN huge.test.\n$TTL 3600\n@ SOA ns nobody.invalid. 1 1800 900 604800 60\n@ NS ns\nns A 198.18.1.53\n'
	seq -f 't TXT "%03g-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz"' 280
	for ((i = 0; i < 3800; i++)); do
		echo "a A 198.19.$((i / 250)).$((i % 250))"
	done
	seq -f 'm MX 10 a-mail-server-with-a-long-name-%04g.huge.test.' 900
	seq -f 's TXT "%03g-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz"' 20
} >"$LAB_DIR/huge/zone"
cat >"$LAB_DIR/huge/nsd.conf" <<-CONF
	server:
	  ip-address: $LAB_BEHIND_V4
	  server-count: 1
	  username: ""
	  database: ""
	  pidfile: ""
	  logfile: "$LAB_DIR/huge/log"
	  zonelistfile: "$LAB_DIR/huge/zone.list"
	  xfrdfile: ""
	  xfrdir: "$LAB_DIR/huge"
	  rrl-ratelimit: 0
	remote-control:
	  control-enable: no
	zone:
	  name: huge.test.
	  zonefile: "$LAB_DIR/huge/zone"
CONF
lab_start huge srv nsd -d -c "$LAB_DIR/huge/nsd.conf"
lab_answers $LAB_BEHIND_V4 "$LAB_PID" huge huge.test || exit 1
lab_upstream liar $LAB_BEHIND_V6 --port 5353 || exit 1

shared_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 4}
	forward:
	  - {zone: one.test, to: [198.18.0.20]}
	  - {zone: six.test, to: ["2001:2:0:1::20"]}
	  - {zone: refuses.test, to: [198.18.0.21]}
	  - {zone: resets.test, to: [198.18.0.22]}
	  - {zone: two.test, to: [198.18.0.21, 198.18.0.22, 198.18.0.20], policy: in_order}
	  - {zone: tcp.test, to: [198.18.0.20], transport: tcp}
	  - {zone: huge.test, to: [$LAB_BEHIND_V4]}
	  - {zone: liar.test, to: ["$LAB_BEHIND_V6@5353"]}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
lab_dig +short first.udp.one.test A >/dev/null

now_ms() {
	date +%s%3N
}

# ask NAME: sets `answer` (data or RCODE), `took_ms`, and what the server saw of it: `udp`, `tcp`, `connects`, `packets`.
# One question at a time: connections that come meanwhile are its.
ask() {
	local mark=$(($(wc -l <"$log") + 1)) since lines connected
	connected=$(lab_stat tcp_upstream_connects)
	since=$(now_ms)
	answer=$(lab_dig +noall +answer +comments "$1" A | awk '
		/status:/ { sub(/.*status: /, ""); sub(/,.*/, ""); rcode = $0 }
		!/^;/ && NF >= 5 { data = data " " $5 }
		END { print rcode data }')
	took_ms=$(($(now_ms) - since))
	lines=$(tail -n "+$mark" "$log")
	udp=$(grep -c " udp " <<<"$lines")
	tcp=$(grep -c " tcp " <<<"$lines")
	# What the server saw; a SYN that is refused is seen by our own count alone.
	seen=$(grep -c " connect " <<<"$lines")
	connects=$(($(lab_stat tcp_upstream_connects) - connected))
	[ "$connects" -ge "$seen" ] || connects=$seen
	packets=$((udp + tcp + 2 * connects))
}

# costs NAME WANT: asked, answered so in time, within the budget
costs() {
	ask "$1"
	expect_equal "$1" "$2" "$answer" || tail -n 12 "$log" | sed 's/^/     | /'
	expect_between "$1: in time" 0 5000 "$took_ms"
	expect_between "$1: packets ($udp by UDP, $tcp over TCP, $connects connects)" 0 64 "$packets"
	expect_between "$1: connects" 0 8 "$connects"
}

truth="NOERROR 198.18.99.1"
for family in one six; do
	for word in good other wrong-id dribble single order; do
		costs "$word.1.$family.test" "$truth"
		expect_between "$word.1.$family.test: asked over TCP" 1 2 "$tcp"
	done
	for word in close reset cut mute tc garbage short servfail; do
		costs "$word.1.$family.test" SERVFAIL
		expect_between "$word.1.$family.test: tried over TCP" 1 8 "$tcp"
	done
	costs "udp.1.$family.test" "$truth"
	expect_equal "udp.1.$family.test: not over TCP" "1 0" "$udp $tcp"
done
# Nothing was left behind that would spoil the next.
costs good.2.one.test "$truth"
expect_equal "one query by UDP, one over TCP" "1 1" "$udp $tcp"

costs good.1.refuses.test SERVFAIL
expect_between "SYNs were sent" 1 8 "$connects"
costs good.1.resets.test SERVFAIL
expect_between "connections were made" 1 8 "$connects"
# The next server has it.
costs good.1.two.test "$truth"
costs good.2.two.test "$truth"
costs close.1.two.test SERVFAIL

# transport: tcp
costs good.1.tcp.test "$truth"
expect_equal "transport: tcp: never by UDP" 0 "$udp"
costs good.2.tcp.test "$truth"
expect_equal "the connection is used again" 0 "$connects"
costs close.1.tcp.test SERVFAIL
expect_equal "transport: tcp: not by UDP when TCP fails" 0 "$udp"

# Many at once: pipelined over few connections.
seq -f "good.m%.0f.one.test A good" 500 >"$LAB_DIR/questions"
before=$(lab_stat tcp_upstream_connects)
expect "500 questions at once over TCP" lab_in cli /usr/bin/python3 "$here/ask_many.py" $LAB_PORTICO_V4 <"$LAB_DIR/questions"
expect_between "over few connections" 0 8 $(($(lab_stat tcp_upstream_connects) - before))
seq -f "order.m%.0f.one.test A good" 50 >"$LAB_DIR/questions"
expect "50 questions answered out of order" lab_in cli /usr/bin/python3 "$here/ask_many.py" $LAB_PORTICO_V4 <"$LAB_DIR/questions"

# ---- 60 KiB ----
# records SERVER NAME TYPE: of the answer, sorted
records() {
	lab_in cli dig -r +tries=1 +time=5 +tcp +noall +answer "@$1" "$2.huge.test" "$3" | sort
}
for row in "t TXT 280" "a A 3800" "m MX 900" "s TXT 20"; do
	set -- $row
	lab_in srv dig -r +tries=1 +time=5 +tcp +noall +answer "@$LAB_BEHIND_V4" "$1.huge.test" "$2" | sort >"$LAB_DIR/want"
	expect_equal "$1 $2: the authority has" "$3" "$(wc -l <"$LAB_DIR/want")"
	expect_match "$1 $2 by UDP: TC=1" 'flags: qr tc rd ra' "$(lab_dig +ignore "$1.huge.test" "$2")"
	lab_dig +noall +answer "$1.huge.test" "$2" | sort >"$LAB_DIR/by-udp"
	records "$LAB_PORTICO_V4" "$1" "$2" >"$LAB_DIR/over-tcp"
	records "$LAB_PORTICO_V6" "$1" "$2" >"$LAB_DIR/over-tcp-v6"
	for got in by-udp over-tcp over-tcp-v6; do
		# What is cached ages.
		expect "$1 $2 $got: record for record" \
			diff <(awk '{ $2 = ""; print }' "$LAB_DIR/want") <(awk '{ $2 = ""; print }' "$LAB_DIR/$got")
	done
done
lab_dig +tcp t.huge.test TXT | sed -n 's/^;; MSG SIZE/     | t.huge.test: MSG SIZE/p'

# ---- guesses ----
# A wrong ID ends UDP for that question; the truth comes over TCP, before the server would give it by UDP.
tcp_before=$(lab_stat tcp_upstream_responses)
since=$(now_ms)
expect_equal "guessed at: the truth" 198.18.99.1 "$(lab_dig +short wrong-id.only.g1.liar.test A)"
expect_between "at once" 0 1000 $(($(now_ms) - since))
expect_equal "it came over TCP" 1 $(($(lab_stat tcp_upstream_responses) - tcp_before))
expect_equal "asked once by UDP, once over TCP" "1 udp 1 tcp" \
	"$(grep -i ' wrong-id.only.g1.liar.test. ' "$LAB_DIR/liar.queries" | awk '{ print $2 }' | sort | uniq -c | sort -k 2r | xargs)"
# A server that is guessed at all the time is asked over TCP alone for a while.
for i in {2..20}; do
	echo "wrong-id-3.only.g$i.liar.test A good"
done >"$LAB_DIR/questions"
expect "19 more" lab_in cli /usr/bin/python3 "$here/ask_many.py" $LAB_PORTICO_V4 <"$LAB_DIR/questions"
lab_dig +short good.then.liar.test A >"$LAB_DIR/then"
expect_equal "the next is answered" 198.18.99.1 "$(cat "$LAB_DIR/then")"
expect_equal "over TCP, without UDP" tcp "$(grep -i ' good.then.liar.test. ' "$LAB_DIR/liar.queries" | awk '{ print $2 }' | sort -u | xargs)"

# ---- what is told ----
expect_match "porticoctl tcp: a row of the server" '^198\.18\.0\.20 +198\.18\.0\.53 ' "$(lab_ctl tcp)"
expect "porticoctl tcp --json is JSON" /usr/bin/python3 -c '
import json, sys
tcp = json.loads(sys.argv[1])
servers = {row["server"]: row for row in tcp["servers"]}
assert tcp["clients"]["open"] == 0, tcp["clients"]
assert servers["198.18.0.20"]["responses"] >= 550, servers
assert servers["198.18.0.20"]["failed_closed"] >= 2, servers
assert servers["198.18.0.20"]["failed_timeout"] >= 1 and servers["198.18.0.20"]["failed_garbage"] >= 2, servers
assert servers["198.18.0.21"]["failed_refused"] >= 1, servers
assert all(row["under_way"] == 0 for row in servers.values()), servers' "$(lab_ctl tcp --json)"
expect_equal "every question over TCP has one end" "$(lab_stat tcp_upstream_queries)" \
	$(($(lab_stat tcp_upstream_responses) + $(lab_stat tcp_upstream_failed_refused) +
		$(lab_stat tcp_upstream_failed_unreachable) + $(lab_stat tcp_upstream_failed_timeout) +
		$(lab_stat tcp_upstream_failed_closed) + $(lab_stat tcp_upstream_failed_garbage) +
		$(lab_stat tcp_upstream_failed_limit) + $(lab_stat tcp_upstream_forgotten)))
expect_between "mismatching answers were counted" 2 99 "$(lab_stat tcp_upstream_mismatch)"
expect_between "unmatched answers were counted" 2 99 "$(lab_stat tcp_upstream_unmatched)"
# Idle connections go after ten seconds.
for i in {1..30}; do
	[ "$(lab_stat tcp_upstream_open)" != 0 ] || break
	sleep 0.5
done
expect_equal "no connection stays" 0 "$(lab_stat tcp_upstream_open)"
expect_equal "nothing is left waiting" "0 0 0" \
	"$(lab_stat resolutions_active) $(lab_stat waiters) $(lab_stat tcp_upstream_under_way)"
expect "SIGTERM: exit status 0" lab_stop_portico

# ---- no TCP ----
sed 's/kernel: auto/kernel: none/' "$LAB_DIR/portico.yaml" >"$LAB_DIR/without.yaml"
# The addresses are Portico's alone then.
ip -n "$LAB_DUT" address flush dev eth0
lab_sysctl "$LAB_DUT" net.ipv6.conf.eth0.disable_ipv6=1
lab_portico "$LAB_DIR/without.yaml" || exit 1
expect_match "transport: tcp without TCP is warned of" 'forward\[5\].transport: there is no TCP, as every interface has kernel: none' \
	"$(cat "$PORTICO_LOG")"
expect_match "without TCP: TC=1 as it came" 'flags: qr tc rd ra' "$(lab_dig +ignore good.3.one.test A)"
expect_match "porticoctl tcp says so" 'there is no TCP' "$(lab_ctl tcp 2>&1)"
expect_equal "and ends with status 1" 1 "$(lab_ctl tcp >/dev/null 2>&1; echo $?)"
expect_equal "nothing was asked over TCP" 0 "$(lab_stat tcp_upstream_queries)"
expect "SIGTERM: exit status 0" lab_stop_portico
