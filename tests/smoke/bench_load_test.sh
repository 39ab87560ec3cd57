#!/bin/bash
# The load generator of bench/load against Portico, over memif: no kernel interface, no NIC, no huge pages. It gets its
# 20,000 answers, all right; Portico answers behind servers that lie about IDs or say nothing; and an answer that is wrong in
# its address, rcode or TTL is noticed, so that "0 wrong" means something.
# alone: generator and Portico poll
. "$(dirname "$0")/../lab/lab.sh"
LOAD=${LOAD:-$LAB_ROOT/build/bench/load}

lab_up
if [ ! -x "$LOAD" ]; then
	fail "$LOAD is not there: make"
	exit 1
fi
socket=$LAB_DIR/memif.sock
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
	mode: forward
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# load ARGUMENTS...: sets load_status and load_figures (JSON); the last lines are shown where it failed. No two runs ask
# for the same name. With meanwhile=COMMAND: COMMAND PID runs beside it.
seed=0
load() {
	seed=$((seed + 1))
	timeout 60 "$LOAD" --vdev="net_memif0,role=client,id=0,socket=$socket,socket-abstract=no,mac=02:00:00:00:00:20" \
		--file-prefix="$LAB_PREFIX-load" --memory-mb=128 --mbufs=16383 --nap-us=50 --seed=$seed \
		--json="$LAB_DIR/load.json" "$@" >"$LAB_DIR/load.log" 2>&1 &
	[ -z "${meanwhile:-}" ] || $meanwhile $!
	wait $!
	load_status=$?
}

# take_its_core_away PID-OF-TIMEOUT: for half a second, while it measures.
take_its_core_away() {
	local pid
	lab_wait_for 30 "$1" "$LAB_DIR/load.log" '^load: measuring' || return
	pid=$(pgrep -P "$1")
	sleep 0.5
	kill -STOP "$pid"
	sleep 0.5
	kill -CONT "$pid"
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

load --outstanding=64 --count=20000 --check-every=1 --family=mixed --mixed-case --types=A,AAAA,MX --edns=80 --do=20 --nxdomain=10
sed -n '/questions over/p;/latency/p' "$LAB_DIR/load.log" | sed 's/^/     | /'
expect_equal "20,000 questions over memif: exit status" 0 $load_status
expect_equal "sent, lost, wrong, late" "20000 0 0 0" "$(figures sent lost wrong late)"
expect_between "every answer was compared in full" 20000 20100 "$(figure checked)"
expect_equal "the answers are NOERROR or NXDOMAIN" "$(figure answered)" $(($(figure noerror) + $(figure nxdomain)))
expect_between "some names do not exist" 1500 2500 "$(figure nxdomain)"
expect_between "each was asked upstream" 20000 20500 "$(figure upstream_queries)"
expect_between "half of them of each server" 9000 11500 "$(figure upstream_server_1)"
expect_equal "nothing came that is no packet for us" 0 "$(figure garbage)"

load --seconds=1 --rate=3000 --check-every=1 --delay-us=5000-9000
expect_equal "open loop, answers delayed by 5 to 9 ms: exit status" 0 $load_status
# Its end, too, may come while it is off its core: 30 ms of what is due.
expect_between "sent by schedule, but for what was due while it was off its core" 2000 3100 \
	$(($(figure sent) + $(figure unsent_away)))
expect_equal "lost, wrong" "0 0" "$(figures lost wrong)"
median=$(figure latency_us_p50)
expect_between "half of all waited for more than the shortest delay" 6000 2000000 "${median%.*}"
meanwhile=take_its_core_away load --seconds=2 --rate=3000 --uniform=100 --warm --timeout-ms=200
expect_equal "off its core for longer than the timeout: exit status, lost, wrong" "0 0 0" "$load_status $(figures lost wrong)"
expect_between "it says how often" 1 1000 "$(figure away)"
expect_between "it says for how long" 450 10000 "$(figure away_ms_max | cut -d. -f1)"
expect_between "it did not ask for what was due then" 1000 6000 "$(figure unsent_away)"
expect_between "nor all at once when it was back" 1 $((6030 - $(figure unsent_away))) "$(figure sent)"

# Each question takes three tries with pauses between them: where the machine stands still for a second meanwhile, they
# may be over. Three times in a row is no accident.
for attempt in 1 2 3; do
	load --outstanding=64 --count=2000 --check-every=1 --wrong-id=1 --timeout-ms=10000
	[ $load_status -eq 0 ] && [ "$(figures servfail lost)" != "0 0" ] || break
	echo "     | attempt $attempt: SERVFAIL, lost: $(figures servfail lost)"
done
expect_equal "a wrong ID before each right one: exit status" 0 $load_status
expect_equal "sent, lost, wrong, not NOERROR" "2000 0 0 0" \
	"$(figures sent lost wrong) $(($(figure answered) - $(figure noerror)))"
expect_between "they were sent" 2000 99999 "$(figure upstream_wrong_ids)"
expect_between "and seen" 2000 99999 "$(lab_stat near_misses)"

load --outstanding=64 --count=2000 --check-every=1 --silent=1
expect_equal "one of two servers says nothing: exit status" 0 $load_status
expect_equal "sent, lost, wrong, not NOERROR" "2000 0 0 0" \
	"$(figures sent lost wrong) $(($(figure answered) - $(figure noerror)))"
expect_between "it was asked" 1 99999 "$(figure upstream_server_1)"

load --outstanding=64 --count=2000 --check-every=1 --mutate=address,100
expect_equal "one record in 100 is wrong: exit status" 1 $load_status
expect_between "records that were" 20 25 "$(figure upstream_mutated)"
expect_equal "each of them is noticed" "$(figure upstream_mutated)" "$(figure wrong_record)"

# A set that is asked for in order, then by Zipf's law, beside names never asked before.
load --outstanding=64 --count=20000 --zipf=2000,0.95 --warm --hit-ratio=80 --nxdomain=10 --cdf="$LAB_DIR/load.csv"
expect_equal "80 % of questions for a warm set: exit status, sent, lost, wrong" "0 20000 0 0" "$load_status $(figures sent lost wrong)"
expect_between "so many of them for the set" 15500 16500 "$(figure sent_set)"
expect_equal "both kinds are answered" 20000 $(($(figure answered_set) + $(figure answered_new)))
expect_equal "the classes of the latency file" "new set" "$(cut -d, -f1 "$LAB_DIR/load.csv" | grep -v class | sort -u | paste -s -d ' ')"
expect_match "it ends with all of them" '^new,[0-9.]+,1\.000000000$' "$(tail -n 1 "$LAB_DIR/load.csv")"

load --mode=sideways
expect_equal "bad usage: exit status" 2 $load_status

# A server that was killed leaves its socket behind; the next one must come up all the same, and leave none when it ends.
kill -KILL "$PORTICO_PID"
wait "$PORTICO_PID" 2>/dev/null
expect "killed: the socket is still there" test -S "$socket"
expect "the next Portico comes up" lab_portico "$LAB_DIR/portico.yaml"
load --outstanding=64 --count=2000 --check-every=1
expect_equal "and answers: exit status, sent, lost, wrong" "0 2000 0 0" "$load_status $(figures sent lost wrong)"
expect "SIGTERM: exit status 0" lab_stop_portico
expect "no socket is left" test ! -e "$socket"

# Without Portico between them, the generator's own servers play the cache: what they say must be judged right or wrong,
# as it is. All by the quick check that every answer gets (--check-every=1000000000), and all again by the full one.
direct_socket=$LAB_DIR/direct.sock

# direct SERVER-ARGUMENTS CLIENT-ARGUMENTS: sets load_status and the figures.
direct() {
	local server_pid
	timeout 60 "$LOAD" --vdev="net_memif0,role=server,id=0,socket=$direct_socket,socket-abstract=no" --mode=server --seconds=50 \
		--servers=198.18.0.53,2001:2:0:1::53 --gateway=198.18.0.9 --file-prefix="$LAB_PREFIX-direct" --memory-mb=128 \
		--mbufs=16383 --nap-us=50 --nxdomain=10 $1 >"$LAB_DIR/direct.log" 2>&1 &
	server_pid=$!
	for attempt in {1..100}; do
		[ ! -S "$direct_socket" ] || break
		sleep 0.1
	done
	sleep 0.5
	timeout 60 "$LOAD" --vdev="net_memif0,role=client,id=0,socket=$direct_socket,socket-abstract=no,mac=02:00:00:00:00:20" \
		--mode=client --file-prefix="$LAB_PREFIX-load" --memory-mb=128 --mbufs=16383 --nap-us=50 --nxdomain=10 \
		--family=mixed --types=A,AAAA,MX --uniform=1000 --json="$LAB_DIR/load.json" $2 >"$LAB_DIR/load.log" 2>&1
	load_status=$?
	kill -TERM $server_pid
	wait $server_pid
	rm -f "$direct_socket"
}

for check in 1 1000000000; do
	direct "--ttl-clock" "--ttl-falls --seconds=3 --rate=5000 --check-every=$check"
	expect_equal "TTLs that fall (check every $check): exit status, lost, wrong" "0 0 0" "$load_status $(figures lost wrong)"
	for kind in ttl:wrong_ttl rcode:wrong_rcode address:wrong_record; do
		direct "--mutate=${kind%:*},100" "--outstanding=32 --count=20000 --check-every=$check"
		expect_equal "one wrong ${kind%:*} in 100 (check every $check): exit status" 1 $load_status
		# An answer that is a denial already, or has no address, cannot be mutated in these.
		expect_between "as many are noticed as ${kind#*:}" 50 201 "$(figure ${kind#*:})"
		expect_equal "and nothing else" "$(figure wrong)" "$(figure ${kind#*:})"
	done
	# In the second and third second the clock has taken more than a second from the TTLs: 10,000 questions.
	direct "--ttl-clock --mutate=grow,100" "--ttl-falls --seconds=4 --rate=5000 --check-every=$check"
	expect_equal "one TTL in 100 grows again (check every $check): exit status" 1 $load_status
	expect_between "it is noticed" 50 200 "$(figure wrong_grown)"
	expect_equal "and nothing else" "$(figure wrong)" "$(figure wrong_grown)"
done
direct "" "--ttl-falls --seconds=3 --rate=5000"
expect_between "TTLs that never fall are noticed" 3000 15000 $(($(figure wrong_grown) + $(figure unsent_away)))
