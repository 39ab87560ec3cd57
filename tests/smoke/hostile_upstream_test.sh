#!/bin/bash
# Forged, broken and misleading packets from upstream (SECURITY.md section 3.2): the bad packet comes first,
# the truth 250 ms later. Clients get the truth, and never anything of the bad packet; from one server and
# from two, over IPv4 and IPv6.
# variants: workers=1,4
# variants: workers=2 device=af_packet2,af_xdp
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/hostile_rows.sh"

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

# Side by side, as most of the time goes by waiting for what never comes.
{ rows one4; rows two6; } >"$LAB_DIR/questions"
ask $LAB_PORTICO_V4 >"$LAB_DIR/v4" &
v4=$!
{ rows one6; rows two4; } >"$LAB_DIR/questions6"
lab_in cli /usr/bin/python3 "$hostile_here/ask_many.py" $LAB_PORTICO_V6 <"$LAB_DIR/questions6" >"$LAB_DIR/v6" &
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
