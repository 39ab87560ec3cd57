#!/bin/bash
# Starting, refusing to start, being asked, and stopping: exit codes, messages that name the place and the
# remedy, porticoctl, instances side by side, signals, systemd.
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke

lab_up
lab_upstream up 198.18.0.20 2001:2:0:1::20 || exit 1

# outcome STATUS REGEX COMMAND...: its exit status, and a line of its output
outcome() {
	local want=$1 regex=$2 output status
	shift 2
	output=$(timeout 20 "$@" 2>&1)
	status=$?
	printf '%s\n' "$output"
	echo "exit status $status, wanted $want and /$regex/"
	[ $status -eq "$want" ] && grep -Eq -- "$regex" <<<"$output"
}

is_json() {
	"$@" >"$LAB_DIR/json" && /usr/bin/python3 -m json.tool "$LAB_DIR/json" >/dev/null
}

config() {
	lab_config "$LAB_DIR/$1.yaml" <<-CONF
		mode: forward
		forward:
		  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], timeout_ms: 2000}
	CONF
}

# refused TEXT REGEX: the configuration $LAB_DIR/x.yaml is, when checked and when started
refused() {
	expect "refused by --check: $1" outcome 1 "$2" "$PORTICO" --check -c "$LAB_DIR/x.yaml"
	expect "refused at start: $1" outcome 1 "$2" ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/x.yaml"
}

# --- the command line ---
expect "no arguments: usage" outcome 2 '^Usage: portico' "$PORTICO"
expect "an option that there is not: usage" outcome 2 '^Usage: portico' "$PORTICO" --nope
expect "an argument too many: usage" outcome 2 'what is "more"' "$PORTICO" -c "$LAB_DIR/x.yaml" more
expect "--check without a file: usage" outcome 2 'configuration' "$PORTICO" --check
expect "--help" outcome 0 '^Usage: portico -c FILE' "$PORTICO" --help
expect "--version" outcome 0 '^portico [0-9]+\.[0-9]+' "$PORTICO" --version
expect "--schema is JSON" is_json "$PORTICO" --schema
expect_match "and a schema" '"\$schema"' "$(cat "$LAB_DIR/json")"
"$PORTICO" --defaults >"$LAB_DIR/defaults.yaml"
expect_match "--defaults shows the keys" '^ *late_ms: 3000$' "$(cat "$LAB_DIR/defaults.yaml")"
expect "--defaults checks" outcome 0 'no errors' "$PORTICO" --check -c "$LAB_DIR/defaults.yaml"
expect "porticoctl without a command: usage" outcome 2 '^Usage: porticoctl' "$PORTICOCTL"
expect "porticoctl with a command that there is not: usage" outcome 2 '^Usage: porticoctl' "$PORTICOCTL" nope
expect "porticoctl --help" outcome 0 '^Usage: porticoctl' "$PORTICOCTL" --help
expect "porticoctl --version" outcome 0 '^porticoctl [0-9]+\.[0-9]+' "$PORTICOCTL" --version
expect "porticoctl: nothing runs" outcome 1 "$LAB_PREFIX" "$PORTICOCTL" -p "$LAB_PREFIX" status

# --- configurations ---
config x
expect "a good configuration" outcome 0 'no errors' "$PORTICO" --check -c "$LAB_DIR/x.yaml"
expect "a file that is not there" outcome 1 'nowhere.yaml.*No such file' "$PORTICO" --check -c "$LAB_DIR/nowhere.yaml"
# What to append or replace, and what it is about: FILE:LINE:COLUMN: key: what, and what to do.
config x
echo 'worker: 2' >>"$LAB_DIR/x.yaml"
refused "an unknown key" '^[^:]+x\.yaml:[0-9]+:1: worker: .*did you mean workers'
config x
sed -i 's/workers: 1/workers: many/' "$LAB_DIR/x.yaml"
refused "a word for a number" '^[^:]+x\.yaml:1:10: workers: '
config x
echo 'outgoing: {late_ms: 5}' >>"$LAB_DIR/x.yaml"
refused "a number out of range" '^[^:]+x\.yaml:[0-9]+:21: outgoing\.late_ms: 5 .*100 to 60000'
config x
echo 'outgoing: {addresses: [203.0.113.9]}' >>"$LAB_DIR/x.yaml"
refused "an address that no interface has" '^[^:]+x\.yaml:[0-9]+:[0-9]+: outgoing\.addresses.*203\.0\.113\.9'
config x
echo 'outgoing: {range: 1024-1030, exclude: 1024-1030}' >>"$LAB_DIR/x.yaml"
refused "no port left" '^[^:]+x\.yaml:[0-9]+:39: outgoing\.exclude: no source port is left for 198\.18\.0\.53: 7 in range, 7 less by exclude, 0 by exclude_defaults, 0 by listen; outgoing\.exclude took the last: exclude fewer'
config x
echo 'outgoing: {range: 4500}' >>"$LAB_DIR/x.yaml"
refused "no port left by the defaults" '^[^:]+x\.yaml:[0-9]+:19: outgoing\.range: no source port is left .*1 by exclude_defaults.*outgoing\.exclude_defaults took the last: '
config x
echo 'outgoing: {range: 65535-1024}' >>"$LAB_DIR/x.yaml"
refused "a range reversed" '^[^:]+x\.yaml:[0-9]+:19: outgoing\.range: "65535-1024" ends before it begins.*did you mean 1024-65535'
config x
echo 'outgoing: {exclude: [4500, 0]}' >>"$LAB_DIR/x.yaml"
refused "port 0" '^[^:]+x\.yaml:[0-9]+:28: outgoing\.exclude\[1\]: "0" .*allowed: port 1 to 65535'
config x
echo 'outgoing: {send_port: 0}' >>"$LAB_DIR/x.yaml"
refused "send_port 0" '^[^:]+x\.yaml:[0-9]+:23: outgoing\.send_port: 0 .*allowed: random or 1 to 65535'
config x
echo 'outgoing: {range: 20000-20999, pool_size: 1001}' >>"$LAB_DIR/x.yaml"
refused "a pool larger than what is eligible" '^[^:]+x\.yaml:[0-9]+:43: outgoing\.pool_size: 1001 is more than the 1000 ports .*allowed: all or 1 to 1000'
config x
echo 'outgoing: {addresses: "2001:db8:53::/63"}' >>"$LAB_DIR/x.yaml"
refused "a prefix that is too large" '^[^:]+x\.yaml:[0-9]+:23: outgoing\.addresses: .*IPv6 prefix of /64 to /120'
config x
sed -i '/gateway/d' "$LAB_DIR/x.yaml"
echo 'outgoing: {addresses: [198.18.0.53, "2001:db8:53::/64"]}' >>"$LAB_DIR/x.yaml"
refused "a prefix of no interface" '^[^:]+x\.yaml:[0-9]+:37: outgoing\.addresses\[1\]: 2001:db8:53::/64 belongs to no interface'
# What is allowed, and warned of.
config x
echo 'outgoing: {send_port: 53}' >>"$LAB_DIR/x.yaml"
expect "send_port is warned of" outcome 0 'x\.yaml:[0-9]+:23: warning: outgoing\.send_port: .*port 53: 0 bits of port entropy.*ports firewall' \
	"$PORTICO" --check -c "$LAB_DIR/x.yaml"
config x
echo 'outgoing: {pool_size: 2500}' >>"$LAB_DIR/x.yaml"
expect "the pool of Windows is warned of" outcome 0 'x\.yaml:[0-9]+:23: warning: outgoing\.pool_size: 2500 is 11\.3 bits' \
	"$PORTICO" --check -c "$LAB_DIR/x.yaml"
config x
sed -i 's/to: \[.*\]/to: []/' "$LAB_DIR/x.yaml"
refused "a zone without servers" '^[^:]+x\.yaml:[0-9]+:[0-9]+: forward\[0\]\.to: '
config x
echo 'mode: forward' >>"$LAB_DIR/x.yaml"
refused "a key given twice" '^[^:]+x\.yaml:[0-9]+:[0-9]+: .*mode'
config x
printf 'log: {level: info\n' >>"$LAB_DIR/x.yaml"
refused "broken YAML" '^[^:]+x\.yaml:[0-9]+:[0-9]+: '
config x
sed -i 's/iface=eth0/iface=eth9/' "$LAB_DIR/x.yaml"
expect "a device that does not exist" outcome 1 'x\.yaml:5:13: interfaces\[0\]\.device: .*eth9' \
	ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/x.yaml"
config x
sed -i 's/net_af_packet0,iface=eth0/0000:99:00.0/' "$LAB_DIR/x.yaml"
expect "a PCI device that does not exist" outcome 1 'x\.yaml:5:13: interfaces\[0\]\.device: .*0000:99:00\.0' \
	ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/x.yaml"
config x
sed -i 's/net_af_packet0,/net_nonesuch0,/' "$LAB_DIR/x.yaml"
expect "a driver that does not exist" outcome 1 'x\.yaml:5:13: interfaces\[0\]\.device: .*net_nonesuch0' \
	ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/x.yaml"

# --- a kernel process on the listen address ---
config x
lab_sysctl "$LAB_DUT" net.ipv6.conf.lo.disable_ipv6=0
# holds BOUND LISTEN PREFIX: where a process is bound to BOUND, an address that the kernel has, LISTEN is refused.
holds() {
	ip -n "$LAB_DUT" address add "$2/$3" dev lo
	lab_start holder dut /usr/bin/python3 "$LAB_HERE/upstream.py" "$1"
	lab_wait_for 10 "$LAB_PID" "$LAB_DIR/holder.log" '^upstream: ready'
	expect "a kernel process on $1 answers at $2 already" outcome 1 "listen: $2: .*pid $LAB_PID" \
		ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/x.yaml"
	lab_stop "$LAB_PID"
	ip -n "$LAB_DUT" address delete "$2/$3" dev lo
}
holds 198.18.0.53 198.18.0.53 32
holds 0.0.0.0 198.18.0.53 32
holds 2001:2:0:1::53 2001:2:0:1::53 128
holds :: 2001:2:0:1::53 128

# bound_to DEVICE: a process that answers there only; sets LAB_PID. It calls itself as nobody should.
bound_to() {
	lab_start holder dut /usr/bin/python3 -u -c '
import socket, sys, time
open("/proc/self/comm", "wb").write(b"e\"v\\\xe9l\x1b[")
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode())
sock.bind(("0.0.0.0", 53))
print("holds", flush=True)
time.sleep(1000)' "$1"
	lab_wait_for 10 "$LAB_PID" "$LAB_DIR/holder.log" '^holds'
}
ip -n "$LAB_DUT" address add 198.18.0.53/32 dev lo
bound_to lo
holder=$LAB_PID
expect "bound to the interface with the address: refused, and its name is plain" outcome 1 \
	"listen: 198\.18\.0\.53: process e\?v\?+l\?\[ \(pid $holder\)" ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/x.yaml"
lab_stop "$holder"
bound_to eth0
holder=$LAB_PID
expect "bound to another interface (a bridge's DNS server, say): it starts" lab_portico "$LAB_DIR/x.yaml"
expect "and stops" lab_stop_portico
lab_stop "$holder"
ip -n "$LAB_DUT" address delete 198.18.0.53/32 dev lo
lab_sysctl "$LAB_DUT" net.ipv6.conf.lo.disable_ipv6=1

# --- ports, where the kernel has the addresses too ---
# refused_there TEXT REGEX: at start; the file itself is good.
refused_there() {
	expect "nothing wrong in the file: $1" outcome 0 'no errors' "$PORTICO" --check -c "$LAB_DIR/x.yaml"
	expect "refused at start: $1" outcome 1 "$2" ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/x.yaml"
}

shared() {
	config x
	sed -i 's/kernel: none/kernel: bifurcated/' "$LAB_DIR/x.yaml"
	echo "outgoing: {$1}" >>"$LAB_DIR/x.yaml"
}

shared 'range: 20000-20099'
refused_there "the kernel does not have the address" '198\.18\.0\.53.*ip addr add 198\.18\.0\.53/24 dev eth0'
lab_sysctl "$LAB_DUT" net.ipv6.conf.eth0.disable_ipv6=0
ip -n "$LAB_DUT" address add 198.18.0.53/24 dev eth0
ip -n "$LAB_DUT" address add 2001:2:0:1::53/64 dev eth0 nodad
reserved=$(lab_in dut cat /proc/sys/net/ipv4/ip_local_reserved_ports)
lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports=20000-20099
refused_there "all ports are reserved" 'x\.yaml:[0-9]+:19: outgoing\.range: no source port is left for 198\.18\.0\.53: 100 in range, 100 less by net\.ipv4\.ip_local_reserved_ports'
lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports="$reserved"
shared 'range: 40000-40099'
refused_there "all ports are ephemeral" 'x\.yaml:[0-9]+:19: outgoing\.range: .*100 less by net\.ipv4\.ip_local_port_range.*reserve_in_kernel'
shared 'range: 40000-40099, pool_size: 100, respect_kernel: false, exclude: 40000'
refused "a pool larger than what is left" 'outgoing\.pool_size: 100 is more than the 99 ports'
shared 'range: [40000-40099, 20000-20009], pool_size: 11'
refused_there "a pool larger than what the kernel leaves" 'outgoing\.pool_size: 11 is more than the 10 ports .*100 less by net\.ipv4\.ip_local_port_range'
lab_start holder dut /usr/bin/python3 -u -c '
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("198.18.0.53", 20053))
print("holds", flush=True)
time.sleep(1000)'
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/holder.log" '^holds'
shared 'send_port: 20053'
refused_there "a process holds send_port" "outgoing\\.send_port: 20053: .*\\(pid $LAB_PID\\) holds UDP port 20053 on 198\\.18\\.0\\.53"
shared 'range: 20053'
refused_there "a process holds the only port" 'outgoing\.range: no source port is left .*1 less by processes'
lab_stop "$LAB_PID"
shared 'range: 40000-40099, respect_kernel: false'
expect "ephemeral ports, respect_kernel off: it starts" lab_portico "$LAB_DIR/x.yaml"
expect_match "and warns of them" 'warning ports: respect_kernel is off.* address=198\.18\.0\.53 ports=100 .*reserve_in_kernel' "$(cat "$PORTICO_LOG")"
expect "and stops" lab_stop_portico
shared 'range: 20000-20099, respect_kernel: false'
expect "none of them: it starts" lab_portico "$LAB_DIR/x.yaml"
expect_equal "and warns of none" 0 "$(grep -c 'respect_kernel is off' "$PORTICO_LOG")"
expect "and stops" lab_stop_portico
ip -n "$LAB_DUT" address flush dev eth0
lab_sysctl "$LAB_DUT" net.ipv6.conf.eth0.disable_ipv6=1
config x

# --- not root, and what root has reserved is not to be looked into ---
cat >"$LAB_DIR/as_nobody" <<CONF
#!/bin/sh
mkdir -p /run/portico && mount -t tmpfs -o mode=0700 portico /run/portico || exit 3
XDG_RUNTIME_DIR="$LAB_DIR/run" exec setpriv --reuid=nobody --regid=nogroup --clear-groups \\
	--inh-caps=-all,+net_raw,+net_admin,+ipc_lock --ambient-caps=-all,+net_raw,+net_admin,+ipc_lock "$LAB_DIR/program" "\$@"
CONF
chmod 755 "$LAB_DIR/as_nobody"
chmod 711 "$LAB_DIR"
install -m 755 "$PORTICO" "$LAB_DIR/program"
install -d -o nobody -m 700 "$LAB_DIR/run"
cat >"$LAB_DIR/nobody" <<CONF
#!/bin/sh
install -o nobody -m 600 "$LAB_DIR/x.yaml" "$LAB_DIR/nobody.yaml"
# Only here is the directory so.
exec unshare -m timeout 4 ip netns exec "$LAB_DUT" "$LAB_DIR/as_nobody" -c "$LAB_DIR/nobody.yaml"
CONF
chmod 755 "$LAB_DIR/nobody"
expect "not root, nothing to reserve: it starts" outcome 124 'portico: ready' "$LAB_DIR/nobody"
echo 'outgoing: {reserve_in_kernel: true}' >>"$LAB_DIR/x.yaml"
expect "not root, ports to reserve: refused" outcome 1 'what a killed instance left .*cannot be read' "$LAB_DIR/nobody"
config x

# --- running; systemd is told ---
program=$PORTICO
lab_start notify dut /usr/bin/python3 "$here/notify_listener.py" "$LAB_DIR/notify"
lab_wait_for 5 "$LAB_PID" "$LAB_DIR/notify.log" '^listening'
cat >"$LAB_DIR/notifying" <<CONF
#!/bin/sh
NOTIFY_SOCKET="$LAB_DIR/notify" exec "$program" "\$@"
CONF
chmod +x "$LAB_DIR/notifying"
PORTICO=$LAB_DIR/notifying
echo 'shutdown_s: 5' >>"$LAB_DIR/x.yaml"
expect "it gets ready" lab_portico "$LAB_DIR/x.yaml" || exit 1
PORTICO=$program
expect_match "systemd is told READY=1" 'READY=1' "$(cat "$LAB_DIR/notify.log")"
expect_equal "it answers" 198.18.99.1 "$(lab_dig +short one.test A)"

expect_match "porticoctl status" '^state +ready$' "$(lab_ctl status)"
expect_match "says the version" "^version +$("$PORTICO" --version | cut -d ' ' -f 2)$" "$(lab_ctl status)"
expect_match "and the pid" "^pid +$PORTICO_PID$" "$(lab_ctl status)"
expect_match "porticoctl stats" '^queries +1$' "$(lab_ctl stats)"
expect_match "porticoctl upstreams" '^198\.18\.0\.20 +up ' "$(lab_ctl upstreams)"
expect "porticoctl inflight" lab_ctl inflight
expect_match "porticoctl neighbours" '^198\.18\.0\.1 +[0-9a-f:]{17} +net0 +reachable ' "$(lab_ctl neighbours)"
for command in status stats upstreams inflight neighbours; do
	expect "porticoctl $command --json is JSON" is_json lab_ctl $command --json
done
lab_ctl stats --json >"$LAB_DIR/stats"
missing=""
for name in queries answers_noerror answers_servfail answers_nxdomain answers_refused answers_formerr answers_notimp \
	upstream_queries upstream_responses upstream_timeouts upstream_retries coalesced near_misses unmatched handoffs \
	drops_short drops_frag busy_cycles rx_packets tx_packets resolutions_active tickets_out subs_waiting \
	subs_waited_for port_entropy_bits; do
	grep -Eq "^ *\"$name\": [0-9.]+,?$" "$LAB_DIR/stats" || missing="$missing $name"
done
expect_equal "stats has the names of CONFIG.md" "" "$missing"
expect_match "15.9 bits of port entropy" '"port_entropy_bits": 15\.9' "$(cat "$LAB_DIR/stats")"
expect_match "dpdk-telemetry.py's own list names the commands" '/portico/stats' "$(/usr/bin/python3 - "$LAB_PREFIX" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(f"/var/run/dpdk/{sys.argv[1]}/dpdk_telemetry.v2")
s.recv(1024)
s.send(b"/")
print(s.recv(65536).decode())
PY
)"

expect "a second one with the same prefix is refused" outcome 1 "$LAB_PREFIX" ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/x.yaml"
expect_equal "and the first answers" 198.18.99.1 "$(lab_dig +short two.test A)"

# --- two instances side by side ---
ip -n "$LAB_SW" link add dut2 type veth peer name eth1 netns "$LAB_DUT"
ip -n "$LAB_SW" link set dut2 master br0 up
ip -n "$LAB_DUT" link set eth1 up
lab_in sw ethtool -K dut2 tx off rx off gso off gro off tso off >/dev/null
lab_in dut ethtool -K eth1 tx off rx off gso off gro off tso off >/dev/null
sed -e "s/file_prefix: $LAB_PREFIX/file_prefix: $LAB_PREFIX-b/" -e 's/iface=eth0/iface=eth1/' \
	-e 's/198\.18\.0\.53/198.18.0.54/; s/::53/::54/' "$LAB_DIR/x.yaml" >"$LAB_DIR/b.yaml"
first=$PORTICO_PID
expect "a second instance, another prefix" lab_portico "$LAB_DIR/b.yaml"
second=$PORTICO_PID
expect_equal "the first answers" 198.18.99.1 "$(lab_dig +short three.test A)"
expect_equal "the second answers" 198.18.99.1 "$(lab_dig @198.18.0.54 +short four.test A)"
expect_equal "the second answers over IPv6" 2001:2:0:99::1 "$(lab_dig @2001:2:0:1::54 +short four.test AAAA)"
expect_match "each has its own porticoctl" "^pid +$second$" "$("$PORTICOCTL" -p "$LAB_PREFIX-b" status)"
expect "the second ends" lab_stop_portico $second
rm -rf "/var/run/dpdk/$LAB_PREFIX-b"
expect_equal "the first still answers" 198.18.99.1 "$(lab_dig +short five.test A)"

# --- signals ---
kill -HUP $first
sleep 0.2
expect_equal "SIGHUP is survived" 198.18.99.1 "$(lab_dig +short six.test A)"

seq -f "l%.0f.test A" 20000 >"$LAB_DIR/load"
lab_start dnsperf cli dnsperf -s $LAB_PORTICO_V6 -d "$LAB_DIR/load" -n 1 -Q 2000 -l 3 -t 1 -q 5000 -c 4
for i in {1..100}; do
	echo "delay-1200.d$i.test A good"
done >"$LAB_DIR/questions"
lab_in cli /usr/bin/python3 "$here/ask_many.py" $LAB_PORTICO_V4 --timeout 3 <"$LAB_DIR/questions" >"$LAB_DIR/asked" &
ask_pid=$!
sleep 0.6
expect_between "questions are under way" 100 100000 "$(lab_stat waiters)"
expect "SIGTERM under load: exit status 0" lab_stop_portico $first
wait $ask_pid
expect_equal "every question under way was answered" 0 $?
expect_match "all 100 of them" '^asked 100 right 100 ' "$(cat "$LAB_DIR/asked")"
expect_match "systemd is told STOPPING=1" 'STOPPING=1' "$(cat "$LAB_DIR/notify.log")"
expect "porticoctl: nothing runs any more" outcome 1 "$LAB_PREFIX" "$PORTICOCTL" -p "$LAB_PREFIX" status

sed -i 's/shutdown_s: 5/shutdown_s: 1/' "$LAB_DIR/x.yaml"
expect "it starts again" lab_portico "$LAB_DIR/x.yaml" || exit 1
lab_in cli dig -r +tries=1 +time=4 @$LAB_PORTICO_V4 silent.x.test A >/dev/null &
sleep 0.3
start=$(date +%s%3N)
expect "SIGTERM with a question that has no answer: exit status 0" lab_stop_portico
expect_between "after shutdown_s" 900 2500 $(($(date +%s%3N) - start))
expect "it starts again" lab_portico "$LAB_DIR/x.yaml" || exit 1
disown "$PORTICO_PID" # or bash would report it as killed
kill -KILL "$PORTICO_PID"
sleep 0.2
expect "after kill -9 too" lab_portico "$LAB_DIR/x.yaml" || exit 1
expect_equal "and answers" 198.18.99.1 "$(lab_dig +short seven.test A)"
kill -INT "$PORTICO_PID"
expect "SIGINT: exit status 0" lab_stop_portico
