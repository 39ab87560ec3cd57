#!/bin/bash
# Reloads on a NIC that the kernel shares (AF_XDP): what the XDP program steers by changes with the configuration, under load
# and without a loss, and what is not ours any more is the kernel's at once. An endpoint on which a process answers, or an
# address that the kernel does not have, is refused.
# ahead: no question may be lost at 3,000 a second
# variants: workers=1,2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
LAB_DEVICE=af_xdp
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
RELOADS=${RELOADS:-24}
QPS=${RELOAD_QPS:-3000}
SECONDS_OF_LOAD=14

lab_prefer
shared_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
lab_nsd nsd2 --zones ". perf.test" 198.18.0.22 198.18.1.53 || exit 1
config=$LAB_DIR/portico.yaml
shared_config "$LAB_DIR/a.yaml" <<-CONF
	mode: forward
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
	cache: {size_mb: 4}
CONF
shared_config "$LAB_DIR/b.yaml" <<-CONF
	mode: forward
	listen: [$LAB_PORTICO_V4, "$LAB_PORTICO_V6", $LAB_PORTICO_V4@5300]
	forward:
	  - {zone: ".", to: [198.18.0.22, 198.18.1.53], policy: round_robin}
	outgoing: {addresses: [$LAB_PORTICO_V4], range: 10000-28000}
	cache: {size_mb: 4}
CONF
use() {
	cp "$1" "$config.new" && mv "$config.new" "$config"
}
use "$LAB_DIR/a.yaml"
lab_portico "$config" || exit 1
expect_equal "an answer before" 198.18.3.1 "$(lab_dig +short before.perf.test A)"

# --- who has port 5300 ----------------------------------------------------------------------------

serve mine dut --bind "$LAB_PORTICO_V4@5300" || exit 1
mine=$LAB_PID
use "$LAB_DIR/b.yaml"
output=$(lab_ctl reload 2>&1)
expect_equal "an endpoint on which a process answers: exit status 1" 1 $?
expect_match "it is named, with its process" "listen: $LAB_PORTICO_V4@5300: process .*pid $mine" "$output"
lab_stop "$mine"
expect "without it: exit status 0" lab_ctl reload
expect_equal "questions are answered there" 198.18.3.1 "$(lab_dig -p 5300 +short before.perf.test A)"
use "$LAB_DIR/a.yaml"
expect "back again: exit status 0" lab_ctl reload
serve yours dut --bind "$LAB_PORTICO_V4@5300" || exit 1
yours=$LAB_PID
ping_service ping --from 198.18.0.10@5353 --to "$LAB_PORTICO_V4@5300" --rate 50 --seconds 1
expect "the kernel's process has the endpoint now" wait "$LAB_PID"
lab_stop "$yours"

sed "s,\($LAB_PORTICO_V4/24\),\1\, 198.18.0.77/24," "$LAB_DIR/a.yaml" >"$config"
output=$(lab_ctl reload 2>&1)
expect_equal "an address that the kernel does not have: exit status 1" 1 $?
expect_match "the remedy is named" 'ip addr add 198.18.0.77/24 dev eth0' "$output"

# --- under load -----------------------------------------------------------------------------------

awk -v count=$((QPS * SECONDS_OF_LOAD)) -v run=$$ 'BEGIN {
	for (i = 0; i < count / 2; i++)
		printf "hot%d.perf.test A\nq%d-%d.perf.test A\n", i % 500, run, i
}' >"$LAB_DIR/load"
lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/load" -t 5 -q 500 -c 16 -n 1 -Q "$QPS" \
	-l $((SECONDS_OF_LOAD + 2)) >"$LAB_DIR/dnsperf" 2>&1 &
dnsperf_pid=$!
sleep 1
failed=0
for ((i = 1; i <= RELOADS; i++)); do
	[ $((i % 2)) -eq 1 ] && use "$LAB_DIR/b.yaml" || use "$LAB_DIR/a.yaml"
	lab_ctl reload >"$LAB_DIR/reload" 2>&1 || { failed=$((failed + 1)); sed 's/^/     | /' "$LAB_DIR/reload"; }
	sleep 0.5
done
wait $dnsperf_pid
result=$(grep -v '^.Timeout' "$LAB_DIR/dnsperf")
sed -n '/Statistics/,$p' <<<"$result" | grep -E 'Queries|Response|Latency' | sed 's/^ */     | /'
expect_equal "every reload was done" 0 $failed
expect_match "no question was lost" 'Queries lost: +0 ' "$result"
expect_match "every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
expect "the outcomes add up" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
