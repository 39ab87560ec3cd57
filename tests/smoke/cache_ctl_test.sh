#!/bin/bash
# porticoctl cache: look-ups show what is kept in presentation format; flushes take out what they name, at once, under
# load, and nothing else; many at once are all done.
# variants: workers=1,2
. "$(dirname "$0")/../lab/lab.sh"
NAMES=400

lab_prefer
lab_up
lab_upstream up 198.18.0.20 || exit 1
lab_nsd nsd --zones "test example" 198.18.0.21 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward:
	  - {zone: counted.test, to: [198.18.0.20]}
	  - {zone: example, to: [198.18.0.21]}
	cache: {size_mb: 16}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# asked REGEX: lines of the query log for such names
asked() {
	grep -ciE " $1\. " "$LAB_DIR/up.queries"
}
is_kept() {
	lab_ctl cache lookup "$@" >/dev/null 2>&1
}
is_gone() {
	! is_kept "$@"
}

# --- look-up ---
lab_dig +noall www.example A
lab_dig +noall missing.example A
lab_dig +noall v4only.example AAAA
lab_dig +noall alias.example A
lab_dig +noall txt.example TXT
lab_dig +noall servfail.counted.test A
text=$(lab_ctl cache lookup wWw.example A)
expect_match "look-up: a head line" '^;; wWw\.example\. A: NOERROR, fresh, age [0-9]+ s, TTL 3[56][0-9]{2} s, kept for (90000|899[0-9]{2}) s at most' "$text"
expect_equal "and the records in presentation format" "198.18.2.1 198.18.2.2 198.18.2.3" \
	"$(awk '$1 == "www.example." && $4 == "A" { print $5 }' <<<"$text" | sort | xargs)"
expect_match "NXDOMAIN with its SOA" 'NXDOMAIN, fresh.*' "$(lab_ctl cache lookup missing.example A)"
expect_match "which is there" '^example\..*SOA' "$(lab_ctl cache lookup missing.example A)"
expect_match "NODATA" ';; v4only.example. AAAA: NOERROR, fresh' "$(lab_ctl cache lookup v4only.example AAAA)"
expect_match "CNAME and what it leads to" 'CNAME.*www' "$(lab_ctl cache lookup alias.example A)"
expect_match "TXT" '"two" "strings"' "$(lab_ctl cache lookup txt.example TYPE16)"
expect_match "a failure" 'SERVFAIL, failure, age [0-9]+ s, TTL [0-5] s, kept for [0-5] s' \
	"$(lab_ctl cache lookup servfail.counted.test A)"
json=$(lab_ctl cache lookup www.example A --json)
expect_equal "JSON: what a program reads" "www.example. A 0 NOERROR fresh 3" "$(/usr/bin/python3 -c '
import json, sys
e, = json.load(sys.stdin)
print(e["name"], e["type"], e["cd"], e["rcode"], e["state"], len(e["answer"]))' <<<"$json")"
text=$(lab_ctl cache lookup nobody.example MX 2>&1)
expect_equal "what is not there: exit status 1" 1 $?
expect_match "and a word" 'nobody\.example\. MX is not in the cache' "$text"
expect_equal "JSON: an empty list" "[]" "$(lab_ctl cache lookup nobody.example MX --json 2>/dev/null)"
lab_dig +noall +cdflag www.example A
expect_match "with CD it is another entry" '^;; www\.example\. A CD=1: ' "$(lab_ctl cache lookup www.example A)"

# --- mistakes ---
for words in "lookup" "lookup www.example" "lookup ..example A" "lookup www.example NONSENSE" "flush" \
	"flush a..b" "flush www.example NONSENSE" "flush www.example A more" "flush-zone" "flush-all more" "flush-al"; do
	lab_ctl cache $words >"$LAB_DIR/out" 2>&1
	expect_equal "cache $words: exit status 2" 2 $?
done
lab_ctl cache save >"$LAB_DIR/out" 2>&1
expect_equal "cache save without a file: exit status 1" 1 $?
expect_match "and why" 'cache\.file is none' "$(cat "$LAB_DIR/out")"

# --- flushes under load ---
{
	seq -f "n%.0f.one.counted.test A" $NAMES
	seq -f "n%.0f.two.counted.test A" $NAMES
} >"$LAB_DIR/names"
sed p "$LAB_DIR/names" | sed 'n; s/ A$/ AAAA/' >"$LAB_DIR/both"
warm=$(lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/both" -n 1 -Q 800 -t 5 2>&1)
expect_match "all names are asked for once" "Queries completed: +$((4 * NAMES)) " "$warm"
lab_start load cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/both" -l 9 -Q 2000 -t 5 -q 2000 -b 4096
load_pid=$LAB_PID
sleep 0.5
asked_before=$(asked '.*')

# flush TEXT WANT_ASKED WORDS...: under load, so many entries are asked for again, and no more
flush() {
	local text=$1 want=$2 asked_before removed
	shift 2
	asked_before=$(wc -l <"$LAB_DIR/up.queries")
	removed=$(lab_ctl cache "$@" --json | sed -nE 's/.*"removed": ([0-9]+), .*"done": true.*/\1/p')
	sleep 1.2
	# What is asked again while the flush comes into force may be put, found flushed, and asked once more.
	expect_between "$text: asked again" "$want" $((want + want / 10 + 1)) $(($(wc -l <"$LAB_DIR/up.queries") - asked_before))
	expect_between "$text: as many were taken out" 1 $((want + want / 10 + 1)) "$removed"
}
expect_equal "the load is answered from the cache" 0 $(($(asked '.*') - asked_before))
flush "a name and type" 1 flush n1.one.counted.test AAAA
flush "a name" 2 flush N2.one.counted.test
flush "a zone" $((2 * NAMES)) flush-zone one.counted.test
expect "the others are kept" is_kept n1.two.counted.test A
flush "all" $((4 * NAMES)) flush-all
wait $load_pid
expect_match "no question was lost" 'Queries lost: +0 ' "$(cat "$LAB_DIR/load.log")"
expect_match "and all were answered" 'NOERROR [0-9]+ \(100.00%\)' "$(cat "$LAB_DIR/load.log")"

# --- at once ---
for i in {1..20}; do
	lab_ctl cache flush "n$i.two.counted.test" >/dev/null
	is_gone "n$i.two.counted.test" A || echo "n$i is there"
done >"$LAB_DIR/out"
expect_equal "what was flushed is gone when the command returns" "" "$(cat "$LAB_DIR/out")"
asked_before=$(asked 'n7\.two\.counted\.test')
lab_dig +noall n7.two.counted.test A
expect_equal "and is asked for again" 1 $(($(asked 'n7\.two\.counted\.test') - asked_before))

# --- many at once ---
for i in {31..38}; do
	lab_ctl cache flush "n$i.two.counted.test" >"$LAB_DIR/flush.$i" 2>&1 &
	pids="$pids $!"
done
failed=0
for pid in $pids; do
	wait "$pid" || failed=$((failed + 1))
done
expect_equal "eight at once are all done" "0 8" "$failed $(cat "$LAB_DIR"/flush.* | grep -c '^2 entries gone$')"
expect "all of them" is_gone n38.two.counted.test A
expect "and no others" is_kept n39.two.counted.test A
lab_ctl cache flush-all >/dev/null
expect_match "the cache is empty in the end" '"entries": 0,' "$(sleep 0.3; lab_ctl cache stats --json)"
expect "each packet has its one outcome" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
