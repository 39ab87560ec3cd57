#!/bin/bash
# Forged, broken and misleading packets from upstream (SECURITY.md section 3.2): the bad packet comes first,
# the truth 250 ms later. Clients get the truth, and never anything of the bad packet; from one server and
# from two, over IPv4 and IPv6.
# variants: workers=1,4
# variants: workers=2 device=af_packet2,af_xdp
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke

# What does not match or does not parse is as if it had never come: the wait for the truth goes on.
ignored="good wrong-port wrong-address wrong-qname wrong-qtype wrong-qclass no-question qr0 opcode-update
	header-formerr header-servfail header-refused header-notimp junk empty short loop cut trailing no-opt
	duplicate-3 formerr-edns delay-300 drop flip-case"
# A guess or a matching refusal ends that query: it is asked again.
repeated="wrong-id wrong-id-10 wrong-id-300 formerr servfail refused notimp"

lab_up
lab_upstream hostile 198.18.0.20 198.18.0.21 2001:2:0:1::20 2001:2:0:1::21 || exit 1
# This one is honest until told otherwise.
lab_upstream honest 198.18.0.22 2001:2:0:1::22 --other-v4 198.18.1.53 --other-v6 2001:2:0:2::53 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: one4, to: [198.18.0.20]}
	  - {zone: one6, to: ["2001:2:0:1::20"]}
	  - {zone: two4, to: [198.18.0.20, 198.18.0.21]}
	  - {zone: two6, to: ["2001:2:0:1::20", "2001:2:0:1::21"]}
	  - {zone: mixed4, to: [198.18.0.20, 198.18.0.22]}
	  - {zone: mixed6, to: ["2001:2:0:1::20", "2001:2:0:1::22"]}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
# The clients' kernel drops what does not fit in its queue while it asks for Portico's MAC: ask one question first.
lab_dig +short first.one4 A >/dev/null
lab_dig @$LAB_PORTICO_V6 +short first.one4 A >/dev/null

# ask SERVER ARGS: questions on standard input
ask() {
	local server=$1
	shift
	lab_in cli /usr/bin/python3 "$here/ask_many.py" "$server" "$@" <"$LAB_DIR/questions"
}

all_right() {
	cat "$1"
	grep -q '^asked [0-9]* right [0-9]* wrong 0 ' "$1"
}

# rows ZONE: a question of every behaviour
rows() {
	local word type
	for type in A AAAA TXT; do
		for word in $ignored; do
			echo "$word.$type.$1 $type good"
		done
		for word in $repeated; do
			echo "$word.once.$type.$1 $type good"
		done
		# No TCP upstream yet: TC=1 tells the client to try it, and holds nothing of the answer.
		# One guess with the right ID, port and address that lost the letter case; three in a row would be a proof.
		[ "$type" != TXT ] || echo "lower-case.once.$type.$1 $type good"
		echo "tc.$type.$1 $type tc"
		echo "tc-evil.$type.$1 $type tc"
		echo "nxdomain.$type.$1 $type NXDOMAIN"
		echo "nodata.$type.$1 $type nodata"
		# A server that refuses every time.
		echo "refused.$type.$1 $type good|REFUSED|SERVFAIL"
		# Only what is forged ever comes: no answer is better than a wrong one.
		echo "wrong-id.only.$type.$1 $type SERVFAIL"
		echo "wrong-port.only.$type.$1 $type SERVFAIL"
		echo "wrong-qname.only.$type.$1 $type SERVFAIL"
		echo "flip-case.only.$type.$1 $type SERVFAIL"
	done
}

# Side by side, as most of the time goes by waiting for what never comes.
{ rows one4; rows two6; } >"$LAB_DIR/questions"
ask $LAB_PORTICO_V4 >"$LAB_DIR/v4" &
v4=$!
{ rows one6; rows two4; } >"$LAB_DIR/questions6"
lab_in cli /usr/bin/python3 "$here/ask_many.py" $LAB_PORTICO_V6 <"$LAB_DIR/questions6" >"$LAB_DIR/v6" &
v6=$!
wait $v4
expect "$(wc -l <"$LAB_DIR/questions") questions over IPv4, to one server over IPv4 and to two over IPv6" \
	all_right "$LAB_DIR/v4"
wait $v6
expect "$(wc -l <"$LAB_DIR/questions6") questions over IPv6, to one server over IPv6 and to two over IPv4" \
	all_right "$LAB_DIR/v6"

# One of two servers lies, or is mute, all the time: the other one's truth is what arrives.
for behaviour in wrong-id wrong-id-10 wrong-qname flip-case servfail header-servfail silent; do
	lab_tell hostile default "$behaviour" >/dev/null
	lab_tell hostile only on >/dev/null
	for i in {1..20}; do
		echo "$behaviour-$i.mixed4 A good"
		echo "$behaviour-$i.mixed6 AAAA good"
	done | sed 's/^/x/' >"$LAB_DIR/questions"
	expect "one of two servers does nothing but $behaviour" ask $LAB_PORTICO_V4 --timeout 5
done

for counter in near_misses mismatch_question mismatch_case responses_unparsable unmatched late_responses \
	upstream_errors upstream_timeouts; do
	expect_between "$counter were counted" 1 999999 "$(lab_stat $counter)"
done
expect_equal "nothing is left waiting" "0 0" "$(lab_stat resolutions_active) $(lab_stat waiters)"
expect "SIGTERM: exit status 0" lab_stop_portico
