#!/bin/bash
# What Portico answers, iterating through the small internet, beside Unbound and BIND with the same root hints: thousands of questions
# made of every name in its zones; each difference is explained (tests/respdiff/explained) or a failure. By respdiff.py.
# alone: three resolvers are asked at once
# variants: workers=4 device=af_packet
LAB_MORE="unbound named"
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/internet.sh"

for program in unbound named; do
	[ -n "$(command -v $program)" ] || lab_skip "$program is not installed: make deps DEPS=test"
done
lab_up
internet_up || exit 1
internet_resolver unbound unbound 198.18.0.54 2001:2:0:1::54 || exit 1
internet_resolver named named 198.18.0.55 2001:2:0:1::55 || exit 1
internet_config "$LAB_DIR/portico.yaml" </dev/null
lab_portico "$LAB_DIR/portico.yaml" || exit 1

lab_in cli "$LAB_ROOT/tests/respdiff/respdiff.py" --zones "$INTERNET" --explained "$LAB_ROOT/tests/respdiff/explained" \
	--resolver portico=$LAB_PORTICO_V4 --resolver unbound=198.18.0.54 --resolver bind=2001:2:0:1::55 >"$LAB_DIR/respdiff" 2>&1
status=$?
tail -n 40 "$LAB_DIR/respdiff" | cut -c1-300 | sed 's/^/     | /'
expect_equal "respdiff: exit status" 0 $status
expect_match "of 2,000 questions and more" '^respdiff: [2-9][0-9]{3} questions' "$(tail -n 1 "$LAB_DIR/respdiff")"
for gauge in resolutions_active tickets_out; do
	for i in {1..60}; do
		[ "$(lab_stat $gauge)" -ne 0 ] || break
		sleep 0.1
	done
	expect_equal "$gauge" 0 "$(lab_stat $gauge)"
done
expect "each packet has its one outcome" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
