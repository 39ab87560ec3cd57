#!/bin/bash
# Upstream queries carry their names in random letter case (0x20): the server sees every letter in capitals
# half of the time. A server that answers in lower case is still made use of, and known for it.
# variants: workers=1,4
. "$(dirname "$0")/../lab/lab.sh"

lab_up
lab_upstream keeps 198.18.0.20 || exit 1
lab_upstream loses 2001:2:0:1::21 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: keeps.test, to: [198.18.0.20]}
	  - {zone: loses.test, to: ["2001:2:0:1::21"]}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# load NAME COUNT
load() {
	seq -f "name-%.0f.abcdefgh.$1.test A" "$2" >"$LAB_DIR/load"
	lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/load" -n 1 -Q 1000 -t 5 -q 200 -c 1 2>&1
}

# The capitals of each letter of the fixed part, in percent, one a line; names as received are in column 10.
shares() {
	awk '{ sub(/\.$/, "", $10); n = split($10, part, "."); tail = ""
		for (i = 2; i <= n; i++) tail = tail part[i]
		for (i = 1; i <= length(tail); i++) {
			c = substr(tail, i, 1); letters[i]++; capitals[i] += c ~ /[A-Z]/ } }
	     END { for (i = 1; i in letters; i++) printf "%d\n", 100 * capitals[i] / letters[i] }' "$1"
}

result=$(load keeps 2000)
expect_match "a server that keeps letter case: all answers" 'NOERROR 2000 \(100.00%\)' "$result"
expect_equal "17 letters were looked at" 17 "$(shares "$LAB_DIR/keeps.queries" | wc -l)"
# 2,000 throws: 44 to 56 are more than five standard deviations of 1.1 % around 50.
expect_equal "each of them a capital in half of 2,000 queries" "" \
	"$(shares "$LAB_DIR/keeps.queries" | awk '$1 < 44 || $1 > 56')"
expect_equal "hardly a pattern comes twice" "" "$(awk '{ print $10 }' "$LAB_DIR/keeps.queries" | cut -d . -f 2- |
	sort | uniq -c | awk '$1 > 4')"
expect_match "porticoctl: its letter case is kept" '"198.18.0.20".*"letter_case": "kept"' "$(lab_ctl upstreams --json)"
expect_equal "clients get their own letter case back" ";WwW.ABcDefGH.keeps.TEST." \
	"$(lab_dig WwW.ABcDefGH.keeps.TEST A | awk '/^;.*\tIN\t/ { print $1 }')"

lab_tell loses default loses-case >/dev/null
expect_equal "a server that loses it: the first answer comes" 198.18.99.1 "$(lab_dig +short first.loses.test)"
expect_match "porticoctl: it is known to lose it" '"2001:2:0:1::21".*"letter_case": "lost"' "$(lab_ctl upstreams --json)"
expect_between "that took a few lost answers" 3 6 "$(lab_stat mismatch_case)"
before=$(wc -l <"$LAB_DIR/loses.queries")
result=$(load loses 200)
expect_match "all further answers" 'NOERROR 200 \(100.00%\)' "$result"
expect_equal "with one query each, in lower case" "200 0" \
	"$(tail -n +$((before + 1)) "$LAB_DIR/loses.queries" | awk '{ n++; c += $10 ~ /[A-Z]/ } END { print n, c + 0 }')"
expect_equal "the other server still gets mixed case" 1 "$(lab_dig +short mixed-case-again-and-again.keeps.test A >/dev/null
	tail -n 1 "$LAB_DIR/keeps.queries" | awk '{ print $10 }' | grep -c '[A-Z]')"
expect "SIGTERM: exit status 0" lab_stop_portico

lab_config "$LAB_DIR/off.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	outgoing: {case_randomization: false}
	forward:
	  - {zone: keeps.test, to: [198.18.0.20]}
CONF
lab_portico "$LAB_DIR/off.yaml" || exit 1
lab_dig +short OFF.keeps.test A >/dev/null
expect_equal "case_randomization: false sends lower case" off.keeps.test. \
	"$(tail -n 1 "$LAB_DIR/keeps.queries" | awk '{ print $10 }')"
