#!/bin/bash
# 100,000 and more upstream queries as a server sees them: their ports, IDs and letter case cannot be told from
# chance, nor do they tell anything of flows, names or workers: the sets of ports of any two of 6 fixed client flows,
# of any two of 12 names (each of them is always asked by the same worker), and of the workers that received the flows overlap
# as chance has it. So do they for 100,000 more while a server holds 60,000 answers back; and whoever guesses
# that the ports of those are not drawn again gains nothing (SECURITY.md A3, T-PORT-PART).
#   PORTS_QUERIES         of each half (100000)
#   HELD_TICKETS          (60000)
# alone: no question may be lost at 10,000 a second
# variants: workers=1
# variants: workers=2,4 device=af_packet2
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
QUERIES=${PORTS_QUERIES:-100000}
HELD=${HELD_TICKETS:-60000}
FLOWS=6
NAMES=12
QPS=10000
HOLDERS=60

lab_prefer
lab_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
# A server that takes all queries and answers none.
lab_start silent srv /usr/bin/python3 -c '
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("198.18.0.22", 53))
time.sleep(1000000)'
for ((i = 0; i < HOLDERS; i++)); do
	echo "address add 198.18.0.$((100 + i))/24 dev eth0"
done | ip -n "$LAB_CLI" -batch -
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	outgoing: {late_ms: 60000}
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
	  - {zone: other.perf.test, to: [198.18.0.20]}
	  - {zone: held.test, to: [198.18.0.22], tries: 3, timeout_ms: 800}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
# The ports that are not eligible, out of their one table.
sed -nE 's/^\t\{([0-9]+), ([0-9]+), ".*/\1-\2/p' "$LAB_ROOT/core/port_set.c" >"$LAB_DIR/excluded"

stats() {
	/usr/bin/python3 "$LAB_HERE/capture_stats.py" --exclude-file "$LAB_DIR/excluded" "$@"
}

show() {
	grep -E "^(queries|eligible|held|share|bad|$1)" "$LAB_DIR/figures" | sed 's/^/     | /'
}

received_by() {
	local worker
	for ((worker = 0; worker < LAB_WORKERS; worker++)); do
		echo "$worker $(lab_stat "worker_${worker}_queries")"
	done
}

# ask NAME ARGS: dnsperf on the names in LAB_DIR/NAME
ask() {
	local name=$1
	shift
	lab_start "$name" cli dnsperf -d "$LAB_DIR/$name" -t 5 -T 1 "$@"
}

server_of() {
	[ $(($1 % 2)) -eq 0 ] && echo $LAB_PORTICO_V4 || echo $LAB_PORTICO_V6
}

# first_worker FLOW PORT: the worker at which questions of this flow arrive
first_worker() {
	local before pid
	before=$(received_by)
	seq -f "probe-$1-$2-%.0f.perf.test A" 20 >"$LAB_DIR/probe"
	ask probe -s "$(server_of "$1")" -x "$2" -c 1 -n 1 -q 20
	wait "$LAB_PID"
	paste -d ' ' <(echo "$before") <(received_by) | awk '$4 - $2 > most { most = $4 - $2; worker = $1 }
		END { print worker + 0 }'
}

expect "the statistics tell slices, leases and patterns from chance" stats --self-check

# Flows with ports of their own, half of them at every worker that receives any, if a few tries find them.
declare -A at_worker=()
flows=()
for ((port = 20000; port < 20000 + 4 * FLOWS && ${#flows[@]} < FLOWS; port++)); do
	worker=$(first_worker ${#flows[@]} $port)
	left=$((20000 + 4 * FLOWS - port))
	if [ "${at_worker[$worker]:-0}" -lt $((FLOWS / 2)) ] || [ "$LAB_DEVICE" != af_packet2 ] ||
		[ $left -le $((FLOWS - ${#flows[@]})) ]; then
		at_worker[$worker]=$((${at_worker[$worker]:-0} + 1))
		flows+=("$port $worker")
	fi
done
echo "     | flows' ports and the workers that receive them: $(printf '%s, ' "${flows[@]}")"
expect_equal "there are $FLOWS flows" $FLOWS ${#flows[@]}

# Half of the queries are for names asked once, half for names asked over and over.
lab_capture "$LAB_DIR/first.pcap" "udp dst port 53 and (src host $LAB_PORTICO_V4 or src host $LAB_PORTICO_V6)" || exit 1
capture_pid=$LAB_PID
pids=""
share=$((QUERIES * 6 / 10 / FLOWS))
for ((i = 0; i < FLOWS; i++)); do
	read -r port worker <<<"${flows[i]}"
	seq -f "f$i.w$worker.%.0f.perf.test A" $share >"$LAB_DIR/flow$i"
	ask flow$i -s "$(server_of $i)" -x "$port" -c 1 -n 1 -q 200 -Q $((QPS / 2 / FLOWS))
	pids="$pids $LAB_PID"
done
seq -f "name%.0f.n.perf.test A" $NAMES >"$LAB_DIR/names"
ask names -s $LAB_PORTICO_V4 -c 1 -n $((QUERIES * 6 / 10 / NAMES)) -q $((NAMES / 2)) -Q $((QPS / 2))
wait $pids $LAB_PID
sleep 0.3
lab_stop $capture_pid
for ((i = 0; i < FLOWS; i++)); do
	expect_match "flow $i: every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$(cat "$LAB_DIR/flow$i.log")"
done
expect_match "names asked over and over: every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' \
	"$(cat "$LAB_DIR/names.log")"
stats "$LAB_DIR/first.pcap" --at-least "$QUERIES" --case --groups '^f\d+' --groups '(?<=\.)w\d+(?=\.)' --groups '^name\d+' \
	--group-count $FLOWS --group-count ${#at_worker[@]} --group-count $NAMES >"$LAB_DIR/figures"
status=$?
show 'port_|id_|overlap_[fw]|group_[fw][0-9]*_queries'
grep '^overlap_name' "$LAB_DIR/figures" | awk '{ if ($2 * $2 > most * most) most = $2; n++ }
	END { print "     | overlaps of " n " pairs of names: the farthest z is " most }'
expect_equal "$(sed -n 's/^queries //p' "$LAB_DIR/figures") queries: ports, IDs, letter case and overlaps are as chance has it" \
	0 $status

# The silent server: three tickets a question.
lab_capture "$LAB_DIR/second.pcap" "udp dst port 53 and src host $LAB_PORTICO_V4" || exit 1
capture_pid=$LAB_PID
lab_in cli /usr/bin/python3 "$here/ask_and_forget.py" $LAB_PORTICO_V4 "x%d.held.test" --count $((HELD * 11 / 30)) \
	--rate 6000 --first-source 198.18.0.100 --source-count $HOLDERS | sed 's/^/     | /'
sleep 3
held=$(($(lab_stat tickets_out) + $(lab_stat tickets_late)))
echo "     | tickets out $(lab_stat tickets_out), late $(lab_stat tickets_late)"
expect_between "a server holds $HELD answers back" "$HELD" 999999 "$held"
seq -f "g%.0f.other.perf.test A" "$QUERIES" >"$LAB_DIR/others"
# Many sockets, as each buffers only what net.core.rmem_max allows.
ask others -s $LAB_PORTICO_V4 -c 64 -b 8192 -n 1 -q 10000 -Q $QPS
wait "$LAB_PID"
sleep 0.3
expect_between "and still does" "$HELD" 999999 $(($(lab_stat tickets_out) + $(lab_stat tickets_late)))
lab_stop $capture_pid
expect_match "other questions: none was lost" 'Queries lost: +0 ' "$(cat "$LAB_DIR/others.log")"
expect_match "every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$(cat "$LAB_DIR/others.log")"
# 60,000 throws hit 39,000 of 64,478 ports.
stats "$LAB_DIR/second.pcap" --prefix g --held 198.18.0.22 --held-at-least $((HELD * 6 / 10)) --at-least $((QUERIES * 95 / 100)) \
	--case >"$LAB_DIR/figures"
status=$?
show 'port_|id_'
expect_equal "ports held are drawn like all others, and the others are as chance has it" 0 $status
expect "SIGTERM: exit status 0" lab_stop_portico
