#!/bin/bash
# `make run`: Portico in the lab's small internet; asks it a few questions, shows the answers and what it saw,
# and stays until Ctrl-C (RUN_SECONDS=N: for N seconds). CONFIG=FILE: on that configuration, on this machine.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lab/lab.sh
PORTICO=$(realpath -m "$PORTICO")
PORTICOCTL=$(realpath -m "$PORTICOCTL")

if [ -n "${CONFIG:-}" ]; then
	exec "$PORTICO" -c "$CONFIG"
fi

# show TITLE COMMAND...: what COMMAND prints, under the title.
show() {
	echo
	echo "$1"
	shift
	"$@" | sed 's/^/    /'
	return "${PIPESTATUS[0]}"
}

counted() {
	lab_ctl stats --json | sed -nE 's/^ *"([a-z0-9_]+)" *: *([0-9.]+),?$/\1 \2/p' | awk '$2 != 0' | column -t
}

# The queries as they came in at the servers: source address and port, server, ID, name.
seen_upstream() {
	sleep 0.2
	sed -nE 's/^IP6? ([^ ]+)\.([0-9]+) > ([^ ]+)\.53: ([0-9]+).* ([A-Z]+\? [^ ]+) .*/port \2 to \3 ID \4 \5/p' \
		"$LAB_DIR/seen.log" | column -t
}

# ask NAME TYPE WANT [DIG_ARGS]: a question from the client; counts as failed if WANT is not in the answer.
ask() {
	local name=$1 type=$2 want=$3 answer
	shift 3
	answer=$(lab_dig "$name" "$type" "$@" +noall +comments +answer 2>&1)
	echo
	echo "\$ dig @$LAB_PORTICO_V4 $name $type $*"
	grep -E 'status:|flags:|^[^;]|timed out|no servers' <<<"$answer" | sed 's/^/    /'
	if grep -q -- "$want" <<<"$answer"; then
		return 0
	fi
	fail "dig $name $type: no '$want' in the answer"
}

lab_up
lab_nsd nsd $LAB_ON_LINK_V4 $LAB_ON_LINK_V6 $LAB_BEHIND_V4 $LAB_BEHIND_V6 || lab_die "NSD did not start"
lab_config "$LAB_DIR/portico.yaml" <<CONF
mode: forward
forward:
  - zone: "."
    to: [198.18.0.20, 198.18.0.21, "2001:2:0:1::22", $LAB_BEHIND_V4]
    policy: round_robin
CONF
echo "A small internet in network namespaces (nothing leaves this machine):"
echo "  client $LAB_CLI 198.18.0.10, servers $LAB_SRV 198.18.0.20-22, $LAB_BEHIND_V4 behind a gateway,"
echo "  Portico at $LAB_PORTICO_V4 and $LAB_PORTICO_V6 on a DPDK port over a veth in $LAB_DUT"
echo
echo "\$ $PORTICO -c $LAB_DIR/portico.yaml"
sed 's/^/    /' "$LAB_DIR/portico.yaml"
lab_start seen srv tcpdump -n -l -t -i eth0 "udp dst port 53 and (src host $LAB_PORTICO_V4 or src host $LAB_PORTICO_V6)"
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/seen.log" '^(tcpdump: )?listening' || lab_die "tcpdump did not start"
lab_portico "$LAB_DIR/portico.yaml" || exit 1

ask www.example A 198.18.2.1
ask www.example AAAA 2001:2:0:3::1 "@$LAB_PORTICO_V6"
ask c3.chain.example A 198.18.5.1
ask "never-asked-$$.perf.test" A 198.18.3.1
ask nowhere.example A NXDOMAIN
show "\$ $PORTICOCTL -p $LAB_PREFIX status" lab_ctl status || fail "porticoctl status"
show "What it counted (\$ $PORTICOCTL -p $LAB_PREFIX stats):" counted || fail "porticoctl stats"
show "What the servers were asked, from which ports:" seen_upstream

cat <<TEXT

Portico runs (pid $PORTICO_PID, log $PORTICO_LOG). From another terminal, as root, try:
  ip netns exec $LAB_CLI dig @$LAB_PORTICO_V4 c9.chain.example
  ip netns exec $LAB_CLI dig @$LAB_PORTICO_V6 any.name.at.all.perf.test AAAA
  ip netns exec $LAB_SRV tcpdump -n -i eth0 udp dst port 53      # what the servers are asked
  $PORTICOCTL -p $LAB_PREFIX stats
  $PORTICOCTL -p $LAB_PREFIX upstreams
TEXT
if [ -n "${RUN_SECONDS:-}" ]; then
	sleep "$RUN_SECONDS"
	expect "Portico stops on SIGTERM" lab_stop_portico
else
	echo "Ctrl-C ends it and removes all of this."
	wait "$PORTICO_PID"
	echo "Portico has ended (exit status $?)"
fi
