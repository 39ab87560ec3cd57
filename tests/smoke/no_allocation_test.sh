#!/bin/bash
# A worker's loop takes no memory and makes no system calls but its driver's, its naps and the waking of others;
# when there is nothing to do it rests, and wakes in time.
# alone: CPU time and the time of an answer are measured
# variants: workers=1,4
# variants: workers=2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke

# System calls that a worker may make, each with its reason.
allowed="
sendto           af_packet, af_xdp: tells the kernel that frames stand in the ring
poll             af_packet: waits for a place in a full ring
recvfrom         af_xdp: has the kernel look at the interface, as nobody else does
ppoll            nap: nothing to do, until a time or until another worker has something for us
read             the end of a nap that another worker ended
write            ends the nap of another worker
clock_nanosleep  nap: nothing to do
restart_syscall  a nap that strace interrupted
"

lab_prefer
lab_up
expect "the counter is built" gcc -shared -fPIC -O2 -Wall -Wextra -Werror -o "$LAB_DIR/count_allocations.so" \
	"$here/count_allocations.c" -ldl || exit 1
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"]}
CONF
program=$PORTICO
cat >"$LAB_DIR/counted" <<CONF
#!/bin/sh
COUNT_ALLOCATIONS="$LAB_DIR/counts" LD_PRELOAD="$LAB_DIR/count_allocations.so" exec "$program" "\$@"
CONF
chmod +x "$LAB_DIR/counted"
PORTICO=$LAB_DIR/counted
lab_portico "$LAB_DIR/portico.yaml" || exit 1
PORTICO=$program

counts() {
	/usr/bin/python3 "$here/show_allocations.py" "$LAB_DIR/counts" "$PORTICO_PID" "$@"
}

# The threads that eat the packets: named after their lcores by DPDK.
worker_tids() {
	local task
	for task in /proc/"$PORTICO_PID"/task/*; do
		! grep -q '^rte-worker\|^lcore-worker\|^dpdk-worker' "$task/comm" || basename "$task"
	done
}

load() {
	seq -f "$1-%.0f.perf.test A" $(($2 * $3)) >"$LAB_DIR/load"
	lab_in cli dnsperf -s "$4" -d "$LAB_DIR/load" -n 1 -Q "$2" -t 5 -q 5000 -c 16 2>&1
}

# CPU time of a thread in clock ticks
ticks() {
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$PORTICO_PID/task/$1/stat"
}

# Of each worker, what it has taken and given back
worker_counts() {
	local worker
	for worker in $workers; do
		counts | grep "^$worker "
	done
}

workers=$(worker_tids)
expect_equal "there are worker threads, $LAB_WORKERS of them" "$LAB_WORKERS" "$(wc -w <<<"$workers")"
expect_between "at start memory was taken and counted" 100 999999999 \
	"$(counts | awk '{ sum += $NF } END { print sum }')"
before=$(worker_counts)
result=$(load a 5000 2 $LAB_PORTICO_V4)
expect_match "10,000 questions over IPv4 are answered" 'NOERROR 10000 \(100.00%\)' "$result"
result=$(load b 5000 2 $LAB_PORTICO_V6)
expect_match "10,000 over IPv6" 'NOERROR 10000 \(100.00%\)' "$result"
lab_dig +short +edns=1 www.perf.test >/dev/null
lab_dig +short norecursion.perf.test +norecurse >/dev/null
lab_in cli /usr/bin/python3 "$here/echo_ping.py" $LAB_PORTICO_V4 >/dev/null
others_before=$(counts | awk '{ sum += $NF } END { print sum }')
lab_ctl upstreams >/dev/null
lab_ctl inflight >/dev/null
expect_between "the thread that reports did take memory, and was seen" $((others_before + 1)) 999999999 \
	"$(counts | awk '{ sum += $NF } END { print sum }')"
expect_equal "meanwhile no worker took or gave back memory" "$before" "$(worker_counts)"
expect "every worker took part" lab_workers_took_part

# Under load, from outside: their system calls.
load c 3000 4 $LAB_PORTICO_V4 >"$LAB_DIR/load.log" &
load_pid=$!
sleep 1
timeout -s INT 2 strace -c -o "$LAB_DIR/strace" $(printf ' -p %s' $workers) 2>/dev/null
wait $load_pid
awk '$1 ~ /^[0-9.]+$/ && $NF != "total" { print $NF, $4 }' "$LAB_DIR/strace" | sort >"$LAB_DIR/calls"
sed 's/^/     | /' "$LAB_DIR/calls"
expect_between "under load they were seen making system calls" 1 99999999 \
	"$(awk '{ n += $2 } END { print n }' "$LAB_DIR/calls")"
expect_equal "none but their driver's, naps and the waking of others" "" \
	"$(cut -d ' ' -f 1 "$LAB_DIR/calls" | grep -vxF -f <(awk 'NF { print $1 }' <<<"$allowed"))"

# Nothing to do. expect_idle TEXT
expect_idle() {
	local worker before used
	for worker in $workers; do
		ticks "$worker"
	done >"$LAB_DIR/ticks"
	sleep 3
	for worker in $workers; do
		read -r before
		used=$(($(ticks "$worker") - before))
		echo "     | idle: $used clock ticks in 3 s"
		expect_between "$1 a worker uses less than 5 % of a core" 0 $((15 * $(getconf CLK_TCK) / 100 - 1)) $used
	done <"$LAB_DIR/ticks"
}
sleep 0.5
expect_idle "at no load"
if [[ $LAB_DEVICE == af_packet* ]]; then
	# Its sockets report the error for as long as it lasts.
	ip -n "$LAB_DUT" link set eth0 down
	sleep 0.5
	expect_idle "while its device is down"
	ip -n "$LAB_DUT" link set eth0 up
	sleep 1
	lab_dig +short www.perf.test >/dev/null
fi
# The middle one of eleven, as others may have the core. A worker that receives from no device naps for 10 ms: a question that
# is passed to it has to wake it.
took=$(for i in $(seq 11); do
	sleep 0.2
	lab_dig "first-after-pause-$i.perf.test" A +stats -u | sed -nE 's/^;; Query time: ([0-9]+) usec/\1/p'
done | sort -n | sed -n 6p)
echo "     | first answer after a pause, median: $took us"
expect_between "and the first answer after a pause comes within 4 ms" 1 3999 "$took"
expect "SIGTERM: exit status 0" lab_stop_portico
