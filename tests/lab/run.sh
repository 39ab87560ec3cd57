#!/bin/bash
# `make run`: Portico iterating in the lab's small internet; asks it a few questions, shows the answers and what it saw,
# and stays until Ctrl-C (RUN_SECONDS=N: for N seconds). CONFIG=FILE: on that configuration, on this machine.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lab/lab.sh
. tests/lab/internet.sh
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
internet_up || lab_die "a server did not start"
internet_config "$LAB_DIR/portico.yaml" </dev/null
echo "A small internet in network namespaces (nothing leaves this machine):"
echo "  client $LAB_CLI 198.18.0.10; in $LAB_SRV, on the link and behind a gateway, a root, top-level domains and zones"
echo "  below them, by NSD and Knot, each on addresses of its own (tests/lab/internet):"
internet_rows | awk '{ split($3, a, ","); z = $4; if (length(z) > 60) z = substr(z, 1, 60) "..."; printf "    %-8s %-13s %s\n", $1, a[1], z }'
echo "  Portico at $LAB_PORTICO_V4 and $LAB_PORTICO_V6 on a DPDK port over a veth in $LAB_DUT, knowing the root's addresses only"
echo
echo "\$ $PORTICO -c $LAB_DIR/portico.yaml"
sed 's/^/    /' "$LAB_DIR/portico.yaml"
lab_start seen srv tcpdump -n -l -t -i eth0 "udp dst port 53 and (src host $LAB_PORTICO_V4 or src host $LAB_PORTICO_V6)"
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/seen.log" '^(tcpdump: )?listening' || lab_die "tcpdump did not start"
lab_portico "$LAB_DIR/portico.yaml" || exit 1

ask www.plain.com A 198.18.3.1
ask www.plain.com AAAA 2001:2:0:3::3:1 "@$LAB_PORTICO_V6"
ask three.alias.com A 198.18.3.1
ask "never-asked-$$.wild.org" A 198.18.7.1
ask www.deepglueless.com A 198.18.8.2
ask nobody.plain.com A NXDOMAIN
show "\$ $PORTICOCTL -p $LAB_PREFIX status" lab_ctl status || fail "porticoctl status"
show "How it gets to an answer (\$ $PORTICOCTL -p $LAB_PREFIX trace www.c.b.a.example A):" lab_ctl trace www.c.b.a.example A ||
	fail "porticoctl trace"
show "What it counted (\$ $PORTICOCTL -p $LAB_PREFIX stats):" counted || fail "porticoctl stats"
show "What the servers were asked, from which ports:" seen_upstream

cat <<TEXT

Portico runs (pid $PORTICO_PID, log $PORTICO_LOG). From another terminal, as root, try:
  ip netns exec $LAB_CLI dig @$LAB_PORTICO_V4 c1.alias.com
  ip netns exec $LAB_CLI dig @$LAB_PORTICO_V4 www.dead.com              # its servers never answer
  ip netns exec $LAB_SRV tcpdump -n -i eth0 udp dst port 53      # what the servers are asked
  $PORTICOCTL -p $LAB_PREFIX trace www.old.dname.net A
  $PORTICOCTL -p $LAB_PREFIX inflight
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
