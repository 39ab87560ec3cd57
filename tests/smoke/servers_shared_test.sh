#!/bin/bash
# Four workers, one knowledge of the servers: what one worker finds out all go by, a dead server is probed once a
# second by one of them, and porticoctl shows a server once, whoever asked it, and what is under way in each.
. "$(dirname "$0")/../lab/lab.sh"
WORKERS=4
DEAD=198.18.0.20 LIVE=2001:2:0:1::21
PROBE_SECONDS=6

lab_up
lab_upstream dead $DEAD || exit 1
dead_pid=$LAB_PID
lab_upstream live $LIVE || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: ".", to: [$DEAD, "$LIVE"], policy: round_robin, timeout_ms: 300}
	  - {zone: slow.test, to: ["$LIVE"], timeout_ms: 3500}
CONF
sed -i "s/^workers: .*/workers: $WORKERS/" "$LAB_DIR/portico.yaml"
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# ask_many TAG COUNT: so many names, each from a flow of its own
ask_many() {
	local i
	for ((i = 0; i < $2; i++)); do
		echo "$1$i.x.test A"
	done >"$LAB_DIR/$1.names"
	lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/$1.names" -n 1 -c 16 -t 5 >"$LAB_DIR/$1.log" 2>&1
}

# field SERVER KEY
field() {
	lab_ctl upstreams --json | sed -nE "s/.*\"server\": \"$1\",.*\"$2\": \"?([^\",}]*).*/\\1/p"
}

# sum of worker_N_$1 over the workers
worker_sum() {
	lab_ctl stats | awk -v what="$1" '$1 ~ "^worker_[0-9]+_" what "$" { sum += $2; rows++ }
		END { print sum + 0, rows + 0 }'
}

ask_many first 400
expect_match "all are answered" 'Queries lost: +0 ' "$(cat "$LAB_DIR/first.log")"
expect_equal "a server is one row over all workers" 2 "$(lab_ctl upstreams | grep -cE '^(198\.18|2001)')"
expect_equal "its queries are those of all workers" "$(lab_stat upstream_queries)" \
	$(($(field $DEAD queries) + $(field $LIVE queries)))
expect_equal "and so are its responses" "$(lab_stat upstream_responses)" \
	$(($(field $DEAD responses) + $(field $LIVE responses)))
expect_between "its round-trip time is known" 1 299999 "$(field $LIVE srtt_us)"
# A packet of the neighbours' may come between two looks.
before=$(lab_stat rx_packets)
read -r sum rows < <(worker_sum rx_packets)
expect_between "stats count each worker's packets" "$before" "$(lab_stat rx_packets)" "$sum"
expect_equal "a row a worker" $WORKERS "$rows"
expect_equal "and its queries" "$(lab_stat queries) $WORKERS" "$(worker_sum queries)"

lab_stop $dead_pid
ask_many second 400
expect_match "one server dies: all are answered" 'Queries lost: +0 ' "$(cat "$LAB_DIR/second.log")"
expect_equal "it is down" down "$(field $DEAD state)"
timeouts=$(field $DEAD timeouts)
ask_many third 400
expect_between "and no worker asks it any more, but by probes" 0 3 $(($(field $DEAD timeouts) - timeouts))
probes=$(lab_stat probes)
sleep $PROBE_SECONDS
expect_between "which are one a second, however many workers" $((PROBE_SECONDS - 2)) $((PROBE_SECONDS + 1)) \
	$(($(lab_stat probes) - probes))
lab_upstream returned $DEAD || exit 1
for ((i = 0; i < 40; i++)); do
	[ "$(field $DEAD state)" != up ] || break
	sleep 0.05
done
expect_equal "it is up within 2 s of its return" up "$(field $DEAD state)"

for ((i = 0; i < 40; i++)); do
	echo "withhold.s$i.slow.test A"
done >"$LAB_DIR/slow.names"
lab_start slow cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/slow.names" -n 1 -c 8 -t 5
slow_pid=$LAB_PID
sleep 1
lab_ctl inflight >"$LAB_DIR/inflight"
expect_equal "inflight shows what is under way in all workers" 40 "$(grep -c 'slow\.test' "$LAB_DIR/inflight")"
expect_match "and in which" ' worker ' "$(head -1 "$LAB_DIR/inflight")"
expect_between "which is more than one" 2 $WORKERS "$(awk 'NR == 1 { column = index($0, " worker ") + 1 }
	/slow\.test/ { print substr($0, column) + 0 }' "$LAB_DIR/inflight" | sort -u | wc -l)"
lab_tell live release >/dev/null
wait $slow_pid
expect_match "all of these are answered too" 'Queries lost: +0 ' "$(cat "$LAB_DIR/slow.log")"
expect "SIGTERM: exit status 0" lab_stop_portico
