# What the tests of the kernel's routes have in common. Sourced after lab.sh, with LAB_MORE="gwa gwb"; bash, root.
#
# routes_up              two gateways to the servers behind the link, and what reaches them is watched
# routes_servers         NSD behind them, for perf.test (asked over IPv4) and wild.example (over IPv6)
# routes_zones           the rest of a configuration that asks them
# routes_default METRIC A|B     dut's default routes lead by that gateway
# answered TEXT          ten questions of each zone are answered now
# moved TEXT FAMILIES OLD-MAC NEW-MAC COMMAND...   after it, queries of these families go to the new MAC and none to the old one,
#                        two seconds later, and all is answered
# routes_load            questions at load until routes_load_end
# routes_moves DEV       gateways' MACs and routes that change; DEV is the kernel's interface. At the end all goes by A
QPS=2000
# The kernel has two seconds, as have questions that were under way.
RECOVERED_S=2
MAC_A=02:00:00:00:0a:01 MAC_A2=02:00:00:00:0a:02 MAC_B=02:00:00:00:0b:01

# gateway NAME V4 V6 MAC: a router on the link; it sends on what is for the servers behind it
gateway() {
	local namespace=$LAB_PREFIX-$1
	lab_sysctl "$namespace" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 || return 1
	ip -n "$namespace" link set eth0 address "$4" || return 1
	ip -n "$namespace" address add "$2/24" dev eth0 || return 1
	ip -n "$namespace" address add "$3/64" dev eth0 nodad || return 1
	ip -n "$namespace" route add "$LAB_BEHIND_V4" via 198.18.0.20 || return 1
	ip -n "$namespace" -6 route add "$LAB_BEHIND_V6" via 2001:2:0:1::20 || return 1
}

# What reaches the link is seen in both gateways' namespaces, as the bridge floods what it does not know.
watch_queries() {
	ip netns exec "$LAB_PREFIX-$1" tcpdump -i eth0 -Q in -n -e -tt -l -B 8192 \
		"udp dst port 53 and (dst host $LAB_BEHIND_V4 or dst host $LAB_BEHIND_V6)" \
		</dev/null >"$LAB_DIR/$1.frames" 2>"$LAB_DIR/$1.tcpdump" &
	lab_pids="$lab_pids $!"
	lab_wait_for 10 $! "$LAB_DIR/$1.tcpdump" '^listening'
}

routes_up() {
	gateway gwa 198.18.0.31 2001:2:0:1::31 $MAC_A && gateway gwb 198.18.0.32 2001:2:0:1::32 $MAC_B &&
		watch_queries gwa && watch_queries gwb
}

routes_servers() {
	lab_nsd nsd --zones "perf.test wild.example" "$LAB_BEHIND_V4" "$LAB_BEHIND_V6" 198.18.0.20
}

routes_zones() {
	cat <<-CONF
		mode: forward
		cache: {size_mb: 0}
		forward:
		  - {zone: "perf.test", to: [$LAB_BEHIND_V4]}
		  - {zone: "wild.example", to: ["$LAB_BEHIND_V6"]}
	CONF
}

routes_default() {
	local last=31
	[ "$2" = A ] || last=32
	ip -n "$LAB_DUT" route replace default via 198.18.0.$last metric "$1" &&
		ip -n "$LAB_DUT" -6 route replace default via 2001:2:0:1::$last metric "$1"
}

routes_load() {
	seq 200000 | awk '{ print "q" $1 ".perf.test A\nq" $1 ".wild.example A" }' >"$LAB_DIR/names"
	lab_start load cli dnsperf -s "$LAB_PORTICO_V4" -d "$LAB_DIR/names" -c 8 -q 2000 -t 2 -Q $QPS -l 120
	load_pid=$LAB_PID
	sleep 2
}

routes_load_end() {
	kill -TERM $load_pid
	wait $load_pid
}

now() {
	date +%s.%N
}

# frames FAMILY MAC FROM TO: how many queries to servers of the family went to this MAC in that time
frames() {
	local type=IPv4
	[ "$1" = v4 ] || type=IPv6
	sort -u "$LAB_DIR/gwa.frames" "$LAB_DIR/gwb.frames" | awk -v mac="$2," -v type="$type" -v from="$3" -v to="$4" \
		'$4 == mac && $0 ~ ("ethertype " type) && $1 >= from && $1 < to { count++ } END { print count + 0 }'
}

# last_frame FAMILY MAC SINCE: milliseconds from SINCE to the last query that went there; "none"
last_frame() {
	local type=IPv4
	[ "$1" = v4 ] || type=IPv6
	sort -u "$LAB_DIR/gwa.frames" "$LAB_DIR/gwb.frames" | awk -v mac="$2," -v type="$type" -v since="$3" \
		'$4 == mac && $0 ~ ("ethertype " type) && $1 > since && $1 > last { last = $1 }
		END { if (last) printf "%d\n", (last - since) * 1000; else print "none" }'
}

names=0
# answered TEXT: ten questions to each family's servers are answered now
answered() {
	local zone i got
	for zone in perf.test wild.example; do
		for i in {1..10}; do
			names=$((names + 1))
			lab_dig +short +tries=1 +time=1 "r$names.$zone" A
		done
	done | sort | uniq -c | xargs >"$LAB_DIR/answered"
	expect_equal "$1: every question is answered" "10 198.18.3.1 10 198.18.4.1" "$(cat "$LAB_DIR/answered")"
}

# moved TEXT FAMILIES OLD-MAC NEW-MAC COMMAND...: after it, queries of these families go to the new MAC and none to the old one
moved() {
	local text=$1 families=$2 old=$3 new=$4 since recovered end family last
	shift 4
	since=$(now)
	"$@" || fail "$text: $*"
	sleep $RECOVERED_S
	recovered=$(now)
	answered "$text"
	sleep 0.5
	end=$(now)
	sleep 0.3
	for family in $families; do
		last=$(last_frame "$family" "$old" "$since")
		echo "     | $text: last $family query to $old after $last ms"
		expect_equal "$text: no $family query to the old MAC" 0 "$(frames "$family" "$old" "$recovered" "$end")"
		expect_between "$text: $family queries to the new MAC" 100 100000 \
			"$(frames "$family" "$new" "$recovered" "$end")"
	done
}

mac_changes() {
	ip -n "$LAB_PREFIX-gwa" link set eth0 address $MAC_A2
}

withdrawn() {
	ip -n "$LAB_DUT" route del default metric 50 && ip -n "$LAB_DUT" -6 route del default metric 50
}

specific() {
	ip -n "$LAB_DUT" route add "$LAB_BEHIND_V4/32" via 198.18.0.32 &&
		ip -n "$LAB_DUT" -6 route add "$LAB_BEHIND_V6/128" via 2001:2:0:1::32
}

routes_moves() {
	local since
	moved "a gateway's MAC changes without a word" "v4 v6" $MAC_A $MAC_A2 mac_changes

	moved "routes are replaced" "v4 v6" $MAC_A2 $MAC_B routes_default 50 B

	routes_default 100 A
	sleep 0.5
	moved "the better routes are withdrawn" "v4 v6" $MAC_B $MAC_A2 withdrawn

	moved "more specific routes come" "v4 v6" $MAC_A2 $MAC_B specific

	# Nowhere: nothing is sent, and clients hear so.
	ip -n "$LAB_DUT" route replace unreachable "$LAB_BEHIND_V4/32"
	sleep 1
	since=$(now)
	expect_match "a route that leads nowhere: SERVFAIL" 'status: SERVFAIL' "$(lab_dig nowhere.perf.test A)"
	sleep 0.5
	expect_equal "a route that leads nowhere: no query leaves" 0 \
		$(($(frames v4 $MAC_A2 "$since" "$(now)") + $(frames v4 $MAC_B "$since" "$(now)")))
	expect_match "porticoctl routes says so" "$LAB_BEHIND_V4 .*none" "$(lab_ctl routes)"
	ip -n "$LAB_DUT" route del unreachable "$LAB_BEHIND_V4/32"
	sleep 1
	answered "it is gone again"

	# Both at once: what is spread stays where its destination sends it.
	ip -n "$LAB_DUT" route replace default nexthop via 198.18.0.31 dev "$1" nexthop via 198.18.0.32 dev "$1"
	sleep 1
	answered "two next hops"
	ip -n "$LAB_DUT" route del default metric 0

	# An IPv4 prefix by an IPv6 next hop.
	ip -n "$LAB_DUT" route add "$LAB_BEHIND_V4/32" via inet6 2001:2:0:1::32 dev "$1"
	sleep 1
	expect_match "IPv4 by an IPv6 next hop" "$LAB_BEHIND_V4 +2001:2:0:1::32 .*$MAC_B" "$(lab_ctl routes)"
	answered "IPv4 by an IPv6 next hop"
	ip -n "$LAB_DUT" route del "$LAB_BEHIND_V4/32"
	ip -n "$LAB_DUT" -6 route del "$LAB_BEHIND_V6/128"
	sleep 0.5
}
