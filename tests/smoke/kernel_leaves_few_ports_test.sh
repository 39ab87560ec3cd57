#!/bin/bash
# A sysctl or a local user must not decide that all queries leave from a few known ports: where the kernel's word would leave
# fewer than 1,024, others are kept, by lot; all is said, and comes back when it is over. What processes hold is theirs as
# long as it can be.
# variants: workers=2
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/shared_nic.sh"

shared_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	outgoing: {respect_kernel: true}
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"]}
CONF
sed -i 's/kernel: none/kernel: bifurcated/' "$LAB_DIR/portico.yaml"
ephemeral=$(lab_in dut cat /proc/sys/net/ipv4/ip_local_port_range | tr '\t' ' ')

# is_within SECONDS NAME REGEX: the counter becomes so
is_within() {
	local i
	for ((i = 0; i < $1 * 10; i++)); do
		[[ "$(lab_stat "$2")" =~ ^($3)$ ]] && return
		sleep 0.1
	done
	echo "$2 is $(lab_stat "$2")"
	return 1
}

lab_portico "$LAB_DIR/portico.yaml" || exit 1
before=$(lab_stat eligible_ports)
expect_between "with the kernel as it comes" 20000 65000 "$before"
expect_equal "nothing is kept" 0 "$(lab_stat ports_kept)"

lab_in dut sh -c 'echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range'
expect "all ports are ephemeral: 1,024 are kept of each address" is_within 3 ports_kept 2048
expect_equal "and drawn from" 1024 "$(lab_stat eligible_ports)"
expect_equal "it answers" 198.18.3.1 "$(lab_dig +short few.perf.test A)"
port=$(/usr/bin/python3 "$LAB_ROOT/tests/smoke/port_report.py" "$LAB_PREFIX" drawn 0 | tr ',' '\n' | head -n 1 | cut -d - -f 1)
expect_match "why: kept although" "kept although net\.ipv4\.ip_local_port_range has it" "$(lab_ctl ports why "$port")"
expect_match "the log says so" "the kernel's settings leave too few ports" "$(cat "$PORTICO_LOG")"
expect_match "and what is lost" "less than half of the configured ports.*drawn=1024 " "$(cat "$PORTICO_LOG")"

# A kept port is a process's if it binds it.
serve late dut --bind "$LAB_PORTICO_V4@$port" || exit 1
service_pid=$LAB_PID
expect "a kept port that a process binds is yielded" is_within 3 ports_yielded 1
expect_equal "another one takes its place" 2048 "$(lab_stat ports_kept)"
lab_stop "$service_pid"

lab_in dut sh -c "echo $ephemeral >/proc/sys/net/ipv4/ip_local_port_range"
expect "the range as before: nothing is kept" is_within 3 ports_kept 0
expect "and all ports are drawn from" is_within 3 eligible_ports "$before"
expect_match "the log says that too" 'there are ports again' "$(cat "$PORTICO_LOG")"

# Every port is bound, on the IPv4 address alone: by several processes, as one may not have so many files open.
all_pids=()
for first in $(seq 1024 8192 65535); do
	lab_start "binder$first" dut /usr/bin/python3 -c "
import socket, time
held = []
for port in range($first, min($first + 8192, 65536)):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind(('$LAB_PORTICO_V4', port))
        held.append(sock)
    except OSError:
        sock.close()
print('bound', len(held), flush=True)
time.sleep(1000)"
	all_pids+=("$LAB_PID")
	lab_wait_for 30 "$LAB_PID" "$LAB_DIR/binder$first.log" '^bound' || exit 1
done
expect "a user binds them all: 1,024 are kept" is_within 10 ports_kept 1024
expect_equal "it answers" 198.18.3.1 "$(lab_dig +short many.perf.test A)"
expect "the log says it, as an error" lab_wait_for 10 "$PORTICO_PID" "$PORTICO_LOG" 'error.*processes hold so many ports'
port=$(/usr/bin/python3 "$LAB_ROOT/tests/smoke/port_report.py" "$LAB_PREFIX" drawn 0 | tr ',' '\n' | head -n 1 | cut -d - -f 1)
expect_match "why: kept although, and who" "kept although process .*\(pid ($(IFS="|"; echo "${all_pids[*]}"))\) holds it" "$(lab_ctl ports why "$port")"
for pid in "${all_pids[@]}"; do
	lab_stop "$pid"
done
expect "they go: nothing is kept" is_within 10 ports_kept 0
expect "SIGTERM: exit status 0" lab_stop_portico
