#!/bin/bash
# `porticoctl ports` on a running Portico: each command says what is so, as text and as JSON, and refuses with a reason;
# the firewall rules that it prints load with nft, iptables-restore and ip6tables-restore, and in a router between
# Portico and its servers, that drops everything else, they let through what Portico needs and nothing more:
#
#   Portico --- bridge (cli) --- srv, forwarding, policy drop --- far: servers 198.18.1.53 .54, a client .10
#
# variants: workers=2
. "$(dirname "$0")/../lab/lab.sh"
SERVER_V4=$LAB_BEHIND_V4 SERVER_V6=$LAB_BEHIND_V6
SILENT_V4=198.18.1.54 SILENT_V6=2001:2:0:2::54 # also servers, that nobody serves: the test sends for them
CLIENT_V4=198.18.1.10 CLIENT_V6=2001:2:0:2::10 # who may ask
OTHER_V4=198.18.1.11 OTHER_V6=2001:2:0:2::11   # and who may not
OUTGOING="addresses: [$LAB_PORTICO_V4, \"$LAB_PORTICO_V6\"]"

lab_up
lab_start far srv unshare -n sleep 1000000
far_pid=$LAB_PID

far() {
	nsenter -t "$far_pid" -n "$@"
}

has_own_namespace() {
	local i own
	for ((i = 0; i < 100; i++)); do
		# Read once: on its way it is in this shell's namespace first, and then in srv.
		own=$(readlink "/proc/$far_pid/ns/net")
		[ -n "$own" ] && [ "$own" != "$(lab_in srv readlink /proc/self/ns/net)" ] &&
			[ "$own" != "$(readlink /proc/self/ns/net)" ] && return
		sleep 0.05
	done
	return 1
}

make_far() {
	local address
	has_own_namespace || return 1
	ip -n "$LAB_SRV" address del "$LAB_BEHIND_V4/32" dev lo &&
		ip -n "$LAB_SRV" address del "$LAB_BEHIND_V6/128" dev lo &&
		ip -n "$LAB_SRV" link add far type veth peer name eth0 netns "$far_pid" || return 1
	# A packet socket sees a checksum that was left to hardware as a wrong one.
	lab_in srv ethtool -K far tx off rx off gso off gro off tso off >/dev/null &&
		far ethtool -K eth0 tx off rx off gso off gro off tso off >/dev/null || return 1
	ip -n "$LAB_SRV" address add 198.18.1.1/24 dev far &&
		ip -n "$LAB_SRV" address add 2001:2:0:2::1/64 dev far nodad && ip -n "$LAB_SRV" link set far up &&
		far ip link set lo up && far ip link set eth0 up || return 1
	for address in $SERVER_V4/24 $SILENT_V4/24 $CLIENT_V4/24 $OTHER_V4/24; do
		far ip address add "$address" dev eth0 || return 1
	done
	for address in $SERVER_V6/64 $SILENT_V6/64 $CLIENT_V6/64 $OTHER_V6/64; do
		far ip address add "$address" dev eth0 nodad || return 1
	done
	far ip route add default via 198.18.1.1 && far ip -6 route add default via 2001:2:0:2::1 &&
		lab_sysctl "$LAB_SRV" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}
make_far || lab_die "no network behind srv"
lab_start upstream srv nsenter -t "$far_pid" -n /usr/bin/python3 "$LAB_HERE/upstream.py" $SERVER_V4 $SERVER_V6
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/upstream.log" '^upstream: ready' || exit 1
# The silent servers: without a socket their kernel would answer with ICMP.
lab_start silent srv nsenter -t "$far_pid" -n /usr/bin/python3 -c '
import socket, sys, time
socks = []
for address in sys.argv[1:]:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, 53))
    socks.append(sock)
print("ready", flush=True)
time.sleep(1000000)' $SILENT_V4 $SILENT_V6
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/silent.log" '^ready' || exit 1

# start NAME OUTGOING...: Portico with these settings
start() {
	lab_config "$LAB_DIR/$1.yaml" <<-CONF
		mode: forward
		cache: {size_mb: 0}
		allow: [198.18.0.0/24, $CLIENT_V4, "2001:2::/64", "$CLIENT_V6", $CLIENT_V4/32, 198.18.0.128/25]
		outgoing: {$2}
		forward:
		  - {zone: v4.test, to: [$SERVER_V4], timeout_ms: 300, tries: 2}
		  - {zone: v6.test, to: ["$SERVER_V6"], timeout_ms: 300, tries: 2}
		  - {zone: ".", to: [$SILENT_V4, "$SILENT_V6"]}
	CONF
	lab_portico "$LAB_DIR/$1.yaml" || exit 1
}

# outcome STATUS REGEX COMMAND...: its exit status, and a line of its output
outcome() {
	local want=$1 regex=$2 output status
	shift 2
	output=$("$@" 2>&1)
	status=$?
	printf '%s\n' "$output"
	echo "exit status $status, wanted $want and /$regex/"
	[ $status -eq "$want" ] && grep -Eq -- "$regex" <<<"$output"
}

# json EXPRESSION ARGS...: of `porticoctl ports ARGS --json`, as `it`
json() {
	local expression=$1
	shift
	lab_ctl ports "$@" --json | /usr/bin/python3 -c "import json, sys; it = json.load(sys.stdin); print($expression)"
}

# --- what it says ---
start plain "$OUTGOING, exclude: [8000-8099]"
expect_match "an answer, over IPv4" 'status: NOERROR' "$(lab_dig a.v4.test)"
expect_match "and over IPv6" 'status: NOERROR' "$(lab_dig a.v6.test)"
lab_ctl ports >"$LAB_DIR/table" || fail "porticoctl ports"
expect_equal "ports: a part for each address" "$LAB_PORTICO_V4 $LAB_PORTICO_V6" \
	"$(sed -nE 's/^([0-9a-f.:]+) on net0: .*/\1/p' "$LAB_DIR/table" | paste -sd ' ')"
expect_match "what outgoing.exclude keeps out" '^  exclude +100 ' "$(cat "$LAB_DIR/table")"
claimed=$(sed -nE 's/^\t\{([0-9]+), ([0-9]+), ".*/\1 \2/p' "$LAB_ROOT/core/port_set.c" |
	awk '$1 >= 1024 { sum += $2 - $1 + 1 } END { print sum }')
expect_match "and the defaults" "^  default +$claimed " "$(cat "$LAB_DIR/table")"
expect_match "the entropy" '^  entropy +31\.9[0-9]  bits: port 15\.9[0-9] \+ ID 16$' "$(cat "$LAB_DIR/table")"
expect_match "tickets" '^  tickets_out +[0-9]+ ' "$(cat "$LAB_DIR/table")"
eligible=$((65536 - 1024 - 100 - claimed))
expect_equal "as JSON: an object for each address" "$eligible random True" \
	"$(json "it['outgoing'][1]['eligible'], it['outgoing'][0]['send_port'], it['outgoing'][0]['port_bits'] > 15.9" |
		tr -d "(,)'")"
expect_equal "and totals" True "$(json "it['totals']['tickets_late'] >= 0")"
expect_equal "every port has one verdict" "65536 65536" "$(json "*(sum(row[key] for key in ('eligible', 'range', 'exclude',
	'default', 'listen', 'reserved', 'ephemeral', 'held')) for row in it['outgoing'])")"

expect "why 4500: the default exclusion" outcome 0 "^$LAB_PORTICO_V4 port 4500: default: .*IPsec" lab_ctl ports why 4500
expect "why 8050: outgoing.exclude" outcome 0 "port 8050: exclude: " lab_ctl ports why 8050
expect "why 20000: it is drawn from" outcome 0 "port 20000: eligible.*drawn" lab_ctl ports why 20000
expect_equal "as JSON" "True default" "$(echo "$(json "it[0]['drawn']" why 20000) $(json "it[1]['verdict']" why 4500)")"
for port in 0 65536 -1 x; do
	expect "why $port: usage" outcome 2 'from 1 to 65535' lab_ctl ports why $port
done
expect "no conflicts" outcome 0 '^\(none\)$' lab_ctl ports conflicts
expect_equal "as JSON" "[]" "$(json it conflicts)"

# --- the picture ---
picture() {
	lab_ctl ports picture "$@" >"$LAB_DIR/picture"
}
expect "a picture" picture --ascii
expect_equal "of 16 lines for each address" 32 "$(grep -cE '^ *[0-9]+  .{64}$' "$LAB_DIR/picture")"
expect_equal "in ASCII" "" "$(LC_ALL=C grep -P '[^\x20-\x7e]' "$LAB_DIR/picture")"
expect_match "1 to 1023 are out of range" '^    0  R{16}' "$(cat "$LAB_DIR/picture")"
expect_match "4500 is a default" '^ 4096  .{6}d' "$(cat "$LAB_DIR/picture")"
expect_match "8000 to 8099 are excluded" '^ 4096  .{61}Xx' "$(cat "$LAB_DIR/picture")"
expect_match "totals" "^$eligible ports eligible, $eligible drawn from" "$(cat "$LAB_DIR/picture")"
export LC_ALL=C
picture
expect_equal "ASCII where the locale is" "" "$(LC_ALL=C grep -P '[^\x20-\x7e]' "$LAB_DIR/picture")"
export LC_ALL=C.UTF-8
picture
expect_match "UTF-8 where the locale is" '·' "$(cat "$LAB_DIR/picture")"
unset LC_ALL
expect_equal "no colours in a file" 0 "$(grep -c $'\033' "$LAB_DIR/picture")"
on_terminal() {
	script -qec "$PORTICOCTL -p $LAB_PREFIX ports picture" /dev/null </dev/null
}
expect_match "colours on a terminal" $'\033' "$(TERM=xterm on_terminal)"
expect_equal "not with NO_COLOR" 0 "$(TERM=xterm NO_COLOR=1 on_terminal | grep -c $'\033')"
expect_equal "nor where TERM=dumb" 0 "$(TERM=dumb on_terminal | grep -c $'\033')"
# 16 questions under way at a server that says nothing
lab_in cli /usr/bin/python3 "$LAB_ROOT/tests/smoke/ask_and_forget.py" $LAB_PORTICO_V4 "x%d.silent.test" --count 16 \
	--rate 1000 --first-source 198.18.0.10 >/dev/null
sleep 0.2
picture --ascii
expect_match "queries under way are seen" '^ *[0-9]+  .*[:+*#]' "$(cat "$LAB_DIR/picture")"

# --- settings ---
expect "set exclude +20000-20009" outcome 0 '^exclude: ' lab_ctl ports set exclude +20000-20009
expect "and why shows it" outcome 0 "port 20005: exclude: " lab_ctl ports why 20005
expect_equal "it is 110 now" 110 "$(json "it['outgoing'][0]['exclude']")"
expect "set exclude -20000-20009" outcome 0 '^exclude: ' lab_ctl ports set exclude -20000-20009
expect "and why shows it" outcome 0 "port 20005: eligible" lab_ctl ports why 20005
expect_equal "as JSON" ok "$(json "it['result']" set exclude +4501)"
expect "what there is no such setting for is refused" outcome 1 'refused: .' lab_ctl ports set colour blue
expect "and what is no value" outcome 1 'refused: .' lab_ctl ports set pool_size many
expect "and what would leave no port" outcome 1 'refused: .' lab_ctl ports set exclude 1-65535
expect_equal "refused: nothing is changed" 101 "$(json "it['outgoing'][0]['exclude']")"
expect "a setting without a value: usage" outcome 2 'something is missing' lab_ctl ports set exclude

# --- usage ---
expect "a command that there is not: a suggestion" outcome 2 'what is "conflict".*conflicts' lab_ctl ports conflict
expect "an argument too many: usage" outcome 2 'what is "more"' lab_ctl ports picture more
expect "another command's option: usage" outcome 2 'stateful is not an option of ports picture' lab_ctl ports picture --stateful
expect "a firewall that there is not: usage" outcome 2 'nft, iptables or ip6tables' lab_ctl ports firewall pf
expect "--stateful and --notrack: usage" outcome 2 'connection tracking' lab_ctl ports firewall nft --stateful --notrack
expect "an audit of 5: usage" outcome 2 'from 16 to' lab_ctl ports audit echo.test --count 5
expect "an audit of nothing that echoes" outcome 1 . lab_ctl ports audit echo.v4.test --count 16

# --- the firewall: it loads ---
# checks_out FORMAT COMMAND...: COMMAND takes what `firewall FORMAT $options` prints
checks_out() {
	lab_ctl ports firewall "$1" $options >"$LAB_DIR/rules" || return 1
	shift
	lab_in srv "$@" <"$LAB_DIR/rules"
}
for options in "" --stateful --notrack "--chain host" "--chain host --stateful" "--chain host --notrack"; do
	expect "nft loads ${options:-stateless}" checks_out nft nft -c -f -
	expect "iptables-restore loads ${options:-stateless}" checks_out iptables iptables-restore --test
	expect "ip6tables-restore loads ${options:-stateless}" checks_out ip6tables ip6tables-restore --test
done

# --- the firewall: it does what it says ---
# Each: load $options into a router that drops what no rule lets through; dropped: how many packets it did drop.
nft_up() {
	lab_in srv nft flush ruleset
	lab_in srv nft -f - <<-RULES || return 1
		table inet filter {
			chain forward {
				type filter hook forward priority filter; policy drop;
				counter drop
			}
		}
		table inet tracks {
			chain prerouting {
				type filter hook prerouting priority mangle;
				meta l4proto udp ct state != untracked counter
			}
		}
	RULES
	[ "$1" = nothing ] || load nft nft -f -
}

# load FORMAT COMMAND...: the rules, with COMMAND, and then what they say is to be done once in the shell
load() {
	lab_ctl ports firewall "$1" $options >"$LAB_DIR/rules" || return 1
	shift
	lab_in srv "$@" <"$LAB_DIR/rules" && sed -n 's/^#   //p' "$LAB_DIR/rules" >"$LAB_DIR/jumps" &&
		[ -s "$LAB_DIR/jumps" ] && lab_in srv sh -e "$LAB_DIR/jumps"
}

nft_again() {
	load nft nft -f -
}

# Everything that is loaded, less what it counted.
nft_rules() {
	lab_in srv nft list ruleset | sed -E 's/packets [0-9]+ bytes [0-9]+//'
}

nft_dropped() {
	lab_in srv nft list chain inet filter forward | sed -nE 's/.*counter packets ([0-9]+) .*/\1/p'
}

xt_up() {
	local program format
	lab_in srv nft flush ruleset
	for program in iptables ip6tables; do
		lab_in srv $program -P FORWARD DROP && lab_in srv $program -A FORWARD -j DROP || return 1
		[ "$1" = nothing ] || load $program $program-restore --noflush || return 1
	done
}

xt_again() {
	load iptables iptables-restore --noflush && load ip6tables ip6tables-restore --noflush
}

xt_rules() {
	lab_in srv iptables-save && lab_in srv ip6tables-save
}

xt_dropped() {
	local program
	for program in iptables ip6tables; do
		lab_in srv $program -L FORWARD -v -x -n | awk '$3 == "DROP" { print $1 }'
	done | awk '{ sum += $1 } END { print sum + 0 }'
}

# send IN FROM FROM_PORT TO TO_PORT: a UDP packet, whosever address it is from; an answer is awaited, as a closed socket
# makes ICMP of it
send() {
	local in=$1
	shift
	$in /usr/bin/python3 -c '
import socket, sys, time
source, destination = (sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4]))
v6 = ":" in source[0]
sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(*((socket.IPPROTO_IPV6, 75) if v6 else (socket.IPPROTO_IP, 19)), 1)  # transparent
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(source)
sock.sendto(bytes(12), destination)
time.sleep(0.1)' "$@"
}

# syn FROM TO: one, to port 53
syn() {
	far /usr/bin/python3 -c '
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
sock.setblocking(False)
sock.bind((sys.argv[1], 0))
sock.connect_ex((sys.argv[2], 53))' "$@"
}

# echo_request FROM TO: ICMP
echo_request() {
	far /usr/bin/python3 -c '
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
sock.bind((sys.argv[1], 0))
sock.sendto(bytes.fromhex("0800f7ff00000000"), (sys.argv[2], 0))' "$@"
}

# dropped_by COUNT TEXT COMMAND...: so many of COMMAND's packets are dropped
dropped_by() {
	local want=$1 text=$2 before
	shift 2
	before=$($kind\_dropped)
	"$@" >/dev/null 2>&1
	sleep 0.05
	expect_equal "$text" "$want" $(($($kind\_dropped) - before))
}
passes() {
	local text=$1
	shift
	dropped_by 0 "$what: passes: $text" "$@"
}
is_dropped() {
	local text=$1
	shift
	dropped_by 1 "$what: dropped: $text" "$@"
}

cli() {
	lab_in cli "$@"
}

resolves() {
	local name=n$RANDOM$RANDOM
	lab_dig $name.v4.test | grep -q 'status: NOERROR' && lab_dig $name.v6.test | grep -q 'status: NOERROR'
}

answers_far() {
	far dig -r +tries=1 +time=5 -b $CLIENT_V4 @$LAB_PORTICO_V4 far$RANDOM.v4.test | grep -q 'status: NOERROR' &&
		far dig -r +tries=1 +time=5 -b $CLIENT_V6 @$LAB_PORTICO_V6 far$RANDOM.v6.test | grep -q 'status: NOERROR'
}

try_out() {
	passes "a query" send cli $LAB_PORTICO_V4 20000 $SILENT_V4 53
	passes "a query over IPv6" send cli $LAB_PORTICO_V6 20000 $SILENT_V6 53
	is_dropped "from a port that is kept out" send cli $LAB_PORTICO_V4 4500 $SILENT_V4 53
	is_dropped "from one that was set" send cli $LAB_PORTICO_V6 4501 $SILENT_V6 53
	is_dropped "to another port of a server" send cli $LAB_PORTICO_V4 20000 $SILENT_V4 54
	is_dropped "to what is no server" send cli $LAB_PORTICO_V4 20000 $CLIENT_V4 53
	is_dropped "from another address" send cli 198.18.0.10 20000 $SILENT_V4 53
}

try_in() {
	passes "a question" send far $CLIENT_V4 40000 $LAB_PORTICO_V4 53
	passes "a question over IPv6" send far $CLIENT_V6 40000 $LAB_PORTICO_V6 53
	is_dropped "a question of one who may not ask" send far $OTHER_V4 40000 $LAB_PORTICO_V4 53
	is_dropped "the same over IPv6" send far $OTHER_V6 40000 $LAB_PORTICO_V6 53
	is_dropped "to a port that is kept out" send far $SILENT_V4 53 $LAB_PORTICO_V4 4500
	is_dropped "from another port of a server" send far $SILENT_V4 54 $LAB_PORTICO_V4 20002
	is_dropped "from what is no server" send far $CLIENT_V4 53 $LAB_PORTICO_V4 20002
	is_dropped "the same over IPv6" send far $CLIENT_V6 53 $LAB_PORTICO_V6 20002
	is_dropped "TCP to port 53" syn $CLIENT_V4 $LAB_PORTICO_V4
	is_dropped "ICMP" echo_request $CLIENT_V4 $LAB_PORTICO_V4
	is_dropped "to another address" send far $SILENT_V4 53 198.18.0.10 53
}

# Why there is a jump: what a table of one's own accepts, the policy of another still drops.
nft_up nothing
lab_in srv nft -f - <<-RULES
	table inet own {
		chain forward {
			type filter hook forward priority -10;
			accept
		}
	}
RULES
expect "nft: an accept in another table reaches no server" eval '! resolves'

for kind in nft xt; do
	what="$kind, no rules"
	${kind}_up nothing
	expect "$what: no server is reached" eval '! resolves'
	for options in "" --stateful; do
		what="$kind ${options:-stateless}"
		expect "$what: loads" ${kind}_up rules
		${kind}_rules | grep -v '^#' >"$LAB_DIR/once"
		expect "$what: loads again" ${kind}_again
		expect_equal "$what: loaded twice is loaded once" "" \
			"$(${kind}_rules | grep -v '^#' | diff "$LAB_DIR/once" - | head -20)"
		expect_equal "$what: one jump" $([ $kind = nft ] && echo 1 || echo 2) \
			"$(grep -cE -- 'jump portico$|-A FORWARD -j PORTICO$' "$LAB_DIR/once")"
		expect "$what: servers are reached" resolves
		expect "$what: clients are answered" answers_far
		try_out
		try_in
		passes "the reply of a server that was asked" send far $SILENT_V4 53 $LAB_PORTICO_V4 20000
		passes "the same over IPv6" send far $SILENT_V6 53 $LAB_PORTICO_V6 20000
		if [ -n "$options" ]; then
			is_dropped "what a server says unasked" send far $SILENT_V4 53 $LAB_PORTICO_V4 20003
		fi
	done
done

# UDP packets that connection tracking knows of
tracked() {
	lab_in srv nft list chain inet tracks prerouting | sed -nE 's/.*counter packets ([0-9]+) .*/\1/p'
}
kind=nft
for options in "" --notrack; do
	nft_up rules
	before=$(tracked)
	for i in 1 2 3 4 5; do
		resolves || fail "nft ${options:-stateless}: no answer"
	done
	answers_far || fail "nft ${options:-stateless}: no answer to a client beyond"
	new=$(($(tracked) - before))
	case $options in
	--notrack) expect_equal "--notrack: connection tracking sees nothing of it" 0 $new ;;
	*) expect_between "without: it sees each query and reply" 20 1000 $new ;;
	esac
done
lab_in srv nft flush ruleset
expect "SIGTERM: exit status 0" lab_stop_portico

# --- a pool, and one port ---
start pool "$OUTGOING, pool_size: 2500"
expect_match "a pool: the table says so" '^  drawn +2500  .*pool' "$(lab_ctl ports)"
expect_match "why tells a port that is not drawn" ': eligible, but not' \
	"$(for port in $(seq 20000 20020); do lab_ctl ports why $port; done)"
lab_ctl ports firewall nft >"$LAB_DIR/rules"
expect_match "the rules warn that it rotates" "^# $LAB_PORTICO_V4: the pool is 2500 ports and ROTATES" "$(cat "$LAB_DIR/rules")"
expect_equal "and are for all that is eligible" "$(json "it['outgoing'][0]['eligible']")" \
	"$(sed -n '/define portico_ports_1/,/}/p' "$LAB_DIR/rules" | grep -v '[{}]' | tr ', ' '\n\n' |
		awk -F - 'NF { sum += $NF - $1 + 1 } END { print sum }')"
expect "nft loads them" lab_in srv nft -c -f "$LAB_DIR/rules"
expect "SIGTERM: exit status 0" lab_stop_portico

start fixed "$OUTGOING, send_port: 53"
expect_match "send_port: a loud line" 'send_port 53: EVERY QUERY .* 0 BITS' "$(lab_ctl ports)"
expect_match "the entropy that is left" '^  entropy +16\.00  bits: port 0\.00 \+ ID 16$' "$(lab_ctl ports)"
expect_equal "as JSON" "53 1 0.0" "$(json "it['outgoing'][0]['send_port'], it['outgoing'][0]['drawn'],
	float(it['outgoing'][0]['port_bits'])" | tr -d '(,)')"
options=
nft_up rules
expect "in at 53 and out from 53: servers are reached" resolves
expect "and clients answered" answers_far
what=send_port
kind=nft
is_dropped "from any other port" send cli $LAB_PORTICO_V4 20000 $SILENT_V4 53
expect "SIGTERM: exit status 0" lab_stop_portico
