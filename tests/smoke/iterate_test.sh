#!/bin/bash
# `mode: iterate` in the small internet: answers of every kind, over both families, by way of servers on the link and behind the
# gateway; what the servers are asked for it (RD=0, minimised names, nothing twice), and that nothing is left when all is done.
# ahead: it counts what the servers are asked
# variants: workers=1,2,4 device=af_packet
# variants: workers=2 device=af_packet2
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/internet.sh"

lab_up
internet_up || exit 1
internet_config "$LAB_DIR/portico.yaml" </dev/null
lab_start seen srv tcpdump -n -l -t -i eth0 "udp dst port 53 and (src host $LAB_PORTICO_V4 or src host $LAB_PORTICO_V6)"
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/seen.log" '^(tcpdump: )?listening' || exit 1
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# asked [ADDRESS...]: "ADDRESS TYPE NAME", one a line, in lower case, of the queries that the servers (or those at the addresses) got.
asked() {
	sleep 0.3
	sed -nE 's/^IP6? .* > ([^ ]+)\.53: [0-9]+[^?]* ([A-Z0-9]+)\? ([^ ]+) .*/\1 \2 \3/p' "$LAB_DIR/seen.log" | tr A-Z a-z |
		awk -v only="$*" 'BEGIN { n = split(only, list, " "); for (i in list) wanted[list[i]] = 1 } n == 0 || $1 in wanted'
}

# answer NAME TYPE [DIG-ARGUMENTS]: "RCODE DATA..." with the data of the answer section, sorted.
answer() {
	local output
	output=$(lab_dig "$@" +noall +comments +answer)
	sed -nE 's/.*status: ([A-Z]+),.*/\1/p' <<<"$output"
	grep -v '^;' <<<"$output" | awk 'NF > 4 { $1 = $2 = $3 = $4 = ""; print substr($0, 5) }' | sort
}

# says NAME TYPE WANT [DIG-ARGUMENTS]
says() {
	local name=$1 type=$2 want=$3
	shift 3
	expect_equal "$name $type${*:+ $*}" "$want" "$(echo $(answer "$name" "$type" "$@"))"
}

# --- answers -----------------------------------------------------------------------------------------

says www.plain.com A "NOERROR 198.18.3.1 198.18.3.2 198.18.3.3"
# For the cache's sake only: nobody waits for it.
for i in {1..30}; do
	! asked | grep -q ' ns \.$' || break
done
roots=$(asked 198.18.0.20 198.18.16.2 2001:2:0:1::20 2001:2:0:16::2)
expect_match "the root is asked for its servers (RFC 8109)" ' ns \.$' "$roots"
expect_equal "and for the top-level domain only (RFC 9156)" "com." "$(awk '$3 != "." { print $3 }' <<<"$roots" | sort -u)"
tlds=$(asked 198.18.0.21 198.18.16.10 2001:2:0:1::21 2001:2:0:16::10)
expect_equal "that for the zone only" "plain.com." "$(awk '{ print $3 }' <<<"$tlds" | sort -u)"
expect_equal "in three exchanges" 3 "$(asked | grep -vc ' ns \.$')"
expect_equal "without recursion desired" "" "$(grep -E ' > [^ ]+\.53: [0-9]+\+' "$LAB_DIR/seen.log")"

before=$(asked | wc -l)
says www.plain.com A "NOERROR 198.18.3.1 198.18.3.2 198.18.3.3"
says v4.plain.com A "NOERROR 198.18.3.4"
expect_equal "a name beside it takes one exchange" 1 $(($(asked | wc -l) - before))

says www.plain.com AAAA "NOERROR 2001:2:0:3::3:1 2001:2:0:3::3:2" "@$LAB_PORTICO_V6"
says mixed.PLAIN.com A "NOERROR 198.18.3.7"
says plain.com MX "NOERROR 10 mail.plain.com. 20 mail.hosting.net."
says nobody.plain.com A "NXDOMAIN"
says v4.plain.com AAAA "NOERROR"
says ent.plain.com A "NOERROR"
says no-such-tld A "NXDOMAIN"
says www.c.b.a.example A "NOERROR 198.18.2.43"
says www.deep.down.example A "NOERROR 198.18.2.30"
says down.example TXT "NOERROR"
says a.b.c.d.e.f.g.h.i.j.k.l.m.n.deep.down.example A "NOERROR 198.18.2.31"
says c1.alias.com A "NOERROR 198.18.3.1 198.18.3.2 198.18.3.3 c2.links.net. c3.links.org. c4.alias.com. c5.links.net. c6.links.org. c7.alias.com. c8.links.net. c9.links.org. www.plain.com."
says nxdomain.alias.com A "NXDOMAIN nobody.plain.com."
says nodata.alias.com AAAA "NOERROR v4.plain.com."
says www.old.dname.net A "NOERROR 198.18.6.1 new.dname.net. www.new.dname.net."
says www.plain.dname.net AAAA "NOERROR 2001:2:0:3::3:1 2001:2:0:3::3:2 plain.com. www.plain.com."
says any.thing.wild.org A "NOERROR 198.18.7.1"
says below.exact.wild.org A "NXDOMAIN"
says www.glueless.com A "NOERROR 198.18.8.1"
says www.deepglueless.com A "NOERROR 198.18.8.2"
says www.lame.com A "NOERROR 198.18.9.1"
says www.v4only.com AAAA "NOERROR 2001:2:0:10::1"
says www.v6only.com A "NOERROR 198.18.10.2"
says www.four.six A "NOERROR 198.18.10.4"
says www.mismatch.com A "NOERROR 198.18.11.1"
says www.many.com A "NOERROR 198.18.11.2"
says child.parent.org A "NOERROR 198.18.12.2"
says child.parent.org DS "NOERROR"
says signed.org DS "NOERROR $(awk '$1 == "DS" { $1 = ""; print substr($0, 2, length($0) - 9), substr($0, length($0) - 7) }' "$INTERNET/org.zone")"
says 1.12.18.198.in-addr.arpa PTR "NOERROR 1.part.12.18.198.in-addr.arpa. www.parent.org."
says https.types.org HTTPS 'NOERROR 1 . alpn="h2,h3" ipv4hint=198.18.7.1'
says unknown.types.org TYPE65280 'NOERROR \# 8 0102030405060708'
expect_equal "t4000.big.net TXT, truncated over UDP" 3980 "$(answer t4000.big.net TXT | tail -n 1 | tr -d '" \n' | wc -c)"

# --- what cannot be answered ---------------------------------------------------------------------------

for name in circle-a.com www.alllame.com www.nowhere self.loop.net into.loop.net; do
	says "$name" A "SERVFAIL"
done

# --- and what is left ------------------------------------------------------------------------------------

# Twice: what failed after a worker had to wait for a server's MAC, or for anything of ours, is not remembered as failed.
for round in 1 2; do
	before=$(asked | wc -l)
	for name in www.plain.com c1.alias.com www.old.dname.net www.deepglueless.com nobody.plain.com self.loop.net; do
		lab_dig "$name" A +noall
	done
done
expect_equal "asked again, all of it is in the cache" 0 $(($(asked | wc -l) - before))
for gauge in resolutions_active tickets_out subs_waiting subs_waited_for; do
	expect_equal "$gauge" 0 "$(lab_stat $gauge)"
done
[ "$LAB_WORKERS" -eq 1 ] || expect "every worker took part" lab_workers_took_part
expect "each packet has its one outcome" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
