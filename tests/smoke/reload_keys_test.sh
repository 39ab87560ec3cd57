#!/bin/bash
# What a reload changes beside servers and zones, on a NIC that the kernel shares by the fallback of packet sockets and a filter at
# tc: the filter's lists, ports reserved in the kernel, the live addresses of an IPv6 prefix. `porticoctl reload --json`;
# and SIGTERM amid a reload: systemd is not told that we are ready when we stop.
# variants: device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
LAB_DEVICE=af_xdp
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
RANGE=20000-30000
RESERVED_BEFORE=1000,2000-2010

lab_prefer
shared_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports=$RESERVED_BEFORE
cat >"$LAB_DIR/other.bpf.c" <<-'C'
	#include <linux/bpf.h>
	#include <bpf/bpf_helpers.h>
	SEC("xdp") int someone_elses(struct xdp_md *packet) { return packet->data < packet->data_end ? XDP_PASS : XDP_DROP; }
	char LICENSE[] SEC("license") = "GPL";
C
clang -O2 -g -target bpf "-I/usr/include/$(gcc -print-multiarch)" -c "$LAB_DIR/other.bpf.c" -o "$LAB_DIR/other.o" || exit 1
ip -n "$LAB_DUT" link set dev eth0 xdp obj "$LAB_DIR/other.o" sec xdp || exit 1
config=$LAB_DIR/portico.yaml

# write LISTEN OUTGOING: a configuration, which the next reload finds
write() {
	shared_config "$config.new" <<-CONF
		mode: forward
		listen: [$1]
		cache: {size_mb: 0}
		outgoing: {range: $RANGE, $2}
		forward:
		  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
		shutdown_s: 2
	CONF
	mv "$config.new" "$config"
}

lab_start notify dut /usr/bin/python3 "$shared_here/notify_listener.py" "$LAB_DIR/notify"
lab_wait_for 5 "$LAB_PID" "$LAB_DIR/notify.log" '^listening'
cat >"$LAB_DIR/notifying" <<CONF
#!/bin/sh
NOTIFY_SOCKET="$LAB_DIR/notify" exec "$PORTICO" "\$@"
CONF
chmod +x "$LAB_DIR/notifying"
write "$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"" "pool_size: all"
lab_program=$PORTICO
PORTICO=$LAB_DIR/notifying
lab_portico "$config" || exit 1
PORTICO=$lab_program
expect_match "it is the fallback" portico_drop "$(lab_in dut tc filter show dev eth0 ingress)"

# --- as JSON --------------------------------------------------------------------------------------

# json FIELD: of what `porticoctl reload --json` has said
json() {
	/usr/bin/python3 -c 'import json, sys
reply = json.load(open(sys.argv[1]))
assert sorted(reply) == ["report", "result"], reply
print(reply["result"] if sys.argv[2] == "result" else "\n".join(reply["report"]))' "$LAB_DIR/json" "$1"
}
lab_ctl reload --json >"$LAB_DIR/json" 2>"$LAB_DIR/errors"
expect_equal "reload --json: exit status 0" 0 $?
expect_equal "it says ok" ok "$(json result)"
expect_equal "and nothing else" "" "$(json report)"
expect_equal "nothing is on standard error" "" "$(cat "$LAB_DIR/errors")"
cp "$config" "$LAB_DIR/good.yaml"
printf 'alow: [192.0.2.0/24]\n"a\\"quote": 1\n' >>"$config"
lab_ctl reload --json >"$LAB_DIR/json" 2>"$LAB_DIR/errors"
expect_equal "refused, --json: exit status 1" 1 $?
expect_equal "it says refused" refused "$(json result)"
expect_match "and why" 'portico.yaml:[0-9]+:1: alow: .*did you mean allow' "$(json report)"
expect_equal "all of it: two errors and the last word" 3 "$(json report | grep -cE ': alow: |quote|refused, nothing has changed')"
cp "$LAB_DIR/good.yaml" "$config"

# --- the filter's lists ---------------------------------------------------------------------------

ours() {
	lab_dig -p 5300 +time=2 +short before.perf.test A
}
icmp_before=$(shared_icmp)
write "$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\", $LAB_PORTICO_V4@5300" "pool_size: all"
expect "another endpoint: exit status 0" lab_ctl reload
expect_equal "questions are answered there" 198.18.3.1 "$(ours)"
for i in {1..50}; do ours >/dev/null; done
expect_equal "the kernel told nobody that its port is closed" "$icmp_before" "$(shared_icmp)"
write "$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"" "pool_size: 2500"
lab_ctl reload --json >"$LAB_DIR/json" 2>"$LAB_DIR/errors"
expect_equal "without it, and with a pool: exit status 0" 0 $?
expect_match "a warning is in the report" 'portico.yaml:[0-9]+:[0-9]+: warning: outgoing.pool_size: 2500 is ' "$(json report)"
expect_equal "of a reload that was done" ok "$(json result)"
serve yours dut --bind "$LAB_PORTICO_V4@5300" || exit 1
yours=$LAB_PID
ping_service ping --from 198.18.0.10@5353 --to "$LAB_PORTICO_V4@5300" --rate 50 --seconds 1
expect "the kernel's process has the endpoint now" wait "$LAB_PID"
lab_stop "$yours"
expect_equal "and the pool its ports" 2500 "$(/usr/bin/python3 "$shared_here/port_report.py" "$LAB_PREFIX" drawn --count)"
icmp_before=$(shared_icmp)
for i in {1..50}; do lab_dig +short "q$i.perf.test" A; done | sort | uniq -c >"$LAB_DIR/answers"
expect_match "they are answered by" '^ +50 198.18.3.1$' "$(cat "$LAB_DIR/answers")"
expect_equal "no reply to them was for the kernel" "$icmp_before" "$(shared_icmp)"

# --- reserved in the kernel -----------------------------------------------------------------------

reserved() {
	lab_in dut dd if=/proc/sys/net/ipv4/ip_local_reserved_ports bs=1M count=1 status=none
}
# Ports and ranges, one port a line, in the order of sort.
expand() {
	tr ',' '\n' | awk -F - 'NF { for (port = $1 + 0; port <= $NF; port++) print port }' | sort -u
}
# What is drawn from, and what lately was: replies to that may come yet. It is looked at one after the other: tried again.
is_reserved() {
	local i outgoing
	for i in {1..30}; do
		{
			echo $RESERVED_BEFORE
			for outgoing in 0 1; do
				/usr/bin/python3 "$shared_here/port_report.py" "$LAB_PREFIX" accepted $outgoing
			done
		} | expand >"$LAB_DIR/wanted"
		reserved | expand | cmp -s - "$LAB_DIR/wanted" && return
		sleep 0.1
	done
	echo "wanted $(wc -l <"$LAB_DIR/wanted"), reserved $(reserved | expand | wc -l)"
	return 1
}
expect_equal "nothing of ours is reserved" $RESERVED_BEFORE "$(reserved)"
write "$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"" "pool_size: 2500, reserve_in_kernel: true"
expect "reserve_in_kernel: exit status 0" lab_ctl reload
expect "our ports and those from before are reserved, no others" is_reserved
write "$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"" "pool_size: 1500, reserve_in_kernel: true"
expect "a smaller pool: exit status 0" lab_ctl reload
expect "the pool that is drawn now is reserved, and the last one yet" is_reserved
expect_between "that are fewer" 1500 3010 "$(/usr/bin/python3 "$shared_here/port_report.py" "$LAB_PREFIX" drawn --count)"
cp "$config" "$LAB_DIR/good.yaml"
echo 'metrics: {listen: 198.51.100.1@9153}' >>"$config"
lab_ctl reload >/dev/null 2>&1
expect_equal "a reload that is refused last of all: exit status 1" 1 $?
expect "changes nothing there" is_reserved
cp "$LAB_DIR/good.yaml" "$config"
write "$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"" "pool_size: 1500"
expect "no longer: exit status 0" lab_ctl reload
expect_equal "what was reserved before is all that is" $RESERVED_BEFORE "$(reserved)"
expect_equal "it answers" 198.18.3.1 "$(lab_dig +short after.perf.test A)"

# --- the addresses of a prefix --------------------------------------------------------------------

# identifiers COUNT SECONDS: so many are live by then
identifiers() {
	local i
	for ((i = 0; i < 10 * $2; i++)); do
		[ "$(/usr/bin/python3 "$shared_here/port_report.py" "$LAB_PREFIX" row identifiers 1)" = "$1" ] && return
		sleep 0.1
	done
	/usr/bin/python3 "$shared_here/port_report.py" "$LAB_PREFIX" row identifiers 1
	return 1
}
for count in 16 200 3; do
	write "$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"" \
		"addresses: [$LAB_PORTICO_V4, \"2001:2:0:1:77::/80\"], v6_identifiers: $count, rotate_s: 1, late_ms: 100"
	expect "v6_identifiers: $count: exit status 0" lab_ctl reload
	case $count in
	# The 16 are those that the reload before has replaced: only when no reply can come to them any more, the next ones are.
	3) expect "by and by $count addresses are live" identifiers $count 20 ;;
	*) expect "so many addresses are live at once" identifiers $count 1 ;;
	esac
done

# --- SIGTERM amid a reload ------------------------------------------------------------------------

write "$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"" "pool_size: all"
expect "as at first: exit status 0" lab_ctl reload
expect_match "systemd has heard of reloads, and that we are ready" 'RELOADING=1.*READY=1' "$(tail -n 2 "$LAB_DIR/notify.log" | tr '\n' ' ')"
# It lasts until the file is there.
mv "$config" "$LAB_DIR/good.yaml"
mkfifo "$config"
kill -HUP "$PORTICO_PID"
for i in {1..50}; do tail -n 1 "$LAB_DIR/notify.log" | grep -q RELOADING=1 && break; sleep 0.1; done
expect_match "a reload is under way" RELOADING=1 "$(tail -n 1 "$LAB_DIR/notify.log")"
kill -TERM "$PORTICO_PID"
for i in {1..50}; do grep -q STOPPING=1 "$LAB_DIR/notify.log" && break; sleep 0.1; done
timeout 5 cp "$LAB_DIR/good.yaml" "$config"
wait "$PORTICO_PID"
expect_equal "SIGTERM: exit status 0" 0 $?
expect_match "the reload was finished" 'reload: reloaded' "$(tail -n 20 "$PORTICO_LOG")"
expect_match "STOPPING=1 is the last that systemd has heard" STOPPING=1 "$(tail -n 1 "$LAB_DIR/notify.log")"
