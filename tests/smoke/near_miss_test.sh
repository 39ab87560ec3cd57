#!/bin/bash
# Answers with wrong IDs are guesses: they are counted, the question is asked again with another port and ID,
# and the true answer arrives. Servers that answer out of order or twice do no harm under load.
# ahead: no question may be lost, and no answer may be late
# variants: workers=1,4
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke

lab_up
lab_upstream liar 198.18.0.20 2001:2:0:1::20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: four.test, to: [198.18.0.20]}
	  - {zone: six.test, to: ["2001:2:0:1::20"]}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# tickets NAME: "PORT ID" of each query with it
tickets() {
	grep -iE " $1\. " "$LAB_DIR/liar.queries" | awk '{ print $5, $6 }'
}

stats() {
	local name
	for name; do
		lab_stat "$name"
	done | tr '\n' ' '
}

for family in four six; do
	client=$LAB_PORTICO_V4
	[ $family = four ] || client=$LAB_PORTICO_V6
	for count in 1 10 300; do
		name="wrong-id-$count.once.x$count.$family.test"
		near_misses=$(lab_stat near_misses)
		expect_equal "$name: the true answer" 198.18.99.1 "$(lab_dig @$client +short "$name")"
		sleep 0.3 # the first query's true answer comes, too late
		expect_equal "it was asked twice" 2 "$(tickets "$name" | wc -l)"
		expect_equal "with two ports" 2 "$(tickets "$name" | cut -d ' ' -f 1 | sort -u | wc -l)"
		expect_equal "and two IDs" 2 "$(tickets "$name" | cut -d ' ' -f 2 | sort -u | wc -l)"
		# The first guess burns the ticket; what is sent to a burnt one is no near miss of a live one.
		expect_equal "one near miss was counted" 1 $(($(lab_stat near_misses) - near_misses))
	done
done
expect_match "porticoctl upstreams counts them by server" '"near_misses": 3,' "$(lab_ctl upstreams --json)"

# Guesses without end: SERVFAIL, no forged answer, within the budget of 64 packets and 4 s.
echo "wrong-id-3.only.four.test A SERVFAIL" >"$LAB_DIR/questions"
expect "guesses without end: SERVFAIL" lab_in cli /usr/bin/python3 "$here/ask_many.py" $LAB_PORTICO_V4 <"$LAB_DIR/questions"
expect_between "with few queries" 2 64 "$(tickets wrong-id-3.only.four.test | wc -l)"

# Under load: every other query is answered out of order, or three times.
for behaviour in reorder duplicate-3; do
	for family in four six; do
		client=$LAB_PORTICO_V4
		[ $family = six ] || client=$LAB_PORTICO_V6
		seq -f "$behaviour.l%.0f.$family.test A" 4000 >"$LAB_DIR/load"
		before=$(stats unmatched late_responses near_misses)
		result=$(lab_in cli dnsperf -s $client -d "$LAB_DIR/load" -Q 500 -l 2 -t 5 -q 2000 -c 2 2>&1)
		expect_match "$behaviour, $family: no question was lost" 'Queries lost: +0 ' "$result"
		expect_match "$behaviour, $family: every answer was right" \
			'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
		after=$(stats unmatched late_responses near_misses)
		sent=$(sed -nE 's/.*Queries sent: +([0-9]+).*/\1/p' <<<"$result")
		read -r unmatched_before late_before near_before <<<"$before"
		read -r unmatched late near <<<"$after"
		duplicates=$((unmatched + late - unmatched_before - late_before))
		# Once in some ten thousand, an answer comes to a port that has been drawn again since: a near miss, and
		# one more query, whose answers come late.
		near=$((near - near_before))
		expect_between "hardly one was a near miss" 0 3 $near
		if [ $behaviour = reorder ]; then
			expect_between "nothing of it went unmatched" 0 $near $duplicates
		else
			expect_between "two more answers to each, unmatched" $((2 * sent - near)) $((2 * sent + 3 * near)) $duplicates
		fi
	done
done
expect_equal "nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
expect "SIGTERM: exit status 0" lab_stop_portico
