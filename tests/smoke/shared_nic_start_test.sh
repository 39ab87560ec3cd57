#!/bin/bash
# How a Portico on a NIC shared with the kernel starts: errors with their remedies, a warning of queues that nobody serves, a
# VLAN (whose tag XDP sees, or the NIC takes off), an interface that is the kernel's alone, a second Portico on the same
# NIC (refused, whatever the powers of the two), names taken by other users (which stop nobody), and a user who is not root but
# has the capabilities that the service unit names.
# variants: workers=1 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
LAB_DEVICE=af_xdp
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
CAPABILITIES=$(sed -nE 's/^CapabilityBoundingSet=//p' "$LAB_ROOT/dpdk_app/portico.service")

shared_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
shared_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
CONF
shared_state "$LAB_DIR/state"

# refused SAYS REGEX [SED...]: the configuration, changed so, is refused with that, before anything is touched.
refused() {
	local says=$1 regex=$2
	shift 2
	sed "$@" "$LAB_DIR/portico.yaml" >"$LAB_DIR/refused.yaml"
	lab_in dut timeout 20 "$PORTICO" -c "$LAB_DIR/refused.yaml" >"$LAB_DIR/refused.log" 2>&1
	expect_equal "$says: exit status 1" 1 $?
	expect_match "$says: with the remedy" "$regex" "$(cat "$LAB_DIR/refused.log")"
}

# squat USER COUNT: USER has so many of the names that tell who has eth0; sets LAB_PID
squat() {
	lab_start "squat-$2" dut setpriv --reuid="$1" --clear-groups /usr/bin/python3 -c "
import socket, sys, time
sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for i in range($2)]
for i, sock in enumerate(sockets):
    sock.bind(f'\\0portico.nic.{socket.if_nametoindex(\"eth0\")}.{i}')
print('squatting', flush=True)
time.sleep(60)"
	lab_wait_for 5 "$LAB_PID" "$LAB_DIR/squat-$2.log" squatting || exit 1
}

# refused_beside SAYS: another Portico, of another file_prefix, on the NIC that one has.
refused_beside() {
	local device
	for device in net_af_xdp0 net_af_packet0; do
		sed -E "s/file_prefix: [^},]*/&-two/; s/net_af_(xdp|packet)0/$device/" "$LAB_DIR/portico.yaml" >"$LAB_DIR/two.yaml"
		chmod 644 "$LAB_DIR/two.yaml"
		lab_in dut timeout 20 "$PORTICO" -c "$LAB_DIR/two.yaml" >"$LAB_DIR/two.log" 2>&1
		expect_equal "$1, another on $device: exit status 1" 1 $?
		expect_match "$1, another on $device: it says why" 'another Portico has this interface, eth0' "$(cat "$LAB_DIR/two.log")"
	done
}

refused "bifurcated on a device that is not on the kernel's interface" 'refused.yaml:[0-9]+:[0-9]+: .*kernel: .*net_af_xdp0,iface=' \
	-e 's/kernel: auto/kernel: bifurcated/' -e 's/net_af_xdp0,iface=eth0/net_memif0,role=client,id=0/'
refused "bifurcated with an XDP program of the user's" 'take xdp_prog= out' \
	-e 's/kernel: auto/kernel: bifurcated/' -e 's,iface=eth0,iface=eth0\,xdp_prog=/dev/null,'
refused "bifurcated where the kernel has another address" 'ip addr add 198\.18\.0\.59/24 dev eth0' \
	-e 's/kernel: auto/kernel: bifurcated/' -e 's,198\.18\.0\.53/24,198.18.0.59/24,'
refused "auto where the kernel has some of the addresses" 'ip addr add 2001:2:0:1::59/64 dev eth0' \
	-e 's,2001:2:0:1::53/64,2001:2:0:1::59/64,'
refused "bifurcated where the kernel has no such VLAN" 'ip link add link eth0 name eth0\.77 type vlan id 77' \
	-e 's/kernel: auto/kernel: bifurcated, vlan: 77/; s/^    kernel: bifurcated, vlan: 77/    kernel: bifurcated\n    vlan: 77/'
refused "another MAC than the kernel's" 'interfaces\[0\]\.mac: the kernel shares this device' \
	-e 's/^    kernel: auto/&\n    mac: "02:00:00:00:00:53"/'
expect "after all that everything is as before" shared_is_as_before "$LAB_DIR/state"

# kernel: none on an interface whose addresses the kernel has: as ever, with a warning; nothing of ours is loaded.
sed 's/kernel: auto/kernel: none/' "$LAB_DIR/portico.yaml" >"$LAB_DIR/none.yaml"
lab_portico "$LAB_DIR/none.yaml" || exit 1
expect_match "none: a warning that the kernel answers too" 'warning device: the kernel has this address too' "$(cat "$PORTICO_LOG")"
expect_match "none: the program is not ours" '^xsk|^xdp|^$' "$(shared_program)"
expect "SIGTERM: exit status 0" lab_stop_portico

lab_in dut ethtool -L eth0 rx 2
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_match "a queue that nobody serves: a warning with the remedy" 'queues=2 served=1 .*ethtool -L eth0' "$(cat "$PORTICO_LOG")"
expect "SIGTERM: exit status 0" lab_stop_portico
lab_in dut ethtool -L eth0 rx 1

for device in net_af_xdp0 net_af_packet0; do
	sed "s/net_af_xdp0/$device/" "$LAB_DIR/portico.yaml" >"$LAB_DIR/one.yaml"
	lab_portico "$LAB_DIR/one.yaml" || exit 1
	refused_beside "one on $device"
	expect_equal "the first answers as before" 198.18.3.1 "$(lab_dig +short beside.perf.test A)"
	expect "SIGTERM: exit status 0" lab_stop_portico
done
squat nobody 3
squatter=$LAB_PID
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "another user has the first names: it starts on AF_XDP" portico_steer "$(shared_program)"
lab_stop "$squatter"
refused_beside "which have become free"
expect "SIGTERM: exit status 0" lab_stop_portico
squat nobody 8
squatter=$LAB_PID
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_equal "another user has all names: it starts on AF_XDP" portico_steer "$(shared_program)"
expect_match "with a warning that others would not be known" 'warning xdp: whether another Portico has this interface' \
	"$(cat "$PORTICO_LOG")"
expect "SIGTERM: exit status 0" lab_stop_portico
lab_stop "$squatter"

# Not root.
chmod 711 "$LAB_DIR"
install -m 755 "$PORTICO" "$LAB_DIR/program"
install -m 755 "$PORTICOCTL" "$LAB_DIR/ctl"
install -d -o nobody -m 700 "$LAB_DIR/run"
install -o nobody -m 600 "$LAB_DIR/portico.yaml" "$LAB_DIR/nobody.yaml"
list=-all$(for name in $CAPABILITIES; do printf ',+%s' "${name#CAP_}"; done | tr A-Z a-z)
cat >"$LAB_DIR/as_nobody" <<-SH
	#!/bin/sh
	XDG_RUNTIME_DIR=$LAB_DIR/run exec setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs \\
		--inh-caps=$list --ambient-caps=$list --bounding-set=$list "$LAB_DIR/program" "\$@"
SH
chmod 755 "$LAB_DIR/as_nobody"
portico_was=$PORTICO
PORTICO=$LAB_DIR/as_nobody
echo "     | $list"
lab_portico "$LAB_DIR/nobody.yaml" || exit 1
expect_equal "without root, with the unit's capabilities: AF_XDP" portico_steer "$(shared_program)"
expect_equal "it answers" 198.18.3.1 "$(lab_dig +short nobody.perf.test A)"
refused_beside "without root, without CAP_SYS_ADMIN"
serve holder dut --bind "$LAB_PORTICO_V4@20007" || exit 1
holder=$LAB_PID
sleep 1
expect_match "it names another user's process that holds a port" "port 20007: held: .*holder.*$holder" \
	"$(setpriv --reuid=nobody --regid=nogroup --clear-groups env "XDG_RUNTIME_DIR=$LAB_DIR/run" \
		"$LAB_DIR/ctl" -p "$LAB_PREFIX" ports why 20007)"
expect "SIGTERM: exit status 0" lab_stop_portico
ip -n "$LAB_DUT" link set dev eth0 xdp obj "${BUILD_DIR:-$LAB_ROOT/build}/portico_steer.bpf.o" sec xdp || exit 1
lab_portico "$LAB_DIR/nobody.yaml" || exit 1
expect_match "killed before our link held its program: packet sockets, and the remedy" \
	'warning xdp: no AF_XDP here.* if it is a killed Portico.s: ip link set dev eth0 xdp off' "$(cat "$PORTICO_LOG")"
expect "SIGTERM: exit status 0" lab_stop_portico
ip -n "$LAB_DUT" link set dev eth0 xdp off
sed 's/net_af_xdp0/net_af_packet0/' "$LAB_DIR/portico.yaml" >"$LAB_DIR/nobody.yaml"
lab_portico "$LAB_DIR/nobody.yaml" || exit 1
expect_match "likewise on packet sockets" portico_drop "$(lab_in dut tc filter show dev eth0 ingress)"
expect_equal "it answers" 198.18.3.1 "$(lab_dig +short nobody2.perf.test A)"
expect "SIGTERM: exit status 0" lab_stop_portico
PORTICO=$portico_was
expect "everything is as before" shared_is_as_before "$LAB_DIR/state"

# A NIC of three queues.
lab_start queues dut /usr/bin/python3 -c '
import fcntl, os, struct, time
queues = [os.open("/dev/net/tun", os.O_RDWR) for i in range(3)]
for queue in queues:
    fcntl.ioctl(queue, 0x400454CA, struct.pack("16sH22x", b"wide", 0x1102))  # TUNSETIFF: TAP, NO_PI, MULTI_QUEUE
print("open", flush=True)
time.sleep(60)'
queues=$LAB_PID
lab_wait_for 5 $queues "$LAB_DIR/queues.log" open || exit 1
lab_sysctl "$LAB_DUT" net.ipv6.conf.wide.disable_ipv6=1 || exit 1
ip -n "$LAB_DUT" address add 198.19.20.53/24 dev wide
ip -n "$LAB_DUT" link set wide up
# queues_of ARGUMENTS: starts with these in device; prints how many queues it has, and the warning
queues_of() {
	sed -E -e 's,198\.18\.0\.53/24\, "2001:2:0:1::53/64",198.19.20.53/24,' -e '/^    gateway: /d' \
		-e 's/to: \[.*\],/to: [198.19.20.20],/' -e "s/iface=eth0/iface=wide$1/" "$LAB_DIR/portico.yaml" >"$LAB_DIR/wide.yaml"
	lab_portico "$LAB_DIR/wide.yaml" || return 1
	grep -Eo 'driver=[a-z_]+|rx_queues=[0-9]+|queues=[0-9]+ served=[0-9]+ from=[0-9]+' "$PORTICO_LOG" | xargs
	lab_stop_portico
}
expect_equal "three queues, nothing said: all are served" "driver=net_af_xdp rx_queues=3" "$(queues_of '')"
expect_equal "all but the first" "queues=3 served=2 from=1 driver=net_af_xdp rx_queues=2" "$(queues_of ,start_queue=1)"
expect_equal "two of them" "queues=3 served=2 from=0 driver=net_af_xdp rx_queues=2" "$(queues_of ,queue_count=2)"
lab_stop "$queues"

# A VLAN that the kernel shares.
if ! ip -n "$LAB_SW" link add link br0 name vlan10 type vlan id 10 2>/dev/null; then
	echo "skip VLANs: this kernel has none (module 8021q)"
	exit 0
fi
lab_in sw ethtool -K dut txvlan off >/dev/null
number=10
for namespace in $LAB_CLI $LAB_SRV $LAB_DUT; do
	[ $namespace = $LAB_DUT ] && number=53
	[ $namespace = $LAB_SRV ] && number=20
	ip -n $namespace link add link eth0 name eth0.10 type vlan id 10
	ip -n $namespace address add 198.19.10.$number/24 dev eth0.10
	ip -n $namespace link set eth0.10 up
done
lab_nsd nsd-vlan --zones ". perf.test" 198.19.10.20 || exit 1
serve ntp dut --bind 198.19.10.53@123 || exit 1
sed -E -e 's,198\.18\.0\.53/24\, "2001:2:0:1::53/64",198.19.10.53/24,' -e 's/^    gateway: .*/    vlan: 10/' \
	-e 's/to: \[.*\],/to: [198.19.10.20],/' "$LAB_DIR/portico.yaml" >"$LAB_DIR/vlan.yaml"
lab_in dut ethtool -K eth0 rxvlan on >/dev/null
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_match "a VLAN of the kernel's, tags taken off by the NIC: a warning with the remedy" \
	'warning xdp: VLANs of the kernel.s .*ethtool -K eth0 rxvlan off' "$(cat "$PORTICO_LOG")"
expect "SIGTERM: exit status 0" lab_stop_portico
lab_in dut ethtool -K eth0 rxvlan off >/dev/null
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect "no warning where they are left on" sh -c "! grep 'VLANs of the kernel' $PORTICO_LOG"
expect "SIGTERM: exit status 0" lab_stop_portico
for stripped in off on; do
	lab_in dut ethtool -K eth0 rxvlan $stripped >/dev/null
	shared_state "$LAB_DIR/state-vlan"
	icmp_before=$(shared_icmp)
	lab_portico "$LAB_DIR/vlan.yaml" || exit 1
	if [ $stripped = off ]; then
		expect_equal "VLAN: our program is on the interface" portico_steer "$(shared_program)"
	else
		expect_match "VLAN, tags taken off by the NIC: packet sockets, with the remedy" \
			'warning xdp: .*ethtool -K eth0 rxvlan off' "$(cat "$PORTICO_LOG")"
	fi
	for i in {1..10}; do
		lab_dig @198.19.10.53 +short "v$i-$stripped.perf.test" A
	done | sort | uniq -c | xargs >"$LAB_DIR/answers"
	expect_equal "VLAN, stripping $stripped: questions are answered" "10 198.18.3.1" "$(cat "$LAB_DIR/answers")"
	expect "VLAN, stripping $stripped: the kernel's service too" lab_in cli "$shared_here/udp_service.py" ping \
		--from 198.19.10.10@53 --to 198.19.10.53@123 --rate 100 --seconds 1
	expect_equal "VLAN, stripping $stripped: the kernel told nobody that a port is closed" "$icmp_before" "$(shared_icmp)"
	expect "SIGTERM: exit status 0" lab_stop_portico
	expect "VLAN, stripping $stripped: everything is as before" shared_is_as_before "$LAB_DIR/state-vlan"
done
