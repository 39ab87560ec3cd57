#!/bin/bash
# Whoever scans the UDP ports of the outgoing address learns nothing: all 65,535 are probed, from the client's own address, from
# others', and from the server's address and port, while 1,000 queries are under way. No ICMP, no datagram comes back
# but from the DNS port, pings and ARP take as long whether the port probed before is in use or idle, and every question is
# answered when the server answers at last (SAD DNS; SECURITY.md A6). The address is Portico's alone.
# ahead: times of answers are compared
# variants: workers=1 device=af_packet
# variants: workers=2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
ATTEMPTS=3

lab_prefer
lab_up
lab_upstream upstream 198.18.0.20 2001:2:0:1::20 || exit 1
# One long try: what is under way stays so while its ports are scanned.
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: four.test, to: [198.18.0.20], tries: 1, timeout_ms: 3900}
	  - {zone: six.test, to: ["2001:2:0:1::20"], tries: 1, timeout_ms: 3900}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
mac=$(lab_ctl status | grep -oE '([0-9a-f]{2}:){5}[0-9a-f]{2}')

scanner() {
	lab_in sw /usr/bin/python3 "$here/port_scan.py" "$@" --control "$LAB_DIR/upstream.control" --ctl "$PORTICOCTL" \
		--prefix "$LAB_PREFIX"
}

# What a slow machine has spoilt (a query that timed out before its answer was released) is tried again; a stray frame is one.
scan() {
	local attempt output
	for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
		output=$(scanner scan --interface dut --mac "$mac" --source "$1") && break
		echo "$output"
		! grep -q '^stray' <<<"$output" || return 1
	done
	echo "$output"
	[ $attempt -le $ATTEMPTS ]
}

timing() {
	local attempt
	for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
		scanner timing --interface dut --mac "$mac" --source "$1" && return
	done
	return 1
}

# both TEXT FUNCTION SOURCE: its output is shown also where all is well
both() {
	local output status
	output=$("$2" "$3" 2>&1)
	status=$?
	sed 's/^/     | /' <<<"$output"
	expect_equal "$1" 0 $status
}

expect "the judgements tell apart what they must" /usr/bin/python3 "$here/port_scan.py" self-check
expect "a kernel that is probed so is given away" scanner control --interface srv \
	--mac "$(lab_in srv cat /sys/class/net/eth0/address)" --address 198.18.0.21
# Both servers' MACs are known from here on.
expect_equal "the server answers" "198.18.99.1 198.18.99.1" "$(echo $(lab_dig +short a.four.test; lab_dig +short a.six.test))"
for source in own on-link far server-short server-query server-other-port server-reply own-v6 server-short-v6 server-reply-v6; do
	both "scan, $source: every question answered, nothing given away" scan $source
done
for source in own server-other-port server-short; do
	both "timing, $source: ports in use are not told from idle ones" timing $source
done
for _ in {1..50}; do
	[ "$(lab_stat tickets_out)" != 0 ] || break
	sleep 0.1
done
expect_equal "nothing is left under way" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
expect "the outcomes add up" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
