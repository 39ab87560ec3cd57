#!/bin/bash
# The same article: IPsec (a real process here, on 4500) and others start on a machine whose DNS server holds their ports.
# Where the kernel shares Portico's addresses, a port that a process holds is the process's: those bound before Portico starts are
# never drawn; those bound while it answers 4,000 questions a second are given up within a second, with their packets,
# from DNS servers' port 53 as well; it is said once who took what; and when the process leaves, the port comes back
# within two. Nothing is lost on either side. On an address that Portico has for itself a process changes nothing.
# ahead: no question and no packet of the services may be lost
# variants: workers=1 device=af_xdp
# variants: workers=2
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
QPS=4000
DURATION=24
# 5,000 ports, so that each would be drawn nearly once a second. 4500 is one of them.
RANGE=4000-8999
MANY=6000-6199
YIELD_MS=1000
RETURN_MS=2000

waiting_max=4000
[ "$LAB_DEVICE" != af_xdp ] || waiting_max=900

lab_prefer
lab_up
# Answers take 150 ms: whenever a port is given up, some query is under way on it.
lab_start numbered srv /usr/bin/python3 "$here/numbered_server.py" 198.18.0.20 2001:2:0:1::20 --delay 150 \
	--control "$LAB_DIR/numbered.control"
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/numbered.log" 'ready$' || exit 1
lab_config "$LAB_DIR/dedicated.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	outgoing: {range: $RANGE, exclude_defaults: false}
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
CONF
sed 's/kernel: none/kernel: bifurcated/; s/^outgoing: {/&respect_kernel: true, /' "$LAB_DIR/dedicated.yaml" >"$LAB_DIR/shared.yaml"
portico_mac=$(lab_in dut cat /sys/class/net/eth0/address)
seq -f "q%.0f.load.test A" $((QPS * DURATION)) >"$LAB_DIR/names"

# serve NAME WHERE ARGS: a service of that name; returns when it has bound its ports, and sets LAB_PID.
serve() {
	local name=$1 where=$2
	shift 2
	lab_start "$name" "$where" /usr/bin/python3 "$here/udp_service.py" serve --name "$name" "$@"
	lab_wait_for 5 "$LAB_PID" "$LAB_DIR/$name.log" '^bound ' || {
		cat "$LAB_DIR/$name.log"
		return 1
	}
}

# moment NAME WORD: when that service has `bound` its ports or `left` them, in ms since 1970
moment() {
	sed -nE "s/^$2 ([0-9]+)\.([0-9]{3}).*/\1\2/p" "$LAB_DIR/$1.log"
}

why() {
	lab_ctl ports why "$1"
}

# says_within MS SINCE PORT REGEX: until `ports why PORT` says so, not later than MS after SINCE; prints how late
says_within() {
	local text late
	while :; do
		text=$(why "$3")
		late=$(($(date +%s%3N) - $2))
		if grep -Eq -- "$4" <<<"$text"; then
			echo "     | $3 after $late ms: $(grep -Em 1 -- "$4" <<<"$text" | tr -s ' ')" >&3
			[ $late -le "$1" ]
			return
		fi
		if [ $late -gt $(($1 + 3000)) ]; then
			echo "after $late ms: $text"
			return 1
		fi
		sleep 0.02
	done
}
exec 3>&1

# drawn ADDRESS PORTS FROM_MS [TO_MS]: `queries N distinct N`, of those captured
drawn() {
	/usr/bin/python3 "$here/source_counts.py" ports "$LAB_DIR/all.pcap" --source "$1" --only "$2" --from "${3%???}.${3: -3}" \
		${4:+--to "${4%???}.${4: -3}"}
}

tally() {
	grep '^sent ' "$LAB_DIR/$1.log"
}

# lost NAME: its pings that did not come back, the first ten of them, and what the machine's kernel has lost since the test began
lost() {
	grep -m 10 -vE '^(bound|sent|left) ' "$LAB_DIR/$1.log"
	echo "dropped at full backlogs, by CPU, in hex, before: $backlog_drops, now: $(softnet_drops)"
}

softnet_drops() {
	awk '{printf "%s ", $2}' /proc/net/softnet_stat 2>/dev/null
}
backlog_drops=$(softnet_drops)

# pings NAME WHERE FROM TO SECONDS: an exchange with a service in the background; sets LAB_PID
pings() {
	lab_start "$1" "$2" /usr/bin/python3 "$here/udp_service.py" ping --from "$3" --to "$4" --seconds "$5" --rate 100
}

# log_lines PORT PROCESS: lines of Portico's log that name both
log_lines() {
	grep -E "\b$1\b" "$PORTICO_LOG" | grep -cE "$2|python3"
}

# --- the kernel shares the addresses -----------------------------------------------------------
lab_sysctl "$LAB_DUT" net.ipv6.conf.eth0.disable_ipv6=0
ip -n "$LAB_DUT" address add $LAB_PORTICO_V4/24 dev eth0
ip -n "$LAB_DUT" address add $LAB_PORTICO_V6/64 dev eth0 nodad
ip -n "$LAB_DUT" route add default via 198.18.0.1
# Whoever makes a clsact qdisc has the kernel drop what it sends in that moment (tc_drop.h); this is about what comes after.
lab_in dut tc qdisc add dev eth0 clsact

serve peer cli --bind 198.18.0.10@7000 || exit 1
peer_pid=$LAB_PID
serve peer6 cli --bind 2001:2:0:1::10@7000 || exit 1
# Before Portico: IPsec on 4500, a wildcard, and IPv6.
serve ipsec-early dut --bind $LAB_PORTICO_V4@4500 --peer 198.18.0.10@7000 || exit 1
early_pid=$LAB_PID
serve wild-early dut --bind 0.0.0.0@4600 || exit 1
wild_early_pid=$LAB_PID
serve six-early dut --bind $LAB_PORTICO_V6@4700 || exit 1
six_early_pid=$LAB_PID

lab_portico "$LAB_DIR/shared.yaml" || exit 1
yielded_before=$(lab_stat ports_yielded)
expect_match "bound before the start: why not 4500: the process" "ipsec-early|python3" "$(why 4500)"
expect_match "and its pid" "\b$early_pid\b" "$(why 4500)"
expect_match "4600 on a wildcard address: its pid" "\b$wild_early_pid\b" "$(why 4600)"
expect_match "4700 over IPv6: its pid" "$LAB_PORTICO_V6.*\b$six_early_pid\b" "$(why 4700)"
expect_match "but not over IPv4" "$LAB_PORTICO_V4.*eligible" "$(why 4700)"
expect_match "4501 is eligible" eligible "$(why 4501)"

lab_capture "$LAB_DIR/all.pcap" "udp dst port 53 and ether src $portico_mac" || exit 1
capture_pid=$LAB_PID
load_start=$(date +%s%3N)
lab_start load cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -Q $QPS -t 5 -q $waiting_max -c 32 -T 1 -b 8192
load_pid=$LAB_PID
sleep 3

# Four services, one after the other, each with an exchange of its own from the first moment.
serve ipsec-late dut --bind $LAB_PORTICO_V4@4501 --peer 198.18.0.10@7000 || exit 1
late_pid=$LAB_PID
expect "4501 is bound: within 1 s it is that process's" says_within $YIELD_MS "$(moment ipsec-late bound)" 4501 "\b$late_pid\b"
expect_match "by its name" "ipsec-late|python3" "$(why 4501)"
serve wild-late dut --bind 0.0.0.0@4502 || exit 1
wild_pid=$LAB_PID
expect "4502 on a wildcard: within 1 s" says_within $YIELD_MS "$(moment wild-late bound)" 4502 "\b$wild_pid\b"
serve six-late dut --bind $LAB_PORTICO_V6@4503 --peer 2001:2:0:1::10@7000 || exit 1
six_pid=$LAB_PID
expect "4503 over IPv6: within 1 s" says_within $YIELD_MS "$(moment six-late bound)" 4503 "\b$six_pid\b"
expect_match "4503 stays eligible over IPv4" "$LAB_PORTICO_V4.*eligible" "$(why 4503)"
serve many-late dut --bind $LAB_PORTICO_V4@$MANY || exit 1
many_pid=$LAB_PID
expect "200 ports at once: within 1 s" says_within $YIELD_MS "$(moment many-late bound)" 6199 "\b$many_pid\b"

# Packets from outside reach them, from any port, a DNS server's among them.
pings any cli 198.18.0.10@0 $LAB_PORTICO_V4@4501 4
pids=$LAB_PID
pings dns srv 198.18.0.22@53 $LAB_PORTICO_V4@4501 4
pids="$pids $LAB_PID"
pings wild srv 198.18.0.21@53 $LAB_PORTICO_V4@4502 4
pids="$pids $LAB_PID"
pings six srv 2001:2:0:1::22@53 $LAB_PORTICO_V6@4503 4
pids="$pids $LAB_PID"
pings many srv 198.18.0.1@53 $LAB_PORTICO_V4@6123 4
pids="$pids $LAB_PID"
wait $pids
for what in any dns wild six many; do
	expect_match "pings from outside ($what): every one comes back" '^sent ([34][0-9][0-9]) back \1$' "$(cat "$LAB_DIR/$what.log")"
done

conflicts=$(lab_ctl ports conflicts)
for row in "4501 $late_pid" "4502 $wild_pid" "4503 $six_pid" "6000 $many_pid" "6199 $many_pid"; do
	expect_match "ports conflicts has ${row% *} and its pid" "\b${row% *}\b.*\b${row#* }\b" "$conflicts"
done
yielded=$(($(lab_stat ports_yielded) - yielded_before))
expect_between "203 ports were given up, one of them of both addresses" 203 204 "$yielded"
for row in "4501 ipsec-late" "4502 wild-late" "4503 six-late"; do
	expect_equal "the log names ${row% *} and its process, once" 1 "$(log_lines $row)"
done
expect_between "and the 200, though not in 200 lines" 1 40 "$(grep -cE 'many-late|\b61?[0-9][0-9]\b.*python3' "$PORTICO_LOG")"

# They leave: the ports come back.
taken_until=$(date +%s%3N)
for row in "ipsec-late $late_pid 4501" "wild-late $wild_pid 4502" "six-late $six_pid 4503" "many-late $many_pid 6199"; do
	read -r name pid port <<<"$row"
	lab_stop "$pid"
	expect "$name leaves: within 2 s $port is eligible again" says_within $RETURN_MS "$(moment "$name" left)" "$port" \
		"$([ "$port" = 4503 ] && echo "$LAB_PORTICO_V6" || echo "$LAB_PORTICO_V4").*eligible"
done
returned_at=$(date +%s%3N)
sleep 0.5
expect_equal "as many ports came back" "$yielded" "$(lab_stat ports_returned)"
expect_equal "no conflict is left" 0 "$(lab_stat port_conflicts)"
wait $load_pid
load_end=$(date +%s%3N)
sleep 1.2 # what tcpdump has got, the kernel hands over once a second
lab_stop "$capture_pid"

result=$(cat "$LAB_DIR/load.log")
expect_match "all the while, of $((QPS * DURATION)) questions none was lost" 'Queries lost: +0 ' "$result"
expect_equal "all were sent" $((QPS * DURATION)) "$(sed -nE 's/.*Queries sent: +([0-9]+).*/\1/p' <<<"$result")"
expect_match "every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)$' "$result"
expect_between "what was under way on the ports given up was asked again" 1 2000 "$(lab_stat upstream_moved)"
# None of them waited in vain.
expect_between "and not by way of a timeout" 0 3 "$(lab_stat upstream_timeouts)"
expect_between "nothing was taken for a guess" 0 3 "$(lab_stat near_misses)"

# The services' own exchanges.
for name in ipsec-late six-late; do
	expect_match "$name has lost nothing of its exchange with a peer: $(tally $name)" '^sent ([0-9]{3,}) back \1 ' \
		"$(tally $name; lost $name)"
done
for name in ipsec-late wild-late six-late many-late; do
	echo "     | $name: $(tally $name)"
	# A reply to a query that was under way when the port was taken may reach the service.
	expect_between "$name was bothered by few packets of ours" 0 150 "$(tally $name | sed -E 's/.* other ([0-9]+).*/\1/')"
done

# On the wire.
while read -r address ports name; do
	expect_equal "$ports of $address: no query a second after it was taken, until they leave" "queries 0 distinct 0" \
		"$(drawn "$address" "$ports" $(($(moment "$name" bound) + YIELD_MS)) "$taken_until")"
done <<-ROWS
	$LAB_PORTICO_V4 4501 ipsec-late
	$LAB_PORTICO_V4 4502 wild-late
	$LAB_PORTICO_V6 4503 six-late
	$LAB_PORTICO_V4 $MANY many-late
ROWS
expect_equal "4500 and 4600, taken before: never over IPv4" "queries 0 distinct 0" \
	"$(drawn $LAB_PORTICO_V4 4500,4600 "$load_start")"
expect_equal "4700: never over IPv6" "queries 0 distinct 0" "$(drawn $LAB_PORTICO_V6 4700 "$load_start")"
expect_between "before they were taken, most of the 200 were drawn" 100 200 \
	"$(drawn $LAB_PORTICO_V4 $MANY "$load_start" "$(moment many-late bound)" | cut -d ' ' -f 4)"
expect_between "load went on after they came back, in ms" 2000 20000 $((load_end - returned_at))
expect_between "and then they are drawn again" 50 200 "$(drawn $LAB_PORTICO_V4 $MANY "$returned_at" | cut -d ' ' -f 4)"

expect_equal "nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
# Those from before go, too, while nobody asks.
lab_stop $early_pid
expect "4500 is let go at last: within 2 s it is eligible" says_within $RETURN_MS "$(moment ipsec-early left)" 4500 \
	"$LAB_PORTICO_V4.*eligible"
expect_match "ipsec-early has lost nothing, before Portico and beside it: $(tally ipsec-early)" '^sent ([0-9]{3,}) back \1 ' \
	"$(tally ipsec-early; lost ipsec-early)"
# A socket that gets only what another interface receives is in nobody's way.
lab_start elsewhere dut /usr/bin/python3 -u -c '
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
sock.bind(("0.0.0.0", 4800))
print("bound", flush=True)
time.sleep(1000)'
elsewhere_pid=$LAB_PID
lab_wait_for 5 "$elsewhere_pid" "$LAB_DIR/elsewhere.log" '^bound'
# Questions are ours, whoever binds port 53 later: he is told.
serve dns-late dut --bind 0.0.0.0@53 || exit 1
dns_pid=$LAB_PID
sleep 1.5
expect_match "4800, bound to another interface, stays eligible" "$LAB_PORTICO_V4.*eligible" "$(why 4800)"
expect_equal "a process has bound a listen endpoint: it is warned of once" 1 \
	"$(grep -cE "warning listen: .*endpoint=$LAB_PORTICO_V4 .*dns-late.* pid=$dns_pid remedy=" "$PORTICO_LOG")"
lab_stop "$dns_pid"
lab_stop "$elsewhere_pid"
expect "SIGTERM: exit status 0" lab_stop_portico
lab_stop $wild_early_pid
lab_stop $six_early_pid
lab_stop $peer_pid

# --- an address that Portico has for itself -----------------------------------------------------
ip -n "$LAB_DUT" address flush dev eth0
lab_sysctl "$LAB_DUT" net.ipv6.conf.eth0.disable_ipv6=1
sed -i 's/^outgoing: {/&respect_kernel: true, /' "$LAB_DIR/dedicated.yaml"
lab_portico "$LAB_DIR/dedicated.yaml" || exit 1
for address in $LAB_PORTICO_V4 $LAB_PORTICO_V6; do
	expect_equal "dedicated: it says once that respect_kernel does nothing for $address" 1 \
		"$(grep respect_kernel "$PORTICO_LOG" | grep -c "$address\b")"
done
serve beside dut --bind 0.0.0.0@$MANY || exit 1
sleep 1.5
expect_match "dedicated: a process on 6000 changes nothing" eligible "$(why 6000)"
expect_equal "dedicated: no port is given up" 0 "$(lab_stat ports_yielded)"
lab_capture "$LAB_DIR/dedicated.pcap" "udp dst port 53 and ether src $portico_mac" || exit 1
capture_pid=$LAB_PID
seq -f "q%.0f.dedicated.test A" 8000 >"$LAB_DIR/names"
result=$(lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -Q $QPS -t 5 -q $waiting_max -c 32 -T 1 -b 8192 2>&1)
expect_match "dedicated: none is lost" 'Queries lost: +0 ' "$result"
sleep 1.2 # what tcpdump has got, the kernel hands over once a second
lab_stop "$capture_pid"
expect_between "dedicated: its ports are drawn" 100 200 \
	"$(/usr/bin/python3 "$here/source_counts.py" ports "$LAB_DIR/dedicated.pcap" --only $MANY | cut -d ' ' -f 4)"
expect "dedicated: SIGTERM: exit status 0" lab_stop_portico
