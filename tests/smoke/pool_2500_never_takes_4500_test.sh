#!/bin/bash
# The article on DNS and IPsec: a socket pool of 2,500 that is drawn at start takes port 4500 now and then, and then IPsec
# does not start. With outgoing.pool_size 2500 Portico is started again and again, and no start takes 4500, nor any other
# port that NICs and common services claim; each draws 2,500 others, evenly, and sends evenly from them. A narrow range that is
# full of such ports makes sure of it: there, a pool that did not leave them out would have them nearly every time.
#   POOL_QUERIES          of each start (30000)
# alone: no question may be lost at 10,000 a second
# variants: workers=2
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
QUERIES=${POOL_QUERIES:-30000}
QPS=10000
POOL=2500
# 2,910 ports, a good dozen of them claimed: 4500, 4789 ... 6784
NARROW=4000-6909

lab_prefer
lab_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
seq -f "n%.0f.perf.test A" "$QUERIES" >"$LAB_DIR/names"
# The one table of them in the source.
sed -nE 's/^\t\{([0-9]+), ([0-9]+), ".*/\1-\2/p' "$LAB_ROOT/core/port_set.c" >"$LAB_DIR/claimed"
expect_between "the table of claimed ports has rows" 25 200 "$(wc -l <"$LAB_DIR/claimed")"

# ports_of WORDS: port_report.py of the first outgoing address
ports_of() {
	/usr/bin/python3 "$here/port_report.py" "$LAB_PREFIX" "$@"
}

# Ports and ranges, one port a line.
expand() {
	tr ',' '\n' | awk -F - 'NF { for (port = $1 + 0; port <= $NF; port++) print port }' | sort -un
}

# seen FILE [ARGS]: `queries N distinct N`
seen() {
	/usr/bin/python3 "$here/source_counts.py" ports "$@"
}

# start WHAT OUTGOING: start with these settings, ask; the pool drawn goes to WHAT.pool, the capture to WHAT.pcap.
start() {
	local what=$1 result capture_pid
	lab_config "$LAB_DIR/$what.yaml" <<-CONF
		mode: forward
		cache: {size_mb: 0}
		outgoing: {$2, addresses: [$LAB_PORTICO_V4]}
		forward:
		  - {zone: ".", to: [198.18.0.20]}
	CONF
	lab_portico "$LAB_DIR/$what.yaml" || exit 1
	ports_of drawn >"$LAB_DIR/$what.pool"
	expect_equal "$what: the pool has $POOL ports" $POOL "$(ports_of --count drawn)"
	lab_capture "$LAB_DIR/$what.pcap" "udp dst port 53 and src host $LAB_PORTICO_V4" || exit 1
	capture_pid=$LAB_PID
	result=$(lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -Q $QPS -t 5 -q 10000 -c 32 -T 1 -b 8192 2>&1)
	expect_match "$what: none of $QUERIES questions is lost" 'Queries lost: +0 ' "$result"
	sleep 1.2 # what tcpdump has got, the kernel hands over once a second
	lab_stop "$capture_pid"
	/usr/bin/python3 "$LAB_HERE/capture_stats.py" "$LAB_DIR/$what.pcap" --ports "$(cat "$LAB_DIR/$what.pool")" \
		--at-least $((QUERIES * 98 / 100)) >"$LAB_DIR/figures"
	expect_equal "$what: every query is from the pool, evenly from all of it; IDs too" 0 $? ||
		grep -E '^(queries|port_|id_|bad)' "$LAB_DIR/figures" | sed 's/^/     | /'
	echo "     | $what: $(seen "$LAB_DIR/$what.pcap"), chi-square p $(sed -n 's/^port_chi_square_p //p' "$LAB_DIR/figures")"
	expect_between "$what: distinct ports, of $POOL" $((POOL * 99 / 100)) $POOL "$(seen "$LAB_DIR/$what.pcap" | cut -d ' ' -f 4)"
}

none_claimed() {
	expect_equal "$1: never 4500" "queries 0 distinct 0" "$(seen "$LAB_DIR/$1.pcap" --only 4500)"
	expect_equal "$1: nor any other claimed port" "queries 0 distinct 0" \
		"$(seen "$LAB_DIR/$1.pcap" --only "$(paste -sd , "$LAB_DIR/claimed")")"
}

stop() {
	expect "$1: SIGTERM: exit status 0" lab_stop_portico
}

for i in 1 2 3 4; do
	start "whole$i" "pool_size: $POOL, exclude_defaults: true"
	none_claimed "whole$i"
	if [ $i = 1 ]; then
		expect_match "why not 4500" '4500.*(default|IPsec)|(default|IPsec).*4500' "$(lab_ctl ports why 4500)"
		expect_equal "what is left out by default is the table, from 1024 on" \
			"$(expand <"$LAB_DIR/claimed" | awk '$1 >= 1024' | paste -sd ' ')" "$(ports_of verdict default | expand | paste -sd ' ')"
		for port in 4500 4789 4791 1812 5353 51820; do
			expect_match "ports why $port gives the reason" "[A-Za-z]{3}" "$(lab_ctl ports why $port)"
		done
		ports_of verdict eligible >"$LAB_DIR/eligible"
		eligible=$(ports_of --count verdict eligible)
	fi
	stop "whole$i"
done
expect "each start draws another pool, as chance has it" /usr/bin/python3 "$here/source_counts.py" overlaps --of "$eligible" \
	"$LAB_DIR"/whole*.pool
expect "and evenly from all eligible ports" /usr/bin/python3 "$here/source_counts.py" spread --of "$(cat "$LAB_DIR/eligible")" \
	"$LAB_DIR"/whole*.pool

for i in 1 2 3 4; do
	start "narrow$i" "pool_size: $POOL, range: $NARROW, exclude_defaults: true"
	none_claimed "narrow$i"
	eligible=$(ports_of --count verdict eligible)
	stop "narrow$i"
done
expect "each start draws another pool there, too" /usr/bin/python3 "$here/source_counts.py" overlaps --of "$eligible" \
	"$LAB_DIR"/narrow*.pool

# Without the defaults, with 4500 excluded by hand: only 4500 is left out.
start byhand "pool_size: $POOL, range: $NARROW, exclude_defaults: false, exclude: [4500]"
expect_equal "byhand: never 4500" "queries 0 distinct 0" "$(seen "$LAB_DIR/byhand.pcap" --only 4500)"
expect_match "byhand: why not 4500" '4500.*exclude|exclude.*4500' "$(lab_ctl ports why 4500)"
expect_equal "byhand: that alone is excluded" 4500 "$(ports_of verdict exclude)"
expect_equal "byhand: no port by default" "" "$(ports_of verdict default)"
# More than a dozen ports at 86 % each.
expect_between "byhand: ports that are claimed by default are drawn then" 8 1000 \
	"$(seen "$LAB_DIR/byhand.pcap" --only "$(paste -sd , "$LAB_DIR/claimed")" | cut -d ' ' -f 4)"
stop byhand
