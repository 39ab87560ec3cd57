#!/bin/bash
# `porticoctl capture`: what workers receive and send comes as pcapng, with the right directions, times and
# checksums; filters as tcpdump's; every way to end it, and that it leaves nothing behind; and that nothing is lost
# while it runs.
#   CAPTURE_WORKERS, CAPTURE_QUEUES   workers, and queue pairs of the device (1, 1)
. "$(dirname "$0")/../lab/lab.sh"

lab_up
lab_nsd nsd 198.18.0.20 2001:2:0:1::20 || exit 1
lab_nsd nsd2 198.18.0.21 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: ".", to: [198.18.0.20]}
	  - {zone: test, to: [198.18.0.21]}
CONF
sed -i -e "s/^workers: .*/workers: ${CAPTURE_WORKERS:-1}/" \
	-e "s/iface=eth0/&,qpairs=${CAPTURE_QUEUES:-1}/" "$LAB_DIR/portico.yaml"
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# capture_start NAME ARGS...: in the background, until it says that it has begun; sets CAPTURE_PID
capture_start() {
	local name=$1
	shift
	lab_start "$name" dut env --default-signal=INT "$PORTICOCTL" -p "$LAB_PREFIX" capture "$@"
	CAPTURE_PID=$LAB_PID
	lab_wait_for 5 "$CAPTURE_PID" "$LAB_DIR/$name.log" '^porticoctl: capturing to ' && return
	cat "$LAB_DIR/$name.log"
	return 1
}

# capture_end PID: its exit status, waiting 5 s at most
capture_end() {
	local i
	for ((i = 0; i < 100; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.05
	done
	kill -0 "$1" 2>/dev/null && return 99
	wait "$1"
}

# telemetry COMMAND: the reply's text
telemetry() {
	/usr/bin/python3 - "/var/run/dpdk/$LAB_PREFIX/dpdk_telemetry.v2" "$1" <<-PYTHON
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.connect(sys.argv[1])
		s.recv(16384)
		s.send(sys.argv[2].encode())
		print(s.recv(16384).decode())
	PYTHON
}

status_field() {
	telemetry /portico/capture_status | sed -nE "s/.*\"$1\": ?\"?([^\",}]*).*/\1/p"
}

# ended_within SECONDS REASON: no capture runs, no callback is left, and this is why
ended_within() {
	local i
	for ((i = 0; i < $1 * 20; i++)); do
		[ "$(status_field state)" = running ] || break
		sleep 0.05
	done
	telemetry /portico/capture_status
	[ "$(status_field state) $(status_field callbacks) $(status_field reason)" = "ended 0 $2" ]
}

packets() {
	"$(dirname "$0")/pcapng_packets.py" "$@"
}

nothing_left() {
	! ls "/var/run/dpdk/$LAB_PREFIX" | grep capture
}

ask_for() {
	lab_dig +short +nocookie "$1" "${2:-A}"
}

expect_equal "before the first capture there is none" "none 0" "$(status_field state) $(status_field callbacks)"

# --- one question, four packets ----------------------------------------------------------------

capture_start four "$LAB_DIR/four.pcapng" || fail "a capture begins"
expect_equal "callbacks on the queues to receive and send" $((2 * ${CAPTURE_QUEUES:-1})) "$(status_field callbacks)"
before=$(date +%s.%N)
ask_for v4only.example >/dev/null
after=$(date +%s.%N)
sleep 0.2
kill -INT "$CAPTURE_PID"
capture_end "$CAPTURE_PID"
expect_equal "SIGINT ends it: exit status 0" 0 $?
expect_match "the figures are printed" '^[0-9]+ captured, 0 dropped by capture$' "$(cat "$LAB_DIR/four.log")"
expect_equal "the file is its user's alone" 600 "$(stat -c %a "$LAB_DIR/four.pcapng")"
expect "the file is whole, all checksums are right" packets --check "$LAB_DIR/four.pcapng"
packets "$LAB_DIR/four.pcapng" | grep 'v4only.example' >"$LAB_DIR/four"
sed 's/^/     | /' "$LAB_DIR/four"
expect_equal "question in, query out, reply in, answer out; and Portico's name of the interface" \
	"in net0 198.18.0.10 q / out net0 198.18.0.20 q / in net0 198.18.0.20 r / out net0 198.18.0.10 r" \
	"$(awk '{ sub(/#.*/, "", $7); sub(/#.*/, "", $9)
		print $2, $3, $2 == "in" ? $7 : $9, $12 }' "$LAB_DIR/four" | paste -sd / | sed 's,/, / ,g')"
expect "in the order of time, between the question and its answer" awk -v low="$before" -v high="$after" '
	$1 < low - 0.005 || $1 > high + 0.005 || $1 < last { print; wrong = 1 } { last = $1 } END { exit wrong || NR != 4 }
' "$LAB_DIR/four"
tcpdump -n -vv -r "$LAB_DIR/four.pcapng" >"$LAB_DIR/four.tcpdump" 2>"$LAB_DIR/four.tcpdump-errors"
expect_equal "tcpdump reads as many packets" "$(packets "$LAB_DIR/four.pcapng" | wc -l)" \
	"$(tcpdump -n -r "$LAB_DIR/four.pcapng" 2>/dev/null | wc -l)"
expect_equal "tcpdump finds four good checksums" 4 "$(grep -A1 udp -i "$LAB_DIR/four.tcpdump" | grep -i v4only | grep -c 'udp sum ok')"
expect_equal "tcpdump finds no bad one" 0 "$(grep -cE 'bad (udp )?cksum' "$LAB_DIR/four.tcpdump")"
expect_equal "and the stats agree with the summary" \
	"$(sed -nE 's/^([0-9]+) captured, ([0-9]+) dropped.*/\1 \2/p' "$LAB_DIR/four.log")" \
	"$(packets --stats "$LAB_DIR/four.pcapng" | cut -d ' ' -f 2-)"
expect "nothing of it is left" ended_within 1 stopped
expect "the pipe neither" nothing_left

# --- filters -----------------------------------------------------------------------------------

# filtered FILTER: the packets of two questions that go to different servers
filtered() {
	capture_start filtered --force --filter "$1" "$LAB_DIR/filtered.pcapng" || return
	ask_for v4only.example >/dev/null
	ask_for short.test >/dev/null
	sleep 0.2
	kill -TERM "$CAPTURE_PID"
	capture_end "$CAPTURE_PID" || return
	packets --check "$LAB_DIR/filtered.pcapng" | cut -d ' ' -f 2,7-
}

result=$(filtered "udp port 53 and host 198.18.0.21")
expect_equal "udp port 53 and host 198.18.0.21: two packets" 2 "$(wc -l <<<"$result")"
expect_equal "and no other" 0 "$(grep -vc '198.18.0.21#53.* short.test' <<<"$result")"
result=$(filtered "udp[10] & 0x80 = 0 and dst port 53 and (host 198.18.0.20 or dst host 198.18.0.53) and ip[8] % 256 > 0")
expect_equal "characters that telemetry would cut at: two questions, one query" "in in out" \
	"$(grep -Eo '^(in|out)' <<<"$result" | sort | paste -sd ' ')"
expect_equal "a filter that nothing matches" "" "$(filtered "tcp[tcpflags] & tcp-syn != 0")"
expect_match "the filter is in the file" 'tcp\[tcpflags\] & tcp-syn != 0' "$(strings "$LAB_DIR/filtered.pcapng")"

# refused TEXT REGEX ARGS...: exit status 1, and why
refused() {
	local text=$1 regex=$2 output status
	shift 2
	output=$(timeout 10 "$PORTICOCTL" -p "$LAB_PREFIX" capture "$@" 2>&1)
	status=$?
	expect_equal "$text: exit status 1" 1 $status
	expect_match "$text: says why" "$regex" "$output"
}

refused "a bad filter" 'porticoctl: .*syntax error' --filter 'udp port port' "$LAB_DIR/bad.pcapng"
refused "a filter for what is not in frames" 'inbound' --filter inbound "$LAB_DIR/bad.pcapng"
refused "a filter that loops" 'loop' --filter 'ip6 protochain 17' "$LAB_DIR/bad.pcapng"
refused "a filter of 2,000 bytes" 'too long' --filter "$(printf 'udp or %.0s' {1..280})udp" "$LAB_DIR/bad.pcapng"
expect "no file comes of it" test ! -e "$LAB_DIR/bad.pcapng"
"$PORTICOCTL" -p "$LAB_PREFIX" capture --count 0 "$LAB_DIR/bad.pcapng" >/dev/null 2>&1
expect_equal "--count 0 is a matter of usage" 2 $?
"$PORTICOCTL" -p "$LAB_PREFIX" stats --count 5 >/dev/null 2>&1
expect_equal "and so is stats --count" 2 $?
"$PORTICOCTL" -p "no-such-$LAB_PREFIX" capture "$LAB_DIR/bad.pcapng" >/dev/null 2>&1
expect_equal "no Portico: exit status 1" 1 $?

# --- files -------------------------------------------------------------------------------------

echo precious >"$LAB_DIR/precious"
refused "a file that is there" 'File exists' "$LAB_DIR/precious"
refused "a bad filter and --force" 'syntax error' --force --filter 'udp port port' "$LAB_DIR/precious"
expect_equal "it is as it was" precious "$(cat "$LAB_DIR/precious")"
ln -s "$LAB_DIR/precious" "$LAB_DIR/link"
refused "a link, with --force" 'symbolic' --force "$LAB_DIR/link"
refused "a directory that is not" 'No such file' "$LAB_DIR/nowhere/file"
expect_equal "it is as it was" precious "$(cat "$LAB_DIR/precious")"
expect "--force replaces a file" lab_ctl capture --force --seconds 1 "$LAB_DIR/precious"
expect "by a capture" packets --check "$LAB_DIR/precious"
capture_start full --force /dev/full || fail "a capture begins"
capture_end "$CAPTURE_PID"
expect_equal "a full disk: exit status 1" 1 $?
expect_match "and the reason" '/dev/full: No space left' "$(cat "$LAB_DIR/full.log")"
expect "the capture ends" ended_within 4 "$(status_field reason)"

# --- ends --------------------------------------------------------------------------------------

capture_start count --count 7 --filter 'udp port 53' "$LAB_DIR/count.pcapng" || fail "a capture begins"
for i in 1 2 3; do
	ask_for v4only.example >/dev/null
done
expect "--count ends it" capture_end "$CAPTURE_PID"
expect_equal "after exactly so many" 7 "$(packets --check "$LAB_DIR/count.pcapng" | wc -l)"
expect_match "and says so" '^7 captured, 0 dropped' "$(cat "$LAB_DIR/count.log")"

before=$(date +%s%N)
expect_match "--seconds ends it; --json" '"reason": "seconds"' "$(lab_ctl --json capture --seconds 2 "$LAB_DIR/seconds.pcapng" 2>/dev/null)"
expect_between "after so many" 2000 2900 $((($(date +%s%N) - before) / 1000000))
expect "a capture of nothing is a file all the same" packets --check "$LAB_DIR/seconds.pcapng"

capture_start first "$LAB_DIR/first.pcapng" || fail "a capture begins"
refused "a second one beside it" 'another capture is running' "$LAB_DIR/second.pcapng"
telemetry /portico/capture_stop >/dev/null
telemetry /portico/capture_stop,9999 >/dev/null
expect_equal "whoever does not own it does not end it" running "$(status_field state)"
kill -KILL "$CAPTURE_PID"
expect "SIGKILL of porticoctl ends it within 4 s" ended_within 4 "reader gone"
capture_start asleep "$LAB_DIR/asleep.pcapng" || fail "a capture begins"
kill -STOP "$CAPTURE_PID"
expect "porticoctl that says nothing ends it within 4 s" ended_within 4 "porticoctl silent"
kill -CONT "$CAPTURE_PID"
expect "and learns of it" capture_end "$CAPTURE_PID"

# --- into a pipe -------------------------------------------------------------------------------

lab_in dut bash -c "'$PORTICOCTL' -p $LAB_PREFIX capture --filter 'udp port 53' - 2>'$LAB_DIR/live.errors' |
	timeout 10 tcpdump -n -l -c 4 -r - 2>/dev/null" >"$LAB_DIR/live" &
live_pid=$!
sleep 0.7
ask_for v4only.example >/dev/null
sleep 0.3
expect_equal "capture - | tcpdump shows packets as they come" 4 "$(grep -c ' IP 198.18.0' "$LAB_DIR/live")"
sed 's/^/     | /' "$LAB_DIR/live"
wait $live_pid
expect "its reader's end ends it" ended_within 4 stopped
expect_match "and the figures go to stderr" '^4 captured, 0 dropped' "$(cat "$LAB_DIR/live.errors")"

capture_start short --snaplen 64 --count 4 --filter 'udp port 53' "$LAB_DIR/short.pcapng" || fail "a capture begins"
ask_for v4only.example >/dev/null
expect "--snaplen" capture_end "$CAPTURE_PID"
expect "leaves a whole file" packets --check "$LAB_DIR/short.pcapng"
expect_equal "cuts, and keeps the lengths" "64 yes" \
	"$(packets --check "$LAB_DIR/short.pcapng" | awk '{ print $5, ($6 > 64 ? "yes" : "no") }' | sort -u)"

# --- under load --------------------------------------------------------------------------------

for attempt in 1 2 3; do
	seq -f "c$attempt-%.0f.perf.test A" 6000 >"$LAB_DIR/load"
	capture_start "load$attempt" --filter 'udp port 53' "$LAB_DIR/load$attempt.pcapng" || fail "a capture begins"
	result=$(lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/load" -n 1 -Q 2000 -l 10 -t 5 -q 2000 -c 8 -T 1 2>&1)
	sleep 0.2
	kill -TERM "$CAPTURE_PID"
	capture_end "$CAPTURE_PID"
	log=$(cat "$LAB_DIR/load$attempt.log")
	! { grep -Eq 'Queries lost: +0 ' <<<"$result" && grep -q ', 0 dropped' <<<"$log"; } || break
done
grep -E 'Queries|Latency|Run time' <<<"$result" | sed 's/^ */     | /'
expect_match "2,000 questions a second while captured: none lost" 'Queries lost: +0 ' "$result"
expect_match "none dropped by capture" '^[0-9]+ captured, 0 dropped' "$log"
captured=$(sed -nE 's/^([0-9]+) captured.*/\1/p' <<<"$log")
# A server that is late, on a busy machine, is asked again.
expect_between "four packets each" 24000 24400 "$captured"
expect_equal "all in the file" "$captured" "$(packets --check "$LAB_DIR/load$attempt.pcapng" | wc -l)"
expect_equal "each question in, and each answer out, once" "6000 6000" \
	"$(packets "$LAB_DIR/load$attempt.pcapng" | awk '
		$2 == "in" && $7 ~ /^198\.18\.0\.10#/ { asked[$13]++ } $2 == "out" && $9 ~ /^198\.18\.0\.10#/ { answered[$13]++ }
		END { for (n in asked) a += asked[n] == 1; for (n in answered) b += answered[n] == 1; print a, b }')"

capture_start last "$LAB_DIR/last.pcapng" || fail "a capture begins"
expect "Portico answers" ask_for v4only.example
expect "SIGTERM with a capture running: exit status 0" lab_stop_portico
expect "porticoctl learns of it: exit status 0" capture_end "$CAPTURE_PID"
expect_match "with the figures" '^[0-9]+ captured, 0 dropped' "$(cat "$LAB_DIR/last.log")"
expect "and the file is whole" packets --check "$LAB_DIR/last.pcapng"
expect_match "down to the last answer" ' out .*v4only.example' "$(packets "$LAB_DIR/last.pcapng")"
