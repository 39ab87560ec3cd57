#!/bin/bash
# The build with AddressSanitizer and UndefinedBehaviorSanitizer (make BUILD=san) carries the bad questions,
# the hostile upstream packets, odd frames and some load without a report, leaks included.
# SAN_PORTICO: another program than build/san/portico.
# variants: workers=1,4
# variants: workers=2 device=af_xdp
PORTICO=${SAN_PORTICO:-$(dirname "$0")/../../build/san/portico}
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke

[ -x "$PORTICO" ] || lab_skip "build/san/portico is not there: make BUILD=san"
lab_up
program=$(realpath "$PORTICO")
PORTICOCTL=$(dirname "$program")/porticoctl
cat >"$LAB_DIR/sanitized" <<CONF
#!/bin/sh
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:log_path=$LAB_DIR/report:exitcode=99"
export LSAN_OPTIONS="suppressions=$here/san_leaks.supp:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:log_path=$LAB_DIR/report"
exec "$program" "\$@"
CONF
chmod +x "$LAB_DIR/sanitized"
PORTICO=$LAB_DIR/sanitized

lab_nsd nsd 198.18.0.20 2001:2:0:1::20 || exit 1
lab_upstream hostile 198.18.0.21 2001:2:0:1::21 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"]}
	  - {zone: hostile.test, to: [198.18.0.21, "2001:2:0:1::21"]}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
mac=$(lab_in dut cat /sys/class/net/eth0/address)

for name in www.example alias.example c10.chain.example many.big.test t1100.big.test t4000.big.test \
	'with\.dot.odd.example' anything.wild.example nowhere.test; do
	for server in $LAB_PORTICO_V4 $LAB_PORTICO_V6; do
		lab_dig @$server +ignore "$name" A
		lab_dig @$server +ignore +dnssec +bufsize=4096 "$name" TXT
		lab_dig @$server +ignore +noedns "$name" AAAA
	done
done >"$LAB_DIR/answers" 2>&1
expect_equal "54 questions of all kinds are answered" 54 "$(grep -cE 'status: (NOERROR|NXDOMAIN)' "$LAB_DIR/answers")"
for server in $LAB_PORTICO_V4 $LAB_PORTICO_V6; do
	expect "the bad questions, at $server" lab_in cli /usr/bin/python3 "$here/malformed_probes.py" $server
done
for word in wrong-port wrong-address wrong-qname wrong-qtype wrong-qclass no-question qr0 opcode-update header-formerr \
	header-servfail junk empty short loop cut trailing flip-case no-opt duplicate-3 formerr-edns drop wrong-id-10.once \
	servfail.once notimp.once; do
	echo "$word.hostile.test A good"
	echo "$word.hostile.test TXT good"
done >"$LAB_DIR/questions"
expect "the hostile upstream" lab_in cli /usr/bin/python3 "$here/ask_many.py" $LAB_PORTICO_V4 <"$LAB_DIR/questions"
expect "odd frames" lab_in sw /usr/bin/python3 "$here/link_frames.py" --ctl "$PORTICOCTL" \
	--prefix "$LAB_PREFIX" --mac "$mac" --fragments "$(lab_fragments)" --question cache_hits
seq -f 's%.0f.perf.test A' 6000 >"$LAB_DIR/load"
result=$(lab_in cli dnsperf -s $LAB_PORTICO_V6 -d "$LAB_DIR/load" -n 1 -Q 2000 -t 5 -q 5000 -c 8 2>&1)
expect_match "6,000 questions at 2,000 a second" 'NOERROR 6000 \(100.00%\)' "$result"
for command in status stats upstreams inflight neighbours; do
	expect "porticoctl $command" lab_ctl $command
done
# Leaks are looked for at the end.
expect "SIGTERM: exit status 0" lab_stop_portico
reports=$(cat "$LAB_DIR"/report* 2>/dev/null)
expect_equal "no report of a sanitizer" "" "$(head -c 3000 <<<"$reports")"

lab_config "$LAB_DIR/bad.yaml" <<<'mode: forrward'
"$PORTICO" --check -c "$LAB_DIR/bad.yaml" >/dev/null 2>&1
expect_equal "a refused configuration leaks nothing: exit status 1" 1 $?
"$PORTICO" --check -c "$LAB_DIR/portico.yaml" >/dev/null 2>&1
expect_equal "a good one neither: exit status 0" 0 $?
expect_equal "still no report" "" "$(cat "$LAB_DIR"/report* 2>/dev/null | head -c 3000)"
