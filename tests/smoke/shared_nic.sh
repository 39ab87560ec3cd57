# What the tests of a NIC shared with the kernel have in common. Sourced after lab.sh; bash, root.
#
# shared_up              lab_up; and dut's kernel has Portico's addresses on eth0, and a route out
# shared_config FILE [KERNEL]   lab_config with `kernel: KERNEL` (auto)
# shared_state FILE      what must be as before when Portico has gone: links, addresses, qdiscs, filters, sysctls, BPF
# shared_is_as_before FILE      it is, within ten seconds (the kernel frees programs when it can); else the difference
# shared_icmp            how many times dut's kernel has told somebody that no UDP socket is there, or dropped a datagram
#                        for want of one
# shared_program         the XDP program on dut's eth0; empty: none
# serve NAME WHERE ARGS  udp_service.py serve, ready when it returns; sets LAB_PID
# ping_service NAME ARGS in cli: udp_service.py ping in the background; sets LAB_PID

shared_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

shared_up() {
	lab_up
	lab_sysctl "$LAB_DUT" net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.accept_dad=0 || exit 1
	ip -n "$LAB_DUT" address add "$LAB_PORTICO_V4/24" dev eth0 || exit 1
	ip -n "$LAB_DUT" address add "$LAB_PORTICO_V6/64" dev eth0 nodad || exit 1
	ip -n "$LAB_DUT" route add default via 198.18.0.1 || exit 1
	ip -n "$LAB_DUT" -6 route add default via 2001:2:0:1::1 || exit 1
}

shared_config() {
	lab_config "$1.none"
	sed "s/kernel: none/kernel: ${2:-auto}/" "$1.none" >"$1"
}

shared_state() {
	{
		# Without what counts or ages.
		ip -n "$LAB_DUT" -d link show
		ip -n "$LAB_DUT" address show | grep -v valid_lft
		ip netns exec "$LAB_DUT" tc qdisc show
		ip netns exec "$LAB_DUT" tc filter show dev eth0 ingress 2>&1
		ip netns exec "$LAB_DUT" tc filter show dev eth0 egress 2>&1
		ip netns exec "$LAB_DUT" sysctl -a -r '^net\.' 2>/dev/null | grep -vE 'conntrack_count|tcp_fastopen_key'
	} >"$1"
	{
		shared_orphans prog '^prog_id:'
		shared_orphans map '^map_id:'
	} | sort >"$1.bpf"
}

# shared_orphans prog|map REGEX: BPF objects with names like ours that no process has open (other Porticos on this machine
# have theirs; one that was killed may have left some, which go when they may).
shared_orphans() {
	bpftool "$1" show | sed -nE 's/^([0-9]+): .* name ((portico_|xsks_map)[^ ]*).*/\1 \2/p' | sort >"$LAB_DIR/bpf"
	grep -hE "$2" /proc/[0-9]*/fdinfo/* 2>/dev/null | awk '{ print $2 }' | sort -u | join -v 2 - "$LAB_DIR/bpf"
}

shared_is_as_before() {
	local i
	for i in {1..20}; do
		shared_state "$LAB_DIR/state-now"
		cmp -s "$1" "$LAB_DIR/state-now" && [ -z "$(comm -13 "$1.bpf" "$LAB_DIR/state-now.bpf")" ] && return
		sleep 0.5
	done
	diff "$1" "$LAB_DIR/state-now"
	comm -13 "$1.bpf" "$LAB_DIR/state-now.bpf"
	return 1
}

shared_icmp() {
	lab_in dut awk '
		$1 == "Icmp:" || $1 == "Udp:" {
			if (!($1 in names)) { names[$1] = $0; next }
			split(names[$1], name)
			for (i = 2; i <= NF; i++)
				if (name[i] == "OutDestUnreachs" || name[i] == "NoPorts") sum += $i
		}
		$1 == "Icmp6OutDestUnreachs" || $1 == "Udp6NoPorts" { sum += $2 }
		END { print sum + 0 }' /proc/net/snmp /proc/net/snmp6
}

shared_program() {
	ip -n "$LAB_DUT" -d link show eth0 | sed -nE 's/.*prog\/xdp id [0-9]+ name ([^ ]+).*/\1/p'
}

serve() {
	local name=$1 where=$2
	shift 2
	lab_start "$name" "$where" /usr/bin/python3 "$shared_here/udp_service.py" serve --name "$name" "$@"
	lab_wait_for 5 "$LAB_PID" "$LAB_DIR/$name.log" '^bound ' || {
		cat "$LAB_DIR/$name.log"
		return 1
	}
}

ping_service() {
	local name=$1
	shift
	lab_start "$name" cli /usr/bin/python3 "$shared_here/udp_service.py" ping "$@"
}
