#!/bin/bash
# The bad packets of hostile_upstream_test.sh from the authority of a zone that Portico iterates to: the bad packet comes first, the
# truth 250 ms later. Clients get the truth, and never anything of the bad packet; beside an honest server always.
# variants: workers=1,2 device=af_packet
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/internet.sh"
. "$(dirname "$0")/hostile_rows.sh"

lab_up
internet_up || exit 1
for address in 198.18.16.61 198.18.16.62 198.18.16.63 2001:2:0:16::61 2001:2:0:16::63; do
	ip -n "$LAB_SRV" address add "$address" dev lo || exit 1
done
lab_upstream hostile 198.18.16.61 2001:2:0:16::61 --other-v4 198.18.16.63 --other-v6 2001:2:0:16::63 || exit 1
# This one is honest.
lab_upstream honest 198.18.16.62 || exit 1
internet_config "$LAB_DIR/portico.yaml" </dev/null
lab_portico "$LAB_DIR/portico.yaml" || exit 1
# The clients' kernel drops what does not fit in its queue while it asks for Portico's MAC: ask one question first. And the way to
# these zones is known then.
for zone in hostile4 hostile6 mixed; do
	lab_dig +short first.$zone.example A >/dev/null
	lab_dig @$LAB_PORTICO_V6 +short second.$zone.example A >/dev/null
done

# A few at a time: a server that nobody has configured, and that loses much, is not asked for many at once.
{ rows hostile4.example good; rows hostile6.example good; } | split -l 12 - "$LAB_DIR/rows."
for file in "$LAB_DIR"/rows.*; do
	cp "$file" "$LAB_DIR/questions"
	ask $LAB_PORTICO_V4
done >"$LAB_DIR/v4"
expect_equal "$(cat "$LAB_DIR"/rows.* | wc -l) questions to a server over IPv4 and to one over IPv6: wrong" "" \
	"$(grep -v '^asked .* wrong 0 ' "$LAB_DIR/v4")"

for behaviour in wrong-id wrong-qname flip-case servfail header-servfail silent; do
	lab_tell hostile default "$behaviour" >/dev/null
	lab_tell hostile only on >/dev/null
	for i in {1..20}; do
		echo "x$behaviour-$i.mixed.example A good"
	done >"$LAB_DIR/questions"
	expect "one of two servers does nothing but $behaviour" ask $LAB_PORTICO_V4 --timeout 5
done
expect_equal "nothing is left waiting" "0 0" "$(lab_stat resolutions_active) $(lab_stat waiters)"
expect "each packet has its one outcome" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
