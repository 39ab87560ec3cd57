# A small internet in network namespaces, for `make run` and the smoke tests. Sourced by bash, as root.
#
#   namespace cli            namespace dut                namespace srv
#   198.18.0.10/24           eth0: no address, no IPv6    198.18.0.20 .21 .22/24, 2001:2:0:1::20 ::21 ::22
#   2001:2:0:1::10/64        (Portico: 198.18.0.53/24     gateway 198.18.0.1, 2001:2:0:1::1; behind it
#         |                   2001:2:0:1::53/64)          198.18.1.53, 2001:2:0:2::53
#         +------- bridge in sw ------+----------------------------+
#
# Names carry the pid of the sourcing shell, so that runs beside each other do not meet. Whatever way the
# shell ends (exit, a signal; KILL too, within a second), processes and namespaces of this run, and only
# those, are removed.
#
# lab_up [SUFFIX]          make it all; sets LAB_DIR (a temporary directory), LAB_CLI, LAB_SRV, LAB_DUT, LAB_SW
#                          (namespace names) and LAB_PREFIX (dpdk.file_prefix). Exits if it cannot.
#                          LAB_MORE="NAME...": so many more namespaces on the bridge, LAB_PREFIX-NAME, without addresses
# lab_down                 undo lab_up (also runs on exit). LAB_KEEP=1 keeps LAB_DIR.
# lab_prefer               before lab_up: whatever else runs on this machine shall not take the cores away from what
#                          this shell starts (until lab_down). LAB_NICE: how much so (-10; 0: not at all)
# lab_in cli|srv|dut|sw|NAME COMMAND...   run COMMAND there (NAME: one of LAB_MORE); no functions, the shell is not entered
# lab_start NAME NS COMMAND...          run it in the background, output to LAB_DIR/NAME.log; sets LAB_PID
# lab_stop PID             TERM, KILL after LAB_STOP_S (10) seconds; returns its exit status
# lab_wait_for SECONDS PID FILE REGEX   until FILE has such a line; fails early when PID has ended
#
# lab_nsd NAME [--zones "ZONE..."] ADDRESS...   NSD in srv with the zones of $LAB_ZONES (tests/lab/zones; all, or those
#                          named, "." for the root) at these addresses, port 53; sets LAB_PID
# lab_knot NAME [--zones "ZONE..."] ADDRESS...  the same with Knot DNS
# lab_upstream NAME ARGS...  upstream.py in srv (--help for its behaviours), queries logged to LAB_DIR/NAME.queries,
#                          control socket LAB_DIR/NAME.control; sets LAB_PID
# lab_tell NAME WORDS...   a command to that upstream: release, held, default BEHAVIOUR ... (lab_tell NAME help)
# lab_capture FILE [FILTER]  tcpdump of srv's eth0 to FILE; sets LAB_PID: lab_stop it before FILE is read
#
# lab_config FILE          write a configuration: the lab's workers, device and addresses; standard input is appended
#                          and gives the rest (mode, forward, outgoing ...)
# lab_portico CONFIG [ARGS...]  start $PORTICO (build/portico) in dut, wait for `portico: ready` (20 s);
#                          sets PORTICO_PID and PORTICO_LOG. Returns 1, the log shown, if it does not get ready.
# lab_stop_portico [PID]   SIGTERM; returns its exit status
# lab_dig ARGS...          dig in cli; at Portico unless an @server is among ARGS; one try, 5 seconds
# lab_ctl ARGS...          porticoctl of this run's Portico
# lab_stat COUNTER         prints the value of a counter of `porticoctl stats --json`; fails if there is none
# lab_fragments            the outcome of IPv4 fragments; "kept" by the kernel with af_packet, others show all as it came
# lab_outcomes_add_up      each packet has one outcome: their sum over all workers is rx_packets + handoffs
#                          + messages over TCP
# lab_workers_took_part    every worker received packets, from a device or from another worker
#
# ok TEXT / fail TEXT      one result, one line: "ok   TEXT" or "FAIL TEXT"
# expect TEXT COMMAND...   ok if COMMAND (or function) succeeds; else fail, with its output
# expect_equal TEXT WANT GOT   expect_match TEXT REGEX STRING   expect_between TEXT LOW HIGH GOT
#                          (each returns 1 where it failed)
# lab_skip TEXT            say why, and exit 0
# The shell's exit status is 1 if anything failed, though the last command succeeded.
#
# The environment chooses the variant of a test; what a test is run with is on its `# variants:` lines (suite.sh):
#   LAB_WORKERS            workers (1)
#   LAB_DEVICE             af_packet (default), af_packet2 (two queue pairs), af_xdp, pcap

LAB_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_ROOT=$(cd "$LAB_HERE/../.." && pwd)
PORTICO=${PORTICO:-$LAB_ROOT/build/portico}
PORTICOCTL=${PORTICOCTL:-$(dirname "$PORTICO")/porticoctl}
LAB_ZONES=$LAB_HERE/zones
LAB_STOP_S=${LAB_STOP_S:-10}
LAB_WORKERS=${LAB_WORKERS:-1}
LAB_DEVICE=${LAB_DEVICE:-af_packet}

LAB_PORTICO_V4=198.18.0.53
LAB_PORTICO_V6=2001:2:0:1::53
LAB_ON_LINK_V4="198.18.0.20 198.18.0.21 198.18.0.22"
LAB_ON_LINK_V6="2001:2:0:1::20 2001:2:0:1::21 2001:2:0:1::22"
LAB_BEHIND_V4=198.18.1.53
LAB_BEHIND_V6=2001:2:0:2::53

LAB_DIR=""
LAB_PID=""
PORTICO_PID=""
PORTICO_LOG=""
lab_pids=""
lab_guard=""
lab_namespaces=""
lab_autogroup=""
lab_failed=0
lab_passed=0

# --- results -----------------------------------------------------------------------------------

ok() {
	lab_passed=$((lab_passed + 1))
	echo "ok   $*"
}

fail() {
	lab_failed=$((lab_failed + 1))
	echo "FAIL $*"
}

expect() {
	local text=$1 output
	shift
	output=$(mktemp "${LAB_DIR:-/tmp}/expect.XXXXXX")
	# Not in a subshell: COMMAND may start servers and set variables.
	if "$@" >"$output" 2>&1; then
		ok "$text"
		rm -f "$output"
	else
		fail "$text"
		tail -n 40 "$output" | sed 's/^/     | /'
		rm -f "$output"
		return 1
	fi
}

expect_equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		fail "$1: want '$2', got '$3'"
		return 1
	fi
}

expect_match() {
	if grep -Eq -- "$2" <<<"$3"; then
		ok "$1"
	else
		fail "$1: nothing like /$2/ in:"
		printf '%s\n' "$3" | tail -n 40 | sed 's/^/     | /'
		return 1
	fi
}

expect_between() {
	if [ -n "$4" ] && [ "$4" -ge "$2" ] && [ "$4" -le "$3" ]; then
		ok "$1"
	else
		fail "$1: want $2 to $3, got '$4'"
		return 1
	fi
}

lab_skip() {
	echo "skip $*"
	exit 0
}

lab_die() {
	echo "lab: $*" >&2
	exit 1
}

# --- processes ---------------------------------------------------------------------------------

# lab_namespace cli|srv|dut|sw|NAME: its name; NAME is one of LAB_MORE.
lab_namespace() {
	case $1 in
	cli) echo "$LAB_CLI" ;;
	srv) echo "$LAB_SRV" ;;
	dut) echo "$LAB_DUT" ;;
	sw) echo "$LAB_SW" ;;
	*)
		case " ${LAB_MORE:-} " in
		*" $1 "*) echo "$LAB_PREFIX-$1" ;;
		*) lab_die "no namespace '$1'" ;;
		esac
		;;
	esac
}

lab_in() {
	local namespace
	namespace=$(lab_namespace "$1") || exit 1
	shift
	ip netns exec "$namespace" "$@"
}

lab_start() {
	local name=$1 namespace
	namespace=$(lab_namespace "$2") || exit 1
	shift 2
	# Emptied here: a line of the one before must not be taken for one of this.
	: >"$LAB_DIR/$name.log"
	# `ip netns exec` becomes the command: its pid is the command's.
	ip netns exec "$namespace" "$@" </dev/null >"$LAB_DIR/$name.log" 2>&1 &
	LAB_PID=$!
	lab_pids="$lab_pids $LAB_PID"
}

lab_stop() {
	local pid=$1 i status=0 rest=""
	kill -TERM "$pid" 2>/dev/null
	for ((i = 0; i < LAB_STOP_S * 20; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null || status=$?
	for i in $lab_pids; do
		[ "$i" = "$pid" ] || rest="$rest $i"
	done
	lab_pids=$rest
	return "$status"
}

lab_wait_for() {
	local i
	for ((i = 0; i < $1 * 20; i++)); do
		grep -Eq -- "$4" "$3" 2>/dev/null && return 0
		kill -0 "$2" 2>/dev/null || break
		sleep 0.05
	done
	grep -Eq -- "$4" "$3" 2>/dev/null
}

# Where the kernel groups processes by their sessions, nice counts among those of a session only, and a session has
# its own.
lab_prefer() {
	local nice=${LAB_NICE:--10}
	[ "$nice" -ne 0 ] || return 0
	renice -n $nice -p $$ >/dev/null 2>&1
	lab_autogroup=$(sed -n 's/.* nice //p' /proc/self/autogroup 2>/dev/null)
	[ -z "$lab_autogroup" ] || echo "$nice" >/proc/self/autogroup
}

# --- the network -------------------------------------------------------------------------------

# lab_link NS: veth between sw and the namespace, its end there eth0, no offloads on either end.
lab_link() {
	local namespace=$1 port=$2 end
	ip -n "$LAB_SW" link add "$port" type veth peer name eth0 netns "$namespace" || return 1
	ip -n "$LAB_SW" link set "$port" master br0 || return 1
	for end in "$LAB_SW $port" "$namespace eth0"; do
		set -- $end
		# A packet socket sees a checksum that was left to hardware as a wrong one.
		ip netns exec "$1" ethtool -K "$2" tx off rx off gso off gro off tso off >/dev/null || return 1
		ip -n "$1" link set "$2" up || return 1
	done
}

lab_sysctl() {
	local namespace=$1
	shift
	ip netns exec "$namespace" sysctl -q -w "$@"
}

lab_make_network() {
	local namespace address more=""
	for namespace in ${LAB_MORE:-}; do
		more="$more $LAB_PREFIX-$namespace"
	done
	for namespace in $LAB_SW $LAB_CLI $LAB_SRV $LAB_DUT $more; do
		ip netns add "$namespace" || return 1
		lab_namespaces="$lab_namespaces $namespace"
		lab_sysctl "$namespace" net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.router_solicitations=0 || return 1
		ip -n "$namespace" link set lo up || return 1
	done
	lab_sysctl "$LAB_SW" net.ipv6.conf.default.disable_ipv6=1 || return 1
	lab_sysctl "$LAB_DUT" net.ipv6.conf.default.disable_ipv6=1 || return 1
	# Without snooping, neighbour solicitations reach everybody, as in a switch that knows nothing yet.
	ip -n "$LAB_SW" link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0 || return 1
	ip -n "$LAB_SW" link set br0 up || return 1
	lab_link "$LAB_DUT" dut && lab_link "$LAB_CLI" cli && lab_link "$LAB_SRV" srv || return 1
	for namespace in ${LAB_MORE:-}; do
		lab_link "$LAB_PREFIX-$namespace" "$namespace" || return 1
	done
	if [ "$LAB_DEVICE" = af_xdp ]; then
		# An XDP socket stands on one queue: everything must come by it.
		lab_in sw ethtool -L dut rx 1 tx 1 || return 1
		lab_in dut ethtool -L eth0 rx 1 tx 1 || return 1
	fi

	ip -n "$LAB_CLI" address add 198.18.0.10/24 dev eth0 || return 1
	ip -n "$LAB_CLI" address add 2001:2:0:1::10/64 dev eth0 nodad || return 1
	ip -n "$LAB_CLI" route add default via 198.18.0.1 || return 1
	ip -n "$LAB_CLI" -6 route add default via 2001:2:0:1::1 || return 1
	for address in 198.18.0.1 $LAB_ON_LINK_V4; do
		ip -n "$LAB_SRV" address add "$address/24" dev eth0 || return 1
	done
	for address in 2001:2:0:1::1 $LAB_ON_LINK_V6; do
		ip -n "$LAB_SRV" address add "$address/64" dev eth0 nodad || return 1
	done
	ip -n "$LAB_SRV" address add "$LAB_BEHIND_V4/32" dev lo || return 1
	ip -n "$LAB_SRV" address add "$LAB_BEHIND_V6/128" dev lo nodad || return 1
}

lab_up() {
	local id=portico-$$${1:+-$1}
	[ "$(id -u)" -eq 0 ] || lab_die "network namespaces need root: sudo $0"
	[ -z "$LAB_DIR" ] || lab_die "lab_up called twice"
	LAB_SW=$id-sw LAB_CLI=$id-cli LAB_SRV=$id-srv LAB_DUT=$id-dut
	LAB_PREFIX=$id
	trap 'lab_on_exit $?' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	trap 'exit 141' PIPE
	LAB_DIR=$(mktemp -d /tmp/portico-lab.XXXXXX) || lab_die "no temporary directory"
	setsid "$LAB_HERE/lab_guard.sh" $$ "$LAB_DIR" "$LAB_PREFIX" "$LAB_SW" "$LAB_CLI" "$LAB_SRV" "$LAB_DUT" \
		$(for namespace in ${LAB_MORE:-}; do echo "$id-$namespace"; done) </dev/null >/dev/null 2>&1 &
	lab_guard=$!
	lab_make_network || lab_die "cannot make the network: namespaces, veth and bridge are needed"
}

lab_down() {
	local namespace pid
	for pid in $lab_pids; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in $lab_pids; do
		lab_stop "$pid"
	done
	lab_pids=""
	for namespace in $lab_namespaces; do
		# What a process of ours has left behind in there (NSD's children, say).
		for pid in $(ip netns pids "$namespace" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null
		done
		ip netns delete "$namespace"
	done
	lab_namespaces=""
	if [ -n "$lab_guard" ]; then
		kill -TERM "$lab_guard" 2>/dev/null
		wait "$lab_guard" 2>/dev/null
		lab_guard=""
	fi
	if [ -n "$LAB_DIR" ] && [ -z "${LAB_KEEP:-}" ]; then
		rm -rf "$LAB_DIR" "/var/run/dpdk/$LAB_PREFIX"
	fi
	LAB_DIR=""
	[ -z "$lab_autogroup" ] || echo "$lab_autogroup" >/proc/self/autogroup
	lab_autogroup=""
}

lab_on_exit() {
	local status=$1
	trap - EXIT
	trap '' INT TERM HUP PIPE
	if [ "$lab_failed" -gt 0 ]; then
		status=1
		if [ -s "$PORTICO_LOG" ]; then
			echo "     the end of Portico's log:"
			tail -n 20 "$PORTICO_LOG" | sed 's/^/     | /'
		fi
	fi
	[ -z "${LAB_KEEP:-}" ] || echo "lab: kept $LAB_DIR"
	lab_down
	exit "$status"
}

# --- servers -----------------------------------------------------------------------------------

# lab_zone_names LIST: of the zones named, or of all, one a line. root.zone is ".".
lab_zone_names() {
	local file name
	for file in "$LAB_ZONES"/*.zone; do
		name=$(basename "$file" .zone)
		[ "$name" != root ] || name=.
		case " ${1:-$name} " in
		*" $name "*) echo "$name" ;;
		esac
	done
}

lab_zone_file() {
	if [ "$1" = . ]; then
		echo "$LAB_ZONES/root.zone"
	else
		echo "$LAB_ZONES/${1%.}.zone"
	fi
}

# lab_answers ADDRESS PID NAME ZONE: until the server there answers for ZONE.
lab_answers() {
	local i
	for ((i = 0; i < 200; i++)); do
		if lab_in srv dig -r +tries=1 +time=1 +noall +answer "@$1" "$4" SOA 2>/dev/null | grep -q SOA; then
			return 0
		fi
		kill -0 "$2" 2>/dev/null || break
		sleep 0.05
	done
	echo "lab: $3 does not answer at $1" >&2
	tail -n 20 "$LAB_DIR/$3.log" "$LAB_DIR/$3/log" >&2
	return 1
}

lab_nsd() {
	local name=$1 zones="" zone address dir=$LAB_DIR/$1
	shift
	if [ "$1" = --zones ]; then
		zones=$2
		shift 2
	fi
	mkdir -p "$dir"
	{
		echo "server:"
		for address; do
			echo "  ip-address: $address"
		done
		cat <<-CONF
			  server-count: 1
			  do-ip6: yes
			  username: ""
			  database: ""
			  pidfile: ""
			  logfile: "$dir/log"
			  zonesdir: "$dir"
			  zonelistfile: "$dir/zone.list"
			  xfrdfile: ""
			  xfrdir: "$dir"
			  verbosity: 0
			  rrl-ratelimit: 0
			  rrl-whitelist-ratelimit: 0
			  # The default holds 13 ms of 20,000 queries/s: a core may be taken away for longer.
			  receive-buffer-size: 8388608
			  ipv4-edns-size: 1232
			  ipv6-edns-size: 1232
			  refuse-any: no
			remote-control:
			  control-enable: no
		CONF
		for zone in $(lab_zone_names "$zones"); do
			printf 'zone:\n  name: "%s"\n  zonefile: "%s"\n' "$zone" "$(lab_zone_file "$zone")"
		done
	} >"$dir/nsd.conf"
	lab_start "$name" srv nsd -d -c "$dir/nsd.conf"
	for address; do
		lab_answers "$address" "$LAB_PID" "$name" "$(lab_zone_names "$zones" | head -n 1)" || return 1
	done
}

lab_knot() {
	local name=$1 zones="" zone address dir=$LAB_DIR/$1
	shift
	if [ "$1" = --zones ]; then
		zones=$2
		shift 2
	fi
	mkdir -p "$dir"
	{
		echo "server:"
		echo "  listen: [$(printf '%s@53, ' "$@")]"
		cat <<-CONF
			  rundir: "$dir"
			  udp-workers: 1
			  tcp-workers: 1
			  background-workers: 1
			  udp-max-payload: 1232
			control:
			  listen: "$dir/knot.sock"
			log:
			  - target: "$dir/log"
			    any: warning
			database:
			  storage: "$dir"
			template:
			  - id: default
			    storage: "$dir"
			    zonefile-sync: -1
			    journal-content: none
			zone:
		CONF
		for zone in $(lab_zone_names "$zones"); do
			printf '  - domain: "%s"\n    file: "%s"\n' "$zone" "$(lab_zone_file "$zone")"
		done
	} | sed 's/, \]/]/' >"$dir/knot.conf"
	lab_start "$name" srv knotd -c "$dir/knot.conf"
	for address; do
		lab_answers "$address" "$LAB_PID" "$name" "$(lab_zone_names "$zones" | head -n 1)" || return 1
	done
}

lab_upstream() {
	local name=$1
	shift
	lab_start "$name" srv /usr/bin/python3 "$LAB_HERE/upstream.py" --log "$LAB_DIR/$name.queries" \
		--control "$LAB_DIR/$name.control" "$@"
	if ! lab_wait_for 10 "$LAB_PID" "$LAB_DIR/$name.log" '^upstream: ready'; then
		cat "$LAB_DIR/$name.log" >&2
		return 1
	fi
}

lab_tell() {
	local name=$1
	shift
	/usr/bin/python3 "$LAB_HERE/upstream.py" --tell "$LAB_DIR/$name.control" "$@"
}

lab_capture() {
	local file=$1
	shift
	lab_start capture srv tcpdump -i eth0 -n -U -B 8192 -Z root -w "$file" "$@"
	lab_wait_for 10 "$LAB_PID" "$LAB_DIR/capture.log" '^tcpdump: listening' || {
		cat "$LAB_DIR/capture.log" >&2
		return 1
	}
}

# --- Portico -----------------------------------------------------------------------------------

lab_device() {
	case $LAB_DEVICE in
	af_packet) echo net_af_packet0,iface=eth0 ;;
	af_packet2) echo net_af_packet0,iface=eth0,qpairs=2 ;;
	af_xdp) echo net_af_xdp0,iface=eth0 ;;
	pcap) echo net_pcap0,rx_iface_in=eth0,tx_iface=eth0 ;;
	*) lab_die "LAB_DEVICE=$LAB_DEVICE: af_packet, af_packet2, af_xdp or pcap" ;;
	esac
}

lab_config() {
	local device
	device=$(lab_device) || exit 1
	{
		cat <<-CONF
			workers: $LAB_WORKERS
			dpdk: {memory_mb: $((160 + 96 * LAB_WORKERS)), hugepages: never, file_prefix: $LAB_PREFIX}
			interfaces:
			  - name: net0
			    device: "$device"
			    addresses: [$LAB_PORTICO_V4/24, "$LAB_PORTICO_V6/64"]
			    gateway: [198.18.0.1, "2001:2:0:1::1"]
			    kernel: none
		CONF
		cat
	} >"$1"
}

lab_portico() {
	local config=$1 name=portico i
	shift
	if [ ! -x "$PORTICO" ]; then
		echo "lab: $PORTICO is not there: make" >&2
		return 1
	fi
	for ((i = 2; ; i++)); do
		[ -e "$LAB_DIR/$name.log" ] || break
		name=portico-$i
	done
	PORTICO_LOG=$LAB_DIR/$name.log
	lab_start "$name" dut "$PORTICO" -c "$config" "$@"
	PORTICO_PID=$LAB_PID
	if ! lab_wait_for 20 "$PORTICO_PID" "$PORTICO_LOG" '^portico: ready$'; then
		echo "lab: Portico did not get ready" >&2
		tail -n 40 "$PORTICO_LOG" >&2
		return 1
	fi
}

lab_stop_portico() {
	lab_stop "${1:-$PORTICO_PID}"
}

lab_dig() {
	local argument server=@$LAB_PORTICO_V4
	for argument; do
		case $argument in
		@*) server="" ;;
		esac
	done
	lab_in cli dig -r +tries=1 +time=5 $server "$@"
}

lab_ctl() {
	"$PORTICOCTL" -p "$LAB_PREFIX" "$@"
}

lab_stat() {
	local value
	value=$(lab_ctl stats --json | grep -Eo "\"$1\" *: *-?[0-9.]+" | head -n 1 | sed 's/.*: *//')
	[ -n "$value" ] && echo "$value"
}

lab_fragments() {
	case $LAB_DEVICE in
	af_packet*) echo kept ;;
	*) echo drops_frag ;;
	esac
}

lab_outcomes_add_up() {
	local i
	for i in {1..20}; do # a report may fall into the middle of a burst
		# Outcomes stand before rx_packets in the list.
		lab_ctl stats --json | awk -F '[":, ]+' '
			$2 == "rx_packets" { past = 1; want += $3 }
			$2 == "handoffs" || $2 == "stream_messages" { want += $3 }
			!past && NF >= 3 { sum += $3 }
			END { print "outcomes " sum ", rx_packets + handoffs + messages over TCP " want; exit sum != want || !past }' && return
		sleep 0.01
	done
	return 1
}

lab_workers_took_part() {
	local worker received status=0
	for ((worker = 0; worker < LAB_WORKERS; worker++)); do
		received=$(($(lab_stat "worker_${worker}_rx_packets") + $(lab_stat "worker_${worker}_handoffs")))
		echo "worker $worker: $received"
		[ $received -gt 0 ] || status=1
	done
	return $status
}
