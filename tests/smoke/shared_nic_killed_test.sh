#!/bin/bash
# A Portico on a NIC shared with the kernel that is killed (KILL lets nobody clean up), a hundred times, at random moments,
# while it starts and while it answers: the kernel has its packets again, whatever is left is known and removed by the next
# start, and after a clean stop links, addresses, qdiscs, sysctls and BPF programs are as they were before the first.
# Then the same on packet sockets, where the kernel itself cleans up nothing.
# ahead: it is killed now before and now after it is ready
# variants: workers=1 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
LAB_DEVICE=af_xdp
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
KILLS=${KILLS:-100}
KILLS_AF_PACKET=${KILLS_AF_PACKET:-20}
# A start takes ~300 ms.
LIFE_MS_MAX=600

lab_prefer
shared_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
shared_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	outgoing: {reserve_in_kernel: true}
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
CONF
sed 's/net_af_xdp0/net_af_packet0/' "$LAB_DIR/portico.yaml" >"$LAB_DIR/af_packet.yaml"
serve ntp dut --bind "$LAB_PORTICO_V4@123" || exit 1
shared_state "$LAB_DIR/state"

# kill_often CONFIG COUNT: how many lived until they were ready is added to LAB_DIR/readiness
kill_often() {
	local i pid ready=0 life_ms
	for ((i = 0; i < $2; i++)); do
		ip netns exec "$LAB_DUT" "$PORTICO" -c "$1" </dev/null >"$LAB_DIR/killed.log" 2>&1 &
		pid=$!
		lab_pids="$lab_pids $pid"
		life_ms=$((RANDOM % LIFE_MS_MAX))
		sleep "$(printf '%d.%03d' $((life_ms / 1000)) $((life_ms % 1000)))"
		kill -KILL $pid 2>/dev/null || { # it must not have ended by itself
			cat "$LAB_DIR/killed.log"
			return 1
		}
		wait $pid 2>/dev/null
		lab_pids=${lab_pids% $pid}
		! grep -q '^portico: ready$' "$LAB_DIR/killed.log" || ready=$((ready + 1))
	done
	echo "$ready of $2 were ready when they were killed" >>"$LAB_DIR/readiness"
	[ $ready -gt 0 ] && [ $ready -lt "$2" ]
}

is_answered() {
	local i
	for i in {1..10}; do
		lab_dig +short "x$i-$1.perf.test" A
		lab_dig @$LAB_PORTICO_V6 +short "x$i-$1.perf.test" AAAA
	done | sort | uniq -c | xargs
}

ping_service ntp-ping --from 198.18.0.10@53 --to "$LAB_PORTICO_V4@123" --rate 100 --seconds $((KILLS / 4))
ping_pid=$LAB_PID
expect "killed $KILLS times while it starts or answers" kill_often "$LAB_DIR/portico.yaml" "$KILLS"
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "the next start answers" "10 198.18.3.1 10 2001:2:0:4::1" "$(is_answered xdp)"
wait $ping_pid
sed 's/^/     | the service meanwhile: /' "$LAB_DIR/ntp-ping.log"
expect_match "a service of the kernel's meanwhile: every packet" '^sent ([0-9]{3,}) back \1$' "$(cat "$LAB_DIR/ntp-ping.log")"
expect "SIGTERM: exit status 0" lab_stop_portico
expect "everything is as before" shared_is_as_before "$LAB_DIR/state"

expect "packet sockets: killed $KILLS_AF_PACKET times" kill_often "$LAB_DIR/af_packet.yaml" "$KILLS_AF_PACKET"
lab_portico "$LAB_DIR/af_packet.yaml" || exit 1
expect_equal "the next start answers" "10 198.18.3.1 10 2001:2:0:4::1" "$(is_answered packet)"
expect "SIGTERM: exit status 0" lab_stop_portico
expect "everything is as before" shared_is_as_before "$LAB_DIR/state"

sed 's/^/     | /' "$LAB_DIR/readiness"

# From one to the other: what the one left, the other removes.
lab_portico "$LAB_DIR/af_packet.yaml" || exit 1
kill -KILL "$PORTICO_PID"
wait "$PORTICO_PID" 2>/dev/null
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "a filter that a killed one left is gone" "" "$(lab_in dut tc filter show dev eth0 ingress)"
expect "another on the same interface is refused" sh -c "sed 's/file_prefix: [^}]*/&-two/' $LAB_DIR/portico.yaml >$LAB_DIR/two.yaml
	ip netns exec $LAB_DUT $PORTICO -c $LAB_DIR/two.yaml 2>&1 | grep 'another Portico has this interface'"
expect "SIGTERM: exit status 0" lab_stop_portico
expect "everything is as before" shared_is_as_before "$LAB_DIR/state"
