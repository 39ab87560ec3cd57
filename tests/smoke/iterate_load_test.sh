#!/bin/bash
# Iterating under load over memif, by the generator of bench/load that plays root, top-level domains and zones: names in a zone that is
# known take one exchange each, in one of their own two, below a top-level domain of their own three, and every answer is right. Then the
# zones' servers fall silent: names that are cached are answered as before while a flood of new ones waits for nothing, memory
# stays as it is, and nothing is left of them.
# alone: generator and Portico poll
. "$(dirname "$0")/../lab/lab.sh"
LOAD=${LOAD:-$LAB_ROOT/build/bench/load}
ROOTS=198.18.1.1,2001:2:0:4::1 TLDS=198.18.1.2,2001:2:0:4::2 AUTHORITIES=198.18.1.3,2001:2:0:4::3
FLOOD=${LOAD_FLOOD:-20000}

lab_prefer
lab_up
if [ ! -x "$LOAD" ]; then
	fail "$LOAD is not there: make"
	exit 1
fi
socket=$LAB_DIR/memif.sock
cat >"$LAB_DIR/root.hints" <<-HINTS
	. 86400 IN NS n1.
	. 86400 IN NS n2.
	n1. 86400 IN A ${ROOTS%,*}
	n2. 86400 IN AAAA ${ROOTS#*,}
HINTS
cat >"$LAB_DIR/portico.yaml" <<-CONF
	workers: 1
	dpdk: {memory_mb: 256, hugepages: never, file_prefix: $LAB_PREFIX}
	interfaces:
	  - name: net0
	    device: "net_memif0,role=server,id=0,socket=$socket,socket-abstract=no"
	    addresses: [$LAB_PORTICO_V4/24, "$LAB_PORTICO_V6/64"]
	    gateway: [198.18.0.1, "2001:2:0:1::1"]
	    kernel: none
	allow: [198.18.0.0/15, "2001:2::/48"]
	cache: {size_mb: 64}
	mode: iterate
	root_hints: "$LAB_DIR/root.hints"
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# load ARGUMENTS...: sets load_status, figures to load.json. No name that is meant to be new was ever asked before.
unique_from=0
load() {
	unique_from=$((unique_from + 10000000))
	timeout 90 "$LOAD" --vdev="net_memif0,role=client,id=0,socket=$socket,socket-abstract=no,mac=02:00:00:00:00:20" \
		--file-prefix="$LAB_PREFIX-load" --memory-mb=128 --mbufs=16383 --nap-us=50 --unique-from=$unique_from --ttl=86400 \
		--roots=$ROOTS --tlds=$TLDS --servers=$AUTHORITIES --json="$LAB_DIR/load.json" "$@" >"$LAB_DIR/load.log" 2>&1
	load_status=$?
}

figure() {
	grep -Eo "\"$1\":[0-9.]+" "$LAB_DIR/load.json" | sed 's/.*://'
}

figures() {
	local name
	for name; do
		figure "$name"
	done | paste -s -d ' '
}

resident_kb() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$PORTICO_PID/status"
}

# exchanges TEXT EACH ARGUMENTS...: so many upstream queries a question, give or take priming, the first cuts and a timeout or two.
exchanges() {
	local text=$1 each=$2
	shift 2
	load --outstanding=64 --count=3000 --check-every=1 --family=mixed --types=A,AAAA,MX --nxdomain=10 "$@"
	expect_equal "$text: exit status, sent, lost, wrong" "0 3000 0 0" "$load_status $(figures sent lost wrong)"
	expect_equal "the answers are NOERROR or NXDOMAIN" "$(figure answered)" $(($(figure noerror) + $(figure nxdomain)))
	expect_between "$each exchanges a question" $((3000 * each)) $((3000 * each + 150)) "$(figure upstream_queries)"
}

exchanges "names of a zone that is known" 1 --zone=load.example
exchanges "each in a zone of its own" 2 --cold=zone --zone=example
exchanges "and below a top-level domain of its own" 3 --cold=tld

for arguments in "--zone=a.b.example" "--cold=zone --zone=a.example"; do
	# shellcheck disable=SC2086
	load --count=1 $arguments
	expect_equal "load $arguments: not where the cuts are: exit status" 2 $load_status
done

# --- silent servers --------------------------------------------------------------------------------------

load --zone=load.example --warm --uniform=500 --outstanding=32 --seconds=2
expect_equal "a warm set: exit status, lost, wrong" "0 0 0" "$load_status $(figures lost wrong)"
load --zone=load.example --uniform=500 --rate=2000 --seconds=4 --silent=1,2
expect_equal "hits while the servers are silent: exit status, lost" "0 0" "$load_status $(figures lost)"
calm=$(figure latency_us_p50_set)
before_kb=$(resident_kb)
before_hits=$(lab_stat cache_hits)

load --zone=load.example --uniform=500 --rate=2000 --seconds=6 --silent=1,2 --flood="$FLOOD" --timeout-ms=6000
sed -n '/questions over/p;/latency/p' "$LAB_DIR/load.log" | sed 's/^/     | /'
expect_equal "the same under a flood of $FLOOD new names a second: hits lost, wrong" "0 0" "$(figures lost_set wrong)"
expect_between "all of them are hits" $(($(figure sent_set) * 99 / 100)) 9999999 $(($(lab_stat cache_hits) - before_hits))
flooded=$(figure latency_us_p50_set)
expect_between "half of them within 2 ms of what they took before, in us ($flooded, before $calm)" 0 2000 \
	$((${flooded%.*} > ${calm%.*} ? ${flooded%.*} - ${calm%.*} : 0))
expect_between "memory grew by, in KiB" -99999 32768 $(($(resident_kb) - before_kb))
expect_between "new ones that were refused, as too many asked those servers" $((FLOOD * 3)) 9999999 \
	$(($(lab_stat shed_zone_share) + $(lab_stat shed_server_share)))
lab_ctl stats | grep -E 'shed_|budget_|answers_servfail|upstream_timeouts' | sed 's/^/     | /'
for i in {1..100}; do
	[ "$(lab_stat resolutions_active)" -gt 0 ] || break
	sleep 0.1
done
for gauge in resolutions_active tickets_out; do
	expect_equal "$gauge" 0 "$(lab_stat $gauge)"
done

# What they may be asked at once grows again with their answers.
for try in {1..8}; do
	load --zone=load.example --rate=1000 --seconds=1
	[ "$(figures servfail lost)" != "0 0" ] || break
done
expect_between "the servers are back: seconds until every new name has its answer" 1 5 $try
exchanges "and as many at a time as before" 1 --zone=load.example
expect "each packet has its one outcome" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
