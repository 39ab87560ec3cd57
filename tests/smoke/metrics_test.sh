#!/bin/bash
# Prometheus' page: the numbers of `porticoctl stats` under their names, histograms of latency; nothing else is served.
# variants: workers=2
. "$(dirname "$0")/../lab/lab.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
PORT=9153

lab_up
lab_upstream one 198.18.0.20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward: [{zone: ".", to: [198.18.0.20, "2001:2:0:1::21"], policy: in_order}]
	metrics: {listen: 127.0.0.1@$PORT}
CONF
lab_in dut ip link set lo up
lab_portico "$LAB_DIR/portico.yaml" || exit 1

for ((i = 0; i < 200; i++)); do echo "m$((i % 50)).x.test A"; done >"$LAB_DIR/names"
lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 5 -c 4 -q 10 -t 5 >"$LAB_DIR/dnsperf.log" 2>&1
expect_match "all are answered" 'Queries lost: +0 ' "$(cat "$LAB_DIR/dnsperf.log")"
expect_between "most of them from the cache" 500 999 "$(lab_stat cache_hits)"

lab_ctl stats --json >"$LAB_DIR/stats.json"
while read -r word text; do
	case $word in
	ok) ok "$text" ;;
	*) fail "$word $text" ;;
	esac
done < <(lab_in dut "$HERE/metrics_page.py" $PORT <"$LAB_DIR/stats.json" 2>&1)
expect_match "another path is not there" '^404 ' "$(lab_in dut "$HERE/metrics_page.py" $PORT --get /)"
expect_match "another method is refused" '^405 ' \
	"$(lab_in dut "$HERE/metrics_page.py" $PORT --get /metrics --method POST)"

# The port is somebody's: a start is refused, in words.
lab_stop_portico
lab_start holder dut python3 -uc "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', $PORT)); s.listen(); print('bound'); time.sleep(60)"
lab_wait_for 5 "$LAB_PID" "$LAB_DIR/holder.log" bound
lab_start refused dut "$PORTICO" -c "$LAB_DIR/portico.yaml"
lab_wait_for 20 "$LAB_PID" "$LAB_DIR/refused.log" 'ended exit_code=' || kill "$LAB_PID"
wait "$LAB_PID"
expect_equal "a port that is taken: the start is refused" 1 $?
expect_match "and why" "cannot listen at=127.0.0.1@$PORT.*in use.*remedy=" "$(cat "$LAB_DIR/refused.log")"
