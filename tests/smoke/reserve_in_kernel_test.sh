#!/bin/bash
# outgoing.reserve_in_kernel: while Portico runs, its ports are in net.ipv4.ip_local_reserved_ports beside what was there,
# and the kernel hands none of them out as ephemeral; it still has others to hand out. After the end all is as before, but
# for what others have changed meanwhile; after SIGKILL the next start sees to that, whether or not it reserves any itself.
# variants: device=af_packet
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
BEFORE=1000,2000-2010,45000-45003
# Half of the kernel's own range.
RANGE=32768-46000
BINDS=2000

lab_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
# The kernel shares Portico's addresses.
lab_sysctl "$LAB_DUT" net.ipv6.conf.eth0.disable_ipv6=0
ip -n "$LAB_DUT" address add $LAB_PORTICO_V4/24 dev eth0
ip -n "$LAB_DUT" address add $LAB_PORTICO_V6/64 dev eth0 nodad
ip -n "$LAB_DUT" route add default via 198.18.0.1
ephemeral_before=$(lab_in dut cat /proc/sys/net/ipv4/ip_local_port_range | tr '\t' ' ')

# The kernel says no more at a read than it was asked for, and nothing at the next.
reserved() {
	lab_in dut dd if=/proc/sys/net/ipv4/ip_local_reserved_ports bs=1M count=1 status=none
}

# change SED: somebody else's change
change() {
	reserved | sed "$1" | lab_in dut dd of=/proc/sys/net/ipv4/ip_local_reserved_ports bs=1M iflag=fullblock status=none
}

# Ports and ranges, one port a line, in the order of sort.
expand() {
	tr ',' '\n' | awk -F - 'NF { for (port = $1 + 0; port <= $NF; port++) print port }' | sort -u
}

ports_of() {
	local outgoing
	for outgoing in 0 1; do
		/usr/bin/python3 "$here/port_report.py" "$LAB_PREFIX" "$@" $outgoing
	done
}

configure() {
	lab_config "$LAB_DIR/$1.yaml" <<-CONF
		mode: forward
		cache: {size_mb: 0}
		outgoing: {$2}
		forward:
		  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"]}
	CONF
	sed -i 's/kernel: none/kernel: bifurcated/' "$LAB_DIR/$1.yaml"
}

start() {
	lab_portico "$LAB_DIR/$1.yaml" || exit 1
	expect_equal "$1: it answers" 198.18.3.1 "$(lab_dig +short "$1.perf.test" A)"
}

kill_it() {
	kill -KILL "$PORTICO_PID"
	wait "$PORTICO_PID" 2>/dev/null
}

# What we draw from and what was reserved before are reserved, and nothing else.
is_reserved() {
	reserved | expand >"$LAB_DIR/reserved"
	ports_of drawn | expand >"$LAB_DIR/drawn"
	printf '%s\n' "$1" | expand >"$LAB_DIR/before"
	echo "drawn $(wc -l <"$LAB_DIR/drawn"), reserved $(wc -l <"$LAB_DIR/reserved")"
	echo "drawn, not reserved: $(comm -23 "$LAB_DIR/drawn" "$LAB_DIR/reserved" | paste -sd ' ' | cut -c 1-200)"
	echo "before, not reserved: $(comm -23 "$LAB_DIR/before" "$LAB_DIR/reserved" | paste -sd ' ' | cut -c 1-200)"
	sort -u "$LAB_DIR/drawn" "$LAB_DIR/before" >"$LAB_DIR/both"
	echo "reserved without need: $(comm -13 "$LAB_DIR/both" "$LAB_DIR/reserved" | paste -sd ' ' | cut -c 1-200)"
	[ -s "$LAB_DIR/drawn" ] && cmp -s "$LAB_DIR/both" "$LAB_DIR/reserved"
}

# What the kernel hands out is none of ours.
hands_out_others() {
	lab_in dut /usr/bin/python3 "$here/udp_service.py" ephemeral $BINDS | sort >"$LAB_DIR/handed" || return 1
	ports_of drawn | expand >"$LAB_DIR/drawn"
	echo "handed out $(wc -l <"$LAB_DIR/handed"), ours: $(comm -12 "$LAB_DIR/handed" "$LAB_DIR/drawn" | paste -sd ' ' | cut -c 1-200)"
	[ -s "$LAB_DIR/handed" ] && ! comm -12 "$LAB_DIR/handed" "$LAB_DIR/drawn" | grep -q .
}

lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports=$BEFORE
expect_equal "ports are reserved before" $BEFORE "$(reserved)"
configure plain "range: 1024-65535"
configure whole "reserve_in_kernel: true, range: $RANGE, pool_size: all"
configure pool "reserve_in_kernel: true, range: $RANGE, pool_size: 2500, rotate_s: 3600"
configure rotating "reserve_in_kernel: true, range: $RANGE, pool_size: 2500, rotate_s: 2"
configure defaults "reserve_in_kernel: true"
configure wide "reserve_in_kernel: true, range: 20000-30000"

for what in whole pool; do
	start $what
	expect "$what: our ports and those from before are reserved, no others" is_reserved $BEFORE
	expect "$what: of $BINDS ephemeral ports none is one of ours" hands_out_others
	expect_equal "$what: the ephemeral range is as it was" "$ephemeral_before" \
		"$(lab_in dut cat /proc/sys/net/ipv4/ip_local_port_range | tr '\t' ' ')"
	expect "$what: SIGTERM: exit status 0" lab_stop_portico
	expect_equal "$what: reserved is what was before" $BEFORE "$(reserved)"
done

# With everything else as it comes, the kernel must have ports left for others: dig from the same host, say.
start defaults
expect "defaults: our ports and those from before are reserved, no others" is_reserved $BEFORE
expect "defaults: the kernel still has ephemeral ports to hand out, none of ours" hands_out_others
expect_equal "defaults: a lookup from the same host" 198.18.3.1 \
	"$(lab_in dut dig -r +tries=1 +time=2 +short @198.18.0.20 host.perf.test A)"
expect "defaults: SIGTERM: exit status 0" lab_stop_portico
expect_equal "defaults: reserved is what was before" $BEFORE "$(reserved)"

# A rotation: what is drawn is reserved all the time.
start rotating
/usr/bin/python3 "$here/port_report.py" "$LAB_PREFIX" drawn | expand >"$LAB_DIR/first"
sleep 5
/usr/bin/python3 "$here/port_report.py" "$LAB_PREFIX" drawn | expand >"$LAB_DIR/second"
expect_equal "rotating: the pool has 2500 ports" 2500 "$(wc -l <"$LAB_DIR/second")"
expect_between "rotating: it is another one than before" 0 1500 "$(comm -12 "$LAB_DIR/first" "$LAB_DIR/second" | wc -l)"
is_drawn_reserved() {
	local i
	for i in 1 2 3 4 5; do # the pool may change between the two reads
		ports_of drawn | expand >"$LAB_DIR/drawn"
		reserved | expand >"$LAB_DIR/reserved"
		! comm -23 "$LAB_DIR/drawn" "$LAB_DIR/reserved" | grep -q . && return
	done
	return 1
}
expect "rotating: it is reserved" is_drawn_reserved
expect "rotating: SIGTERM: exit status 0" lab_stop_portico
expect_equal "rotating: reserved is what was before" $BEFORE "$(reserved)"

# SIGKILL, then a start without the option, and one with it.
start pool
kill_it
expect_between "killed: our ports are still reserved" 2500 99999 "$(reserved | expand | wc -l)"
start plain
expect_equal "the next start, which reserves nothing, has put it back" $BEFORE "$(reserved)"
expect "SIGTERM: exit status 0" lab_stop_portico
expect_equal "and so it stays" $BEFORE "$(reserved)"
start pool
kill_it
start pool
expect "killed, and started again: its own ports instead of the old ones" is_reserved $BEFORE
kill_it
start pool
expect "and once more" is_reserved $BEFORE
expect "SIGTERM: exit status 0" lab_stop_portico
expect_equal "reserved is what was before" $BEFORE "$(reserved)"

# Others change it meanwhile: 3333 comes, 1000 goes. None of ours is either.
AFTER=2000-2010,3333,45000-45003
start pool
change 's/^1000,//; s/$/,3333/'
expect "others' changes: SIGTERM: exit status 0" lab_stop_portico
expect_equal "others' changes survive" $AFTER "$(reserved)"
lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports=$BEFORE
start pool
change 's/^1000,//; s/$/,3333/'
kill_it
start plain
expect_equal "after SIGKILL, too" $AFTER "$(reserved)"
expect "SIGTERM: exit status 0" lab_stop_portico

# Another start with the same file, while the first lives: refused before it has taken anything for a killed one's.
lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports=$BEFORE
start pool
held=$(reserved)
second=$(timeout 20 ip netns exec "$LAB_DUT" "$PORTICO" -c "$LAB_DIR/pool.yaml" 2>&1)
expect_equal "a second start with the same file_prefix: exit status" 1 $?
expect_match "names it" "file_prefix: $LAB_PREFIX" "$second"
expect_equal "and our ports stay reserved" "$held" "$(reserved)"
expect "SIGTERM: exit status 0" lab_stop_portico
expect_equal "reserved is what was before" $BEFORE "$(reserved)"

# An administrator reserves ports among ours with sysctl, which sets the whole list: they are his, whatever was there.
ADMIN=27000-27009
has_settled() {
	local i
	for i in {1..30}; do
		is_reserved $ADMIN && return
		sleep 0.1
	done
	return 1
}
start wide
expect_match "27005 is ours" eligible "$(lab_ctl ports why 27005)"
lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports=$ADMIN
expect "an administrator's list: it stays, and ours is added again" has_settled
expect_match "why 27005: it is his" reserved "$(lab_ctl ports why 27005)"
expect_equal "none of his is drawn" "" "$(ports_of drawn | expand | grep '^2700[0-9]$')"
# Ours again, but for a few that somebody takes out: not another's list for that.
change 's/^20000-/20003-/'
expect "a few of ours are taken out of the list: they come back" has_settled
expect "SIGTERM: exit status 0" lab_stop_portico
expect_equal "at the end it is as he has set it" $ADMIN "$(reserved)"
lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports=$BEFORE
start wide
kill_it
lab_sysctl "$LAB_DUT" net.ipv4.ip_local_reserved_ports=$ADMIN
start plain
expect_equal "the same after SIGKILL" $ADMIN "$(reserved)"
expect "SIGTERM: exit status 0" lab_stop_portico
start wide
kill_it
change 's/^20000-/20003-/'
start plain
expect_equal "after SIGKILL a few were taken out of the list: the others of ours go" $ADMIN "$(reserved)"
expect "SIGTERM: exit status 0" lab_stop_portico

# Nothing reserved before.
lab_in dut sh -c 'echo > /proc/sys/net/ipv4/ip_local_reserved_ports'
start pool
expect "nothing was reserved: our ports are" is_reserved ""
expect "SIGTERM: exit status 0" lab_stop_portico
expect_equal "and then none" "" "$(reserved)"
expect_equal "no file of it is left" "" "$(find /run/portico -name "*$LAB_PREFIX*" 2>/dev/null)"
