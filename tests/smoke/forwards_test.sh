#!/bin/bash
# What a client gets through Portico is what the server says: every kind of record, name and outcome, from
# NSD on the link and behind the gateway and from Knot, over IPv4 and IPv6 on both sides. Besides: header
# bits, EDNS and sizes, letter case, CD, DNSSEC records only for those who ask for them.
# variants: workers=1,4
# variants: workers=2 device=af_packet2,af_xdp
. "$(dirname "$0")/../lab/lab.sh"

lab_up
lab_nsd nsd 198.18.0.20 2001:2:0:1::20 $LAB_BEHIND_V4 $LAB_BEHIND_V6 || exit 1
lab_knot knot 198.18.0.21 2001:2:0:1::21 || exit 1

# NSD does not check signatures: any 64 bytes will do.
signature=$(head -c 64 /dev/zero | base64 -w 0)
cat >"$LAB_DIR/signed.zone" <<CONF
\$ORIGIN signed.test.
\$TTL 300
@ SOA ns nobody.invalid. 1 1800 900 604800 60
@ NS ns
@ DNSKEY 257 3 13 $signature
@ RRSIG SOA 13 2 300 20400101000000 20200101000000 12345 signed.test. $signature
@ RRSIG NS 13 2 300 20400101000000 20200101000000 12345 signed.test. $signature
@ RRSIG DNSKEY 13 2 300 20400101000000 20200101000000 12345 signed.test. $signature
@ NSEC ns.signed.test. NS SOA RRSIG NSEC DNSKEY
@ RRSIG NSEC 13 2 300 20400101000000 20200101000000 12345 signed.test. $signature
ns A 198.18.0.22
ns RRSIG A 13 3 300 20400101000000 20200101000000 12345 signed.test. $signature
ns NSEC www.signed.test. A RRSIG NSEC
ns RRSIG NSEC 13 3 300 20400101000000 20200101000000 12345 signed.test. $signature
www A 198.18.2.80
www RRSIG A 13 3 300 20400101000000 20200101000000 12345 signed.test. $signature
www NSEC signed.test. A RRSIG NSEC
www RRSIG NSEC 13 3 300 20400101000000 20200101000000 12345 signed.test. $signature
CONF
mkdir -p "$LAB_DIR/signed"
cat >"$LAB_DIR/signed.conf" <<CONF
server:
  ip-address: 198.18.0.22
  server-count: 1
  username: ""
  database: ""
  pidfile: ""
  logfile: "$LAB_DIR/signed/log"
  zonesdir: "$LAB_DIR"
  zonelistfile: "$LAB_DIR/signed/zone.list"
  xfrdfile: ""
  xfrdir: "$LAB_DIR/signed"
  ipv4-edns-size: 1232
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "signed.test"
  zonefile: "$LAB_DIR/signed.zone"
CONF
lab_start signed srv nsd -d -c "$LAB_DIR/signed.conf"
lab_answers 198.18.0.22 "$LAB_PID" signed signed.test || exit 1
lab_upstream seen 2001:2:0:1::22 || exit 1

label63=$(printf 'x%.0s' {1..63})
cat >"$LAB_DIR/questions" <<CONF
www.example. A
www.example. AAAA
v4only.example. AAAA
v6only.example. AAAA
example. MX
example. NS
example. SOA
example. TXT
txt.example. TXT
alias.example. A
alias.example. AAAA
alias.example. MX
alias.example. CNAME
dangling.example. A
ent.example. A
nowhere.example. A
a.b.c.nowhere.test. TXT
short.test. A
zero.test. A
anything.wild.example. A
a.b.c.wild.example. AAAA
Something.wild.example. TXT
something.wild.example. SRV
*.wild.example. A
exact.wild.example. A
exact.wild.example. AAAA
other.exact.wild.example. A
x.deep.wild.example. MX
_sip._udp.types.example. SRV
naptr.types.example. NAPTR
types.example. CAA
unknown.types.example. TYPE65280
unknown-empty.types.example. TYPE65280
hinfo.types.example. HINFO
sshfp.types.example. SSHFP
_443._tcp.types.example. TLSA
https.types.example. HTTPS
svcb.types.example. SVCB
ptr.types.example. PTR
loc.types.example. LOC
www.example. TYPE65535
www.example. DS
chain.example. NS
end.chain.example. A
c1.chain.example. A
c5.chain.example. A
c10.chain.example. AAAA
c20.chain.example. A
loop1.chain.example. A
self.chain.example. A
out.chain.example. A
gone.chain.example. A
exact.renamed.chain.example. A
renamed.chain.example. DNAME
_under_score.odd.example. A
with\\.dot.odd.example. A
with\\032space.odd.example. A
\\000\\001\\255.odd.example. A
UPPER.odd.example. A
upper.odd.example. A
1234567890.odd.example. A
a\\@b\\;c\\"d.odd.example. A
-q -hyphen-.odd.example. A
abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-123456789.odd.example. A
$label63.$label63.$label63.$(printf 'y%.0s' {1..61}). A
many.big.test. A
t400.big.test. TXT
t600.big.test. TXT
t1100.big.test. TXT
t1200.big.test. TXT
t1400.big.test. TXT
t4000.big.test. TXT
. NS
. SOA
CONF
awk '/^(xxx|z\.z)/ { print $1 ".odd.example. A" }' "$LAB_HERE/zones/odd.example.zone" >>"$LAB_DIR/questions"

# ask SERVER FILE [ARGS...]: all the questions. What may differ between a server and a forwarder of it is
# taken out: the bits AA, RD and RA, the ID and times.
ask() {
	local server=$1 file=$2
	shift 2
	lab_in cli dig -r "@$server" +tries=1 +time=5 +ignore +nocookie "$@" +noall +comments +question +answer \
		+authority +additional -f "$LAB_DIR/questions" |
		sed -E -e '/^(; <<>>|;; (Got answer|global options|WARNING|Query time|SERVER|WHEN|MSG SIZE)|; \(1 server)/d' \
			-e 's/, id: [0-9]+//' -e '/^;; flags:/s/ (aa|rd|ra)\b//g' >"$file"
}

same_as() {
	local server=$1 client=$2
	shift 2
	ask "$server" "$LAB_DIR/direct" "$@"
	ask "$client" "$LAB_DIR/through" "$@"
	[ "$(grep -c 'HEADER' "$LAB_DIR/direct")" = "$(wc -l <"$LAB_DIR/questions")" ] || {
		echo "the server itself did not answer everything"
		tail -n 5 "$LAB_DIR/direct"
		return 1
	}
	diff -u "$LAB_DIR/direct" "$LAB_DIR/through"
}

dig_flags() {
	lab_dig "$@" | sed -nE 's/^;; flags: ([a-z ]*);.*/\1/p'
}

dig_line() {
	local regex=$1
	shift
	lab_dig "$@" | grep -E -m 1 -- "$regex"
}

# answer_of ARGS: "STATUS flags SIZE answers"
answer_of() {
	lab_dig +ignore +nocookie "$@" | awk '
		/HEADER/ { sub(/.*status: /, ""); sub(/,.*/, ""); status = $0 }
		/^;; flags:/ { flags = $0; sub(/^;; flags: /, "", flags); sub(/;.*/, "", flags)
			answers = $0; sub(/.*ANSWER: /, "", answers); sub(/,.*/, "", answers) }
		/^;; MSG SIZE/ { size = $NF }
		END { print status, size, answers, flags }'
}

at_most() {
	local want=$1 most=$2 got size
	shift 2
	got=$(answer_of "$@")
	size=$(cut -d ' ' -f 2 <<<"$got")
	echo "$got"
	[ "${size:-9999}" -le "$most" ] && grep -Eq "$want" <<<"$got"
}

for way in "NSD on the link, IPv4=198.18.0.20" "NSD on the link, IPv6=2001:2:0:1::20" \
	"NSD behind the gateway, IPv4=$LAB_BEHIND_V4" "NSD behind the gateway, IPv6=$LAB_BEHIND_V6" \
	"Knot, IPv4=198.18.0.21" "Knot, IPv6=2001:2:0:1::21"; do
	server=${way#*=}
	lab_config "$LAB_DIR/portico.yaml" <<-CONF
		mode: forward
		cache: {size_mb: 0}
		forward:
		  - {zone: ".", to: ["$server"]}
		  - {zone: signed.test, to: [198.18.0.22]}
		  - {zone: seen.test, to: ["2001:2:0:1::22"]}
	CONF
	lab_portico "$LAB_DIR/portico.yaml" || exit 1
	expect "${way%%=*}: IPv4 clients get what the server says" same_as "$server" $LAB_PORTICO_V4
	expect "${way%%=*}: IPv6 clients without EDNS too" same_as "$server" $LAB_PORTICO_V6 +noedns
	[ "$server" = 2001:2:0:1::21 ] || lab_stop_portico
done

# The rest with the last of them.
for client in $LAB_PORTICO_V4 $LAB_PORTICO_V6; do
	expect_equal "kdig @$client" "$(lab_in cli kdig @2001:2:0:1::21 www.example AAAA +short)" \
		"$(lab_in cli kdig "@$client" www.example AAAA +short)"
	expect_match "kdig @$client, EDNS and a cookie" '^;; EDNS PSEUDOSECTION' \
		"$(lab_in cli kdig "@$client" www.example A +edns +cookie)"
done

expect_equal "flags of an answer: recursion available, not authoritative" "qr rd ra" "$(dig_flags www.example)"
expect_equal "CD is copied" "qr rd ra cd" "$(dig_flags +cdflag www.example)"
expect_equal "AD and AA in a question are ignored" "qr rd ra" "$(dig_flags +adflag +aaflag www.example)"
expect_equal "flags of NXDOMAIN" "qr rd ra" "$(dig_flags nowhere.example)"
expect_equal "recursion not desired: refused" "REFUSED" "$(answer_of +norecurse www.example | cut -d ' ' -f 1)"
expect_equal "the question comes back in its letter case" ";wWw.ExAmPLe.			IN	A" \
	"$(dig_line '^;.*IN' wWw.ExAmPLe A)"
expect_equal "and so does the owner of the answer" "wWw.ExAmPLe." \
	"$(lab_dig +noall +answer wWw.ExAmPLe AAAA | head -n 1 | cut -f 1 | tr -d ' ')"

expect_match "EDNS in, EDNS out" '^; EDNS: version: 0, flags:; udp: 1232' "$(lab_dig www.example)"
expect_equal "no EDNS in, none out" "" "$(lab_dig +noedns www.example | grep EDNS)"
expect_match "a client's cookie is completed" '; COOKIE: [0-9a-f]{48} \(good\)' "$(lab_dig +cookie www.example)"
expect_match "BADVERS for EDNS 1" 'status: BADVERS' "$(lab_dig +edns=1 +noednsneg www.example)"
expect_match "and says version 0" 'EDNS: version: 0' "$(lab_dig +edns=1 +noednsneg www.example)"

expect "no EDNS: 400 bytes come whole" at_most '^NOERROR .* 1 qr rd ra$' 512 +noedns t400.big.test TXT
expect "no EDNS: 600 bytes do not" at_most '^NOERROR .* 0 qr tc rd ra$' 512 +noedns t600.big.test TXT
expect "512: 600 bytes do not" at_most '^NOERROR .* 0 qr tc rd ra$' 512 +bufsize=512 t600.big.test TXT
expect "0 counts as 512" at_most '^NOERROR .* 0 qr tc rd ra$' 512 +bufsize=0 t600.big.test TXT
expect "1024: 600 bytes do" at_most '^NOERROR .* 1 qr rd ra$' 1024 +bufsize=1024 t600.big.test TXT
expect "1024: 1,100 bytes do not" at_most '^NOERROR .* 0 qr tc rd ra$' 1024 +bufsize=1024 t1100.big.test TXT
expect "1232: 1,100 bytes do" at_most '^NOERROR .* 1 qr rd ra$' 1232 +bufsize=1232 t1100.big.test TXT
expect "1232: 60 addresses do" at_most '^NOERROR .* 60 qr rd ra$' 1232 +bufsize=1232 many.big.test A
for size in 1232 4096 65535; do
	expect "$size: 1,400 bytes do not, 1,232 is the most" at_most '^NOERROR .* 0 qr tc rd ra$' 1232 \
		+bufsize=$size t1400.big.test TXT
	expect "$size: 4,000 bytes do not" at_most '^NOERROR .* 0 qr tc rd ra$' 1232 +bufsize=$size t4000.big.test TXT
done

expect_equal "without DO no signatures" "1" "$(answer_of www.signed.test A | cut -d ' ' -f 3)"
expect_match "with DO they come" 'RRSIG' "$(lab_dig +dnssec +noall +answer www.signed.test A)"
expect_match "and DO is echoed" 'flags: do;' "$(lab_dig +dnssec www.signed.test A)"
expect_equal "without DO no proof of non-existence" "" "$(lab_dig nope.signed.test A | grep -E 'RRSIG|NSEC')"
expect_match "with DO it comes" 'NSEC' "$(lab_dig +dnssec nope.signed.test A)"
expect_match "DNSKEYs come to whoever asks for them" 'DNSKEY' "$(lab_dig +short +noshort signed.test DNSKEY)"

lab_dig one.seen.test A >/dev/null
lab_dig +cdflag two.seen.test A >/dev/null
expect_match "upstream: RD=1, CD=0, EDNS with 1,232 bytes, DO" ' 0100 1232 1 [oO][nN][eE]\.' "$(cat "$LAB_DIR/seen.queries")"
expect_match "upstream: a client's CD is passed on" ' 0110 1232 1 [tT][wW][oO]\.' "$(cat "$LAB_DIR/seen.queries")"
expect "SIGTERM: exit status 0" lab_stop_portico
