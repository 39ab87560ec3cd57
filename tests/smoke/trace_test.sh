#!/bin/bash
# porticoctl trace and inflight: every step of a question and of what is asked for its sake, on all workers, while it iterates and
# while it is forwarded.
# variants: workers=1,2
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/internet.sh"

# field FILTER: of the steps in $json, a line each: /usr/bin/python3 expression of s
steps() {
	/usr/bin/python3 -c '
import json, sys
for s in json.load(open(sys.argv[1])):
	try:
		value = eval(sys.argv[2])
	except KeyError:
		continue
	if value not in (None, False):
		print(value)' "$LAB_DIR/trace.json" "$1"
}

lab_up
internet_up || exit 1
ip -n "$LAB_SRV" address add 198.18.0.25/24 dev eth0 || exit 1
lab_upstream up 198.18.0.25 || exit 1
internet_config "$LAB_DIR/portico.yaml" <<-CONF
	forward: [{zone: counted.test, to: [198.18.0.25], timeout_ms: 300, tries: 2}]
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# --- from the root ---
text=$(lab_ctl trace www.plain.com A)
expect_equal "trace: exit status 0" 0 $?
expect_match "it goes on at the zone com" 'goes on at the zone com\.$' "$text"
expect_match "and at the zone plain.com" 'goes on at the zone plain\.com\.$' "$text"
expect_match "a query: server, port, ID, zone" '-> [0-9a-f.:]+ from [0-9a-f.:]+@[0-9]+ ID [0-9]+, zone plain\.com\.$' "$text"
expect_match "a reply: server, rcode, verdict, time" '<- [0-9a-f.:]+ NOERROR: answer \([0-9.]+ ms\)$' "$text"
expect_match "a referral" '<- .* NOERROR: referral \(' "$text"
expect_match "the end" 'www\.plain\.com\. A  = NOERROR after [0-9.]+ ms$' "$text"
lab_ctl trace www.plain.com A --json >"$LAB_DIR/trace.json"
expect_equal "it is resolved again, whatever the cache has" 1 "$(steps 's["event"] == "reply" and s["name"] == "www.plain.com."' | wc -l)"
expect_equal "at the cut that is known by now" "plain.com." "$(steps 's["event"] == "sent" and s["zone"]' | sort -u)"
expect_equal "in order of time" "$(steps 's["time_us"]' | sort -n)" "$(steps 's["time_us"]')"
expect_equal "each query has its reply" "$(steps 's["event"] == "sent" and s["id"]' | sort)" \
	"$(steps 's["event"] == "reply" and s["id"]' | sort)"

# --- what other questions bring, which other workers may own ---
lab_ctl cache flush-all >/dev/null
sleep 0.2
lab_ctl trace www.glueless.com A --json >"$LAB_DIR/trace.json"
expect_equal "each question that was needed is told of" "$(steps 's["event"] == "asks" and s["asks"]' | wc -l)" \
	"$(steps 's["event"] == "told" and s["verdict"]' | wc -l)"
expect_equal "every question that has begun ends" "$(steps 's["event"] == "begin" and s["name"] != "." and s["name"]' | sort)" \
	"$(steps 's["event"] == "end" and s["name"] != "." and s["name"]' | sort)"

# --- forwarded ---
text=$(lab_ctl trace www.counted.test A)
expect_match "forwarded: the query" '-> 198\.18\.0\.25 from .* ID [0-9]+, zone counted\.test\.$' "$text"
expect_match "and its reply" '<- 198\.18\.0\.25 NOERROR: answer' "$text"
text=$(lab_ctl trace silent.counted.test A)
expect_equal "no server answers: the trace ends well" 0 $?
expect_match "it says who was silent" '   198\.18\.0\.25: no reply \((29|3[0-9])[0-9]\.' "$text"
expect_match "and how it ended" '= SERVFAIL, extended error [0-9]+ after ' "$text"

# --- inflight ---
lab_in cli dig @$LAB_PORTICO_V4 +time=3 +tries=1 silent.counted.test TXT >/dev/null 2>&1 &
asker=$!
sleep 0.15
lab_ctl inflight --json >"$LAB_DIR/trace.json"
expect_equal "inflight: at which zone, and what of whom it waits for" "counted.test. reply 198.18.0.25" \
	"$(steps 's["qname"] == "silent.counted.test." and s["zone"] + " " + s["state"] + " " + s["server"]')"
wait $asker

# --- mistakes ---
for words in "trace" "trace www.plain.com" "trace a..b A" "trace www.plain.com NONSENSE" "trace www.plain.com A more"; do
	lab_ctl $words >"$LAB_DIR/out" 2>&1
	expect_equal "$words: exit status 2" 2 $?
done
expect "each packet has its one outcome" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
