#!/bin/bash
# --test-clock-offset-file: time that a test moves on ages what is kept, on every worker, and nothing else; a release build does
# not know the option.
# variants: workers=1,2
PORTICO_RELEASE=${PORTICO:-$(cd "$(dirname "$0")/../.." && pwd)/build/portico}
PORTICO=$(dirname "$PORTICO_RELEASE")/hooks/portico
PORTICOCTL=${PORTICOCTL:-$(dirname "$PORTICO_RELEASE")/porticoctl}
. "$(dirname "$0")/../lab/lab.sh"

# set_offset SECONDS
set_offset() {
	/usr/bin/python3 -c '
import struct, sys
with open(sys.argv[1], "r+b") as f:
	f.write(struct.pack("=q", int(sys.argv[2])))' "$LAB_DIR/offset" "$1"
	sleep 0.3
}
asked() {
	grep -ciE " $1\. " "$LAB_DIR/up.queries"
}
# ttl_of NAME: of its answer
ttl_of() {
	lab_dig +noall +answer "$1" A | awk 'NR == 1 { print $2 }'
}

lab_prefer
lab_up
lab_upstream up 198.18.0.20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward: [{zone: ".", to: [198.18.0.20]}]
	cache: {serve_stale: {enabled: false}, prefetch: false}
CONF

# --- the option ---
"$PORTICO_RELEASE" --test-clock-offset-file /dev/null --version >"$LAB_DIR/out" 2>&1
expect_equal "a release build: exit status 2" 2 $?
expect_equal "nor has it a word of it" 0 "$(grep -c 'test-clock-offset' "$PORTICO_RELEASE")"
"$PORTICO_RELEASE" --help >"$LAB_DIR/out"
expect_equal "nor its help" 0 "$(grep -c 'clock' "$LAB_DIR/out")"
"$PORTICO" --test-clock-offset-file "$LAB_DIR/none" --version >"$LAB_DIR/out" 2>&1
expect_equal "a file that is not there: exit status 2" 2 $?
expect_match "and why" 'cannot be opened' "$(cat "$LAB_DIR/out")"
printf 1234 >"$LAB_DIR/offset"
"$PORTICO" --test-clock-offset-file "$LAB_DIR/offset" --version >"$LAB_DIR/out" 2>&1
expect_equal "a file that is too short: exit status 2" 2 $?
expect_match "and why" 'shorter than 8 bytes' "$(cat "$LAB_DIR/out")"

# --- what it does ---
head -c 8 /dev/zero >"$LAB_DIR/offset"
lab_portico "$LAB_DIR/portico.yaml" --test-clock-offset-file "$LAB_DIR/offset" || exit 1
for i in 1 2 3 4; do
	lab_dig +noall "ttl-300.n$i.test" A
done
expect_equal "each name is asked for once" "1 1 1 1" "$(for i in 1 2 3 4; do asked "ttl-300.n$i.test"; done | xargs)"
set_offset 200
for i in 1 2 3 4; do
	expect_between "200 s later: what is left of 300" 80 100 "$(ttl_of "ttl-300.n$i.test")"
done
expect_equal "and it is not asked for again" "1 1 1 1" "$(for i in 1 2 3 4; do asked "ttl-300.n$i.test"; done | xargs)"
expect_match "porticoctl sees the same" 'age 2[0-9]{2} s, TTL ([89][0-9]|100) s' "$(lab_ctl cache lookup ttl-300.n1.test A)"
set_offset 301
for i in 1 2 3 4; do
	expect_between "301 s later: a new answer" 290 300 "$(ttl_of "ttl-300.n$i.test")"
done
expect_equal "each is asked for again" "2 2 2 2" "$(for i in 1 2 3 4; do asked "ttl-300.n$i.test"; done | xargs)"
set_offset 1000000000
expect_equal "a billion seconds later it still answers" 300 "$(ttl_of ttl-300.n1.test)"
set_offset 0
expect_between "and back again" 0 300 "$(ttl_of ttl-300.n2.test)"
expect "SIGTERM: exit status 0" lab_stop_portico
