#!/bin/bash
# What is in the cache is answered from it: without a packet upstream, in whatever letter case, over either family, with
# TTLs that go down; and stale, when it has expired and nobody can be asked. All counters agree.
# variants: workers=1,2
. "$(dirname "$0")/../lab/lab.sh"

lab_up
lab_upstream up 198.18.0.20 || exit 1
lab_nsd nsd --zones ". test example" 198.18.0.21 || exit 1
nsd_pid=$LAB_PID
configure() {
	lab_config "$LAB_DIR/portico.yaml" <<-CONF
		mode: forward
		forward:
		  - {zone: counted.test, to: [198.18.0.20]}
		  - {zone: test, to: [198.18.0.21], timeout_ms: 300, tries: 2}
		  - {zone: example, to: [198.18.0.21], timeout_ms: 300, tries: 2}
		cache: {$1}
	CONF
}
configure "serve_stale: {client_timeout_ms: 400}"
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# asked NAME [TYPE]: lines of the query log for it
asked() {
	grep -ciE " $1\. ${2:-A}( |\$)" "$LAB_DIR/up.queries"
}
ttl_of() {
	lab_dig +noall +answer "$@" | awk 'NR == 1 { print $2 }'
}
cache_figure() {
	lab_ctl cache stats --json | sed -nE "s/^ *\"$1\": \"?([^\",]*)\"?,?\$/\\1/p"
}

# --- the same question again ---
first=$(lab_dig +noall +answer a.counted.test A)
expect_match "the first answer is upstream's" '198\.18\.99\.1' "$first"
for i in {1..10}; do
	answer=$(lab_dig +noall +answer A.cOUNTED.tesT A)
	answer6=$(lab_dig @$LAB_PORTICO_V6 +noall +answer +noedns a.counted.test A)
done
expect_match "the answers from the cache say the same, in the client's letter case" '^A\.cOUNTED\.tesT\..*198\.18\.99\.1' "$answer"
expect_match "over IPv6 and without EDNS too" '^a\.counted\.test\..*198\.18\.99\.1' "$answer6"
expect_equal "upstream was asked once" 1 "$(asked a.counted.test)"
expect_equal "20 were answered from the cache, 1 was not" "20 1" "$(lab_stat cache_hits) $(lab_stat cache_misses)"
expect_equal "porticoctl cache stats agrees" "20 1" "$(cache_figure hits) $(cache_figure misses)"
expect_equal "one entry was put there, and is there" "1 1" "$(cache_figure inserts) $(cache_figure entries)"
expect "each packet has its one outcome" lab_outcomes_add_up

lab_dig +noall a.counted.test AAAA
lab_dig +noall +cdflag a.counted.test A
expect_equal "another type and CD are other questions" "1 2" "$(asked a.counted.test AAAA) $(asked a.counted.test A)"

# --- TTLs ---
before=$(ttl_of a.counted.test A)
sleep 2.1
after=$(ttl_of a.counted.test A)
expect_between "the TTL goes down by the second" 2 3 $((before - after))
lab_dig +noall ttl-0.counted.test A
lab_dig +noall ttl-0.counted.test A
expect_equal "what has no TTL is not kept" 2 "$(asked ttl-0.counted.test)"

# --- what there is not ---
queries=$(lab_stat upstream_queries)
for i in 1 2 3; do
	nx=$(lab_dig missing.example A)
	nodata=$(lab_dig v4only.example AAAA)
done
expect_match "NXDOMAIN" 'status: NXDOMAIN' "$nx"
expect_match "with its SOA, whose TTL is the negative one" '^example\.[[:space:]]+[0-9]+[[:space:]]+IN[[:space:]]+SOA' "$nx"
expect_match "NODATA" 'status: NOERROR.*' "$nodata"
expect_equal "each was asked for once" 2 $(($(lab_stat upstream_queries) - queries))
servfail=$(lab_dig servfail.counted.test A)
asked_before=$(asked servfail.counted.test)
servfail=$(lab_dig servfail.counted.test A)
expect_match "a failure is a failure" 'status: SERVFAIL' "$servfail"
expect_equal "and is not asked for again at once (RFC 9520)" "$asked_before" "$(asked servfail.counted.test)"

# --- stale ---
lab_dig +noall short.test A
expect_equal "short.test has 5 s" 198.18.2.5 "$(lab_dig +short short.test A)"
sleep 5.2
queries=$(lab_stat upstream_queries)
expect_equal "expired, and its server is there: it is asked again" "198.18.2.5 1" \
	"$(lab_dig +short short.test A) $(($(lab_stat upstream_queries) - queries))"
lab_stop $nsd_pid
sleep 5.2
answer=$(lab_dig short.test A)
expect_match "expired, and its server is dead: the old answer" '^short\.test\..*198\.18\.2\.5' "$answer"
expect_match "which says so" 'EDE: 3' "$answer"
expect_between "with a TTL of 30 s at most" 1 30 "$(ttl_of short.test A)"
start=$(date +%s%3N)
lab_dig +noall short.test A
expect_between "asked again it comes at once" 0 200 $(($(date +%s%3N) - start))
expect_between "stale answers are counted" 1 99 "$(lab_stat cache_stale)"
expect "each packet has its one outcome" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico

# --- without a cache ---
configure "size_mb: 0"
lab_portico "$LAB_DIR/portico.yaml" || exit 1
lab_dig +noall b.counted.test A
lab_dig +noall b.counted.test A
expect_equal "size_mb: 0: each question is asked upstream" 2 "$(asked b.counted.test)"
expect_match "porticoctl cache says why it has nothing" 'there is no cache' "$(lab_ctl cache stats 2>&1)"
lab_ctl cache lookup b.counted.test A >/dev/null 2>&1
expect_equal "and exits with 1" 1 $?
expect "SIGTERM: exit status 0" lab_stop_portico
