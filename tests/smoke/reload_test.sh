#!/bin/bash
# The configuration is read again while questions come in, hits and misses, again and again, from two files that differ in all
# that may change: no question is lost, none fails. A file that is not valid, or wants what needs a restart, changes
# nothing and says why. Memory, descriptors and threads stay as many as they were.
#   RELOADS, RELOAD_HZ, RELOAD_QPS   how many under load, a second, and the load (50, 1.7, 8000)
#   SMOKE_S=1500 RELOADS=1000 RELOAD_HZ=1 make smoke SMOKE="reload workers=2"     17 minutes and some
# alone: no question may be lost at 8,000 a second
# variants: workers=1,2
# variants: workers=2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
RELOADS=${RELOADS:-50}
RELOAD_HZ=${RELOAD_HZ:-1.7}
QPS=${RELOAD_QPS:-8000}
HOT=2000

lab_prefer
lab_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 198.18.0.21 2001:2:0:1::20 || exit 1
lab_nsd nsd2 --zones ". perf.test" 198.18.0.22 198.18.1.53 2001:2:0:1::21 || exit 1
config=$LAB_DIR/portico.yaml
lab_in dut ip link set lo up

# Servers, zones, who may ask, ports, cache rules, endpoints, limits: all others in one and the other.
write_a() {
	lab_config "$1" <<-CONF
		mode: forward
		forward:
		  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
		  - {zone: perf.test, to: [198.18.0.20, 198.18.0.21, "2001:2:0:1::20"], policy: fastest}
		allow: [198.18.0.0/15, "2001:2::/48"]
		cache: {size_mb: 4, max_ttl_s: 86400, rrset_order: round_robin}
		metrics: {listen: 127.0.0.1@9153}
	CONF
}
write_b() {
	lab_config "$1" <<-CONF
		mode: forward
		listen: [$LAB_PORTICO_V4, "$LAB_PORTICO_V6", $LAB_PORTICO_V4@5300]
		forward:
		  - {zone: ".", to: [198.18.0.22, 198.18.0.20], policy: in_order, timeout_ms: 700}
		  - {zone: perf.test, to: [198.18.1.53, 198.18.0.22, 198.18.0.21], policy: fastest, tries: 4}
		  - {zone: other.example, to: [198.18.0.21@5301]}
		allow: [198.18.0.0/24, "2001:2::/48", 192.0.2.0/24]
		outgoing: {addresses: [$LAB_PORTICO_V4], range: 10000-50000, exclude: [20000-20100], late_ms: 2000,
		  case_randomization: false, edns_udp_size: 1200}
		cache: {size_mb: 4, max_ttl_s: 3600, min_ttl_s: 5, rrset_order: fixed, prefetch: false}
		log: {level: debug}
		metrics: {listen: 0.0.0.0@9153}
		shutdown_s: 4
	CONF
}
write_a "$LAB_DIR/a.yaml"
write_b "$LAB_DIR/b.yaml"
# Places for what comes while this machine takes a core away for a second: lost shall be what a reload loses, and nothing else.
sed -i 's/net_af_packet0,iface=eth0/&,framecnt=16384/' "$LAB_DIR/a.yaml" "$LAB_DIR/b.yaml"
cp "$LAB_DIR/a.yaml" "$config"
lab_portico "$config" || exit 1

use() {
	cp "$1" "$config.new" && mv "$config.new" "$config"
}

# --- what a reload does --------------------------------------------------------------------------

expect_equal "an answer before" 198.18.3.1 "$(lab_dig +short before.perf.test A)"
expect_match "nobody answers where B listens" 'connection refused|timed out|no servers' \
	"$(lab_dig -p 5300 +time=1 +short before.perf.test A)"
use "$LAB_DIR/b.yaml"
expect "porticoctl reload: exit status 0" lab_ctl reload
expect_equal "B listens there" 198.18.3.1 "$(lab_dig -p 5300 +short before.perf.test A)"
expect_match "B's servers and no others" '^server 198.18.0.20 198.18.0.21 198.18.0.21@5301 198.18.0.22 198.18.1.53 $' \
	"$(lab_ctl upstreams | awk '{ print $1 }' | sort | awk '$1 == "server" { next } { l = l $1 " " } END { print "server " l }')"
expect_match "the log names what has changed" 'reload: reloaded changes=[0-9]+ keys="allow, ' "$(cat "$PORTICO_LOG")"
use "$LAB_DIR/a.yaml"
kill -HUP "$PORTICO_PID"
for i in {1..50}; do lab_ctl upstreams | grep -q "^2001:2:0:1::20 " && break; sleep 0.1; done
expect_match "SIGHUP: A's servers again" '2001:2:0:1::20 ' "$(lab_ctl upstreams)"

# --- what is kept of zones that others answer now -------------------------------------------------

# kept TEXT SED WANTED: with A changed so, what is in the cache of before.perf.test and before.nonesuch?
kept() {
	local name words=""
	use "$LAB_DIR/a.yaml"
	lab_ctl reload >/dev/null 2>&1
	lab_dig +noall before.perf.test A
	lab_dig +noall before.nonesuch A
	sed "$2" "$LAB_DIR/a.yaml" >"$LAB_DIR/c.yaml"
	use "$LAB_DIR/c.yaml"
	expect "$1: reloaded" lab_ctl reload
	for name in before.perf.test before.nonesuch; do
		words="$words$(lab_ctl cache lookup $name A >/dev/null 2>&1 && echo kept || echo gone) "
	done
	expect_equal "$1" "$3" "$words"
}
kept "how servers are asked keeps all" 's/policy: fastest/policy: fastest, timeout_ms: 600, tries: 4/' "kept kept "
kept "a server that stays keeps all" 's/to: .198.18.0.20, 198.18.0.21,/to: [198.18.0.22, 198.18.0.21,/' "kept kept "
kept "all others: its names are flushed" '/zone: perf/s/to: .*\], p/to: [198.18.1.53], p/' "gone kept "
kept "a zone that has gone: its names are flushed" '/zone: perf/d' "gone kept "
kept "a zone that has come: its names are flushed" '/zone: perf/a\  - {zone: nonesuch, to: [198.18.0.22]}' "kept gone "
use "$LAB_DIR/a.yaml"
expect "A again" lab_ctl reload

# --- what is refused ------------------------------------------------------------------------------

refused() {
	local text=$1 wanted=$2 output
	output=$(lab_ctl reload 2>&1)
	expect_equal "$text: exit status 1" 1 $?
	expect_match "$text: says why" "$wanted" "$output"
	expect_match "$text: the log says it too" "$wanted" "$(cat "$PORTICO_LOG")"
	expect_equal "$text: the service goes on" 198.18.3.1 "$(lab_dig +short "$RANDOM.perf.test" A)"
}
sed 's/allow:/alow:/' "$LAB_DIR/b.yaml" >"$config"
refused "an unknown key" 'portico.yaml:[0-9]+:1: alow: .*did you mean allow'
sed 's/^workers: .*/workers: 3/; s/mtu: .*//' "$LAB_DIR/b.yaml" >"$config"
refused "more workers" 'portico.yaml:1:10: workers: needs a restart'
sed 's/size_mb: 4/size_mb: 8/' "$LAB_DIR/b.yaml" >"$config"
refused "a larger cache" 'cache.size_mb: needs a restart'
sed 's/range: 10000-50000/range: 4500/; s/exclude: \[20000-20100\]/exclude: [4500]/' "$LAB_DIR/b.yaml" >"$config"
refused "no port left" 'outgoing'
rm "$config"
refused "no file" 'cannot be read'
expect_match "status counts them" '^reload_refusals +5$' "$(lab_ctl status)"
expect_match "A is what runs" '2001:2:0:1::20 ' "$(lab_ctl upstreams)"

# --- under load -----------------------------------------------------------------------------------

duration=$(awk "BEGIN { print int($RELOADS / $RELOAD_HZ + 1) }")
# Half of the questions have been asked before, half never. As they are asked: of a long run they are a gigabyte.
questions() {
	awk -v count=$((QPS * (duration + 4))) -v hot=$HOT -v run=$$ 'BEGIN {
		for (i = 0; i < count / 2; i++)
			printf "hot%d.perf.test A\nq%d-%d.perf.test A\n", i % hot, run, i
	}'
}
# Counts of dnsperf's lines of answers ("> NOERROR name A 0.000123"), by 10 us, and its other lines as they are.
latencies() {
	awk -v counts="$LAB_DIR/latencies" '
		$1 == ">" && $2 != "T" && NF == 5 { count[int($5 * 1e5)]++; next }
		{ print }
		END { for (i in count) print i, count[i] >counts }'
}
waiting_max=20000
[ "$LAB_DEVICE" != af_xdp ] || waiting_max=900
questions | lab_in cli dnsperf -v -s $LAB_PORTICO_V4 -t 5 -q $waiting_max -c 32 -T 1 -b 8192 -n 1 -Q "$QPS" \
	-l $((duration + 2)) 2>&1 | latencies >"$LAB_DIR/dnsperf" &
dnsperf_pid=$!
sleep 1
begun=$(date +%s.%N)
failed=0
for ((i = 1; i <= RELOADS; i++)); do
	[ $((i % 2)) -eq 1 ] && use "$LAB_DIR/b.yaml" || use "$LAB_DIR/a.yaml"
	if [ $((i % 5)) -eq 0 ]; then
		kill -HUP "$PORTICO_PID"
	else
		lab_ctl reload >"$LAB_DIR/reload" 2>&1 || { failed=$((failed + 1)); sed 's/^/     | /' "$LAB_DIR/reload"; }
	fi
	sleep "$(awk "BEGIN { left = $begun + $i / $RELOAD_HZ - $(date +%s.%N); print (left > 0 ? left : 0) }")"
done
wait $dnsperf_pid
result=$(grep -v '^.Timeout' "$LAB_DIR/dnsperf")
sed -n '/Statistics/,$p' <<<"$result" | grep -E 'Queries|Response|Run time|Latency' | sed 's/^ */     | /'
sort -n "$LAB_DIR/latencies" | awk '
	{ at[NR] = $1; sum += $2; upto[NR] = sum }
	function quantile(q,  i) { for (i = 1; upto[i] < q * sum; i++); return (at[i] + 1) / 100 }
	END { printf "     | latency of %d answers, ms: p50 %.2f  p99 %.2f  p99.9 %.2f  most %.2f\n", sum,
		quantile(0.5), quantile(0.99), quantile(0.999), (at[NR] + 1) / 100 }'
lab_ctl stats | grep -E '^(cache_hits|cache_misses|upstream_(timeouts|retries|moved)|late_responses|unmatched|tx_dropped|rx_missed) ' |
	sed 's/^/     | /'
expect_equal "every reload under load was done" 0 $failed
expect_match "they are counted" "^reloads +$((RELOADS + 13))\$" "$(lab_ctl status)"
expect_match "no question was lost" 'Queries lost: +0 ' "$result"
expect_match "every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
expect_between "the cache was kept: half of the questions found their answers there" $((QPS * duration * 45 / 100)) \
	$((QPS * (duration + 3))) "$(lab_stat cache_hits)"

# --- memory ---------------------------------------------------------------------------------------

rss_kb() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$PORTICO_PID/status"
}
many() {
	local i
	for ((i = 0; i < $1; i++)); do
		[ $((i % 2)) -eq 1 ] && use "$LAB_DIR/a.yaml" || use "$LAB_DIR/b.yaml"
		lab_ctl reload >/dev/null 2>&1 || return 1
	done
}
descriptors_and_threads() {
	echo "$(ls "/proc/$PORTICO_PID/fd" | wc -l) $(ls "/proc/$PORTICO_PID/task" | wc -l)"
}
expect "20 reloads" many 20
sleep 1
before=$(rss_kb)
had=$(descriptors_and_threads)
expect "300 reloads more" many 300
sleep 1
after=$(rss_kb)
expect_between "$((after - before)) KiB more in memory afterwards" -100000 1024 $((after - before))
expect_equal "as many descriptors and threads" "$had" "$(descriptors_and_threads)"
sleep 0.5
expect_equal "nothing is left" "0 0" "$(lab_stat resolutions_active) $(lab_stat waiters)"
expect "the outcomes add up" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
