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

# --- reloads that move it ---
# page ADDRESS: the status line of what is served there; empty: nothing is
page() {
	lab_in dut timeout 5 bash -c "exec 2>/dev/null 3<>/dev/tcp/$1/$PORT &&
		printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3"
}
# move ADDRESS@PORT
move() {
	sed -i "s/^metrics: .*/metrics: {listen: $1}/" "$LAB_DIR/portico.yaml"
	lab_ctl reload 2>&1
}
OTHER=198.18.77.1
lab_in dut ip address add $OTHER/32 dev lo
expect "to all addresses, the port it has: exit status 0" move 0.0.0.0@$PORT
expect_match "it is served at another one" '^HTTP/1.. 200' "$(page $OTHER)"
expect_match "and at the same" '^HTTP/1.. 200' "$(page 127.0.0.1)"
expect "back: exit status 0" move 127.0.0.1@$PORT
expect_match "it is served there" '^HTTP/1.. 200' "$(page 127.0.0.1)"
expect_equal "and nowhere else" "" "$(page $OTHER)"
hold() {
	lab_start "$1" dut python3 -uc "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('$2', $PORT)); s.listen(); print('bound'); time.sleep(60)"
	lab_wait_for 5 "$LAB_PID" "$LAB_DIR/$1.log" bound
}
hold other $OTHER
output=$(move 0.0.0.0@$PORT)
expect_equal "to all addresses, one of them taken: exit status 1" 1 $?
expect_match "and why" "cannot listen at=0.0.0.0@$PORT.*in use" "$output"
expect_match "it is served where it was" '^HTTP/1.. 200' "$(page 127.0.0.1)"
lab_stop "$LAB_PID"
expect "none: exit status 0" move none
expect_equal "it is not served" "" "$(page 127.0.0.1)"
expect "again: exit status 0" move 127.0.0.1@$PORT
expect_match "it is served" '^HTTP/1.. 200' "$(page 127.0.0.1)"

# The port is somebody's: a start is refused, in words.
lab_stop_portico
hold holder 127.0.0.1
lab_start refused dut "$PORTICO" -c "$LAB_DIR/portico.yaml"
lab_wait_for 20 "$LAB_PID" "$LAB_DIR/refused.log" 'ended exit_code=' || kill "$LAB_PID"
wait "$LAB_PID"
expect_equal "a port that is taken: the start is refused" 1 $?
expect_match "and why" "cannot listen at=127.0.0.1@$PORT.*in use.*remedy=" "$(cat "$LAB_DIR/refused.log")"
