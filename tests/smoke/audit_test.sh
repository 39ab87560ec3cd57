#!/bin/bash
# `porticoctl ports audit` names what becomes of our ports and IDs on the way to a server that echoes what it saw:
# nothing; a NAT that keeps ports, draws others at random, draws from few, counts, uses one port; a DNS proxy. Where
# nothing comes back it says why. The gateway is namespace cli: the kernel's NAT, or tests/lab/nat_box.py for what
# no kernel does any more.
# variants: workers=1,2
. "$(dirname "$0")/../lab/lab.sh"

lab_up
OUTSIDE=198.18.64.1
ECHO=198.18.64.53
ip -n "$LAB_CLI" link add wan type veth peer name wan netns "$LAB_SRV" || exit 1
for end in "$LAB_CLI $OUTSIDE" "$LAB_SRV $ECHO"; do
	read -r namespace address <<<"$end"
	ip netns exec "$namespace" ethtool -K wan tx off rx off gso off gro off tso off >/dev/null
	ip -n "$namespace" address add "$address/24" dev wan
	ip -n "$namespace" link set wan up || exit 1
done
# Without NAT answers find their way back too.
ip -n "$LAB_SRV" route add $LAB_PORTICO_V4/32 dev eth0

lab_start echo srv /usr/bin/python3 "$LAB_HERE/echo_server.py" --zone echo.test --listen $ECHO \
	--listen 198.18.0.20 --listen 2001:2:0:1::20
lab_wait_for 10 "$LAB_PID" "$LAB_DIR/echo.log" '^echo_server: ready' || exit 1
lab_upstream other 198.18.0.21 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: echo.test, to: [$ECHO]}
	  - {zone: four.echo.test, to: [198.18.0.20]}
	  - {zone: six.echo.test, to: ["2001:2:0:1::20"]}
	  - {zone: both.echo.test, to: ["2001:2:0:1::20", $ECHO], policy: round_robin}
	  - {zone: other.test, to: [198.18.0.21]}
	  - {zone: refused.test, to: [198.18.0.20]}
	  - {zone: silent.test, to: [198.18.0.22], timeout_ms: 300, tries: 2}
CONF
sed -i 's/gateway: \[198.18.0.1,/gateway: [198.18.0.10,/' "$LAB_DIR/portico.yaml"

# The echo server by itself, before anything is judged by it.
dig_echo() {
	lab_in srv dig -r +tries=1 +time=2 -b 198.18.0.21 @198.18.0.20 "$@"
}
answer=$(dig_echo +qid=4711 aBc.Echo.Test TXT)
expect_match "the echo server says what it saw" '"from=198\.18\.0\.21 port=[0-9]+ id=4711"' "$answer"
expect_match "with authority" 'flags: qr aa' "$answer"
expect_match "in the letter case asked" '^;aBc\.Echo\.Test\.' "$answer"
expect_match "with EDNS" 'EDNS: version: 0, flags:; udp: 1232' "$answer"
expect_match "without EDNS to who has none" 'ADDITIONAL: 0' "$(dig_echo +noedns x.echo.test TXT)"
expect_match "other types have no data" 'NOERROR.*id' "$(dig_echo x.echo.test A | grep status)"
expect_match "other names are refused" 'REFUSED' "$(dig_echo x.notecho.test TXT)"

lab_portico "$LAB_DIR/portico.yaml" || exit 1

# field NAME: of the last audit, of its first group or of the whole
field() {
	grep -Eo "\"$1\": (\"[^\"]*\"|[-0-9.a-z]+)" "$LAB_DIR/audit" | tail -n "${2:-1}" | head -n 1 | sed 's/.*: //; s/"//g'
}

# audit TEXT VERDICT STATUS NAME [ARGS]: judged so, with this exit status
audit() {
	local text=$1 verdict=$2 status=$3 got
	shift 3
	lab_ctl ports audit --json "$@" >"$LAB_DIR/audit" 2>"$LAB_DIR/audit.errors"
	got=$?
	expect_equal "$text: $verdict, exit status $status" "$verdict $status" "$(field verdict) $got" ||
		sed 's/^/     | /' "$LAB_DIR/audit" "$LAB_DIR/audit.errors"
}

nat() {
	lab_in cli nft -f - <<-NFT || fail "nft: $1"
		flush ruleset
		table ip nat {
			chain postrouting {
				type nat hook postrouting priority srcnat
				oifname wan meta l4proto udp $1
			}
		}
	NFT
}

# --- straight --------------------------------------------------------------------------------

audit "no NAT, IPv4" no_nat 0 four.echo.test
expect_equal "256 questions, 256 answers" "256 256" "$(field asked) $(field understood)"
expect_equal "nothing changed" "0 0 0" "$(field addresses_changed) $(field ports_changed) $(field ids_changed)"
expect_between "ports are as different as chance has it" 245 256 "$(field ports_seen)"
audit "no NAT, IPv6" no_nat 0 six.echo.test
expect_equal "from our address" "$LAB_PORTICO_V6 $LAB_PORTICO_V6" "$(field address) $(field seen_address)"
audit "--count" no_nat 0 --count 100 four.echo.test
expect_equal "of rounds of 16" 112 "$(field asked)"
expect_match "in words" 'verdict +no NAT: what arrives is what left' "$(lab_ctl ports audit --count 32 four.echo.test)"

# --- the kernel's NAT ------------------------------------------------------------------------

lab_sysctl "$LAB_CLI" net.ipv4.ip_forward=1
audit "a router that is none" no_nat 0 echo.test
nat masquerade
audit "a NAT that keeps ports" address 0 echo.test
expect_equal "every address changed, hardly a port" "256 $OUTSIDE" "$(field addresses_changed) $(field seen_address)"
expect_between "hardly a port did" 0 3 "$(field ports_changed)"
nat "masquerade fully-random"
audit "a NAT that draws at random" random 0 echo.test
expect_between "every port changed" 250 256 "$(field ports_changed)"
expect_match "nearly 16 bits" '^(15\.[5-9]|16\.0)' "$(field port_bits)"
# As many as a provider's NAT gives to a customer; more than we ask, as the kernel gives none out twice.
nat "snat to $OUTSIDE:20000-22047 random"
audit "a NAT that draws from 2048" few 1 echo.test
expect_match "about 11 bits" '^(10\.[89]|11\.[012])' "$(field port_bits)"
expect_match "it is named as such" 'a NAT on the way takes away your port randomness: it gives out few ports' \
	"$(lab_ctl ports audit echo.test)"
# Half of the questions go by IPv6, where there is no NAT: that hides nothing.
lab_ctl ports audit --json --count 512 both.echo.test >"$LAB_DIR/audit"
expect_equal "a NAT for one family: exit status 1" 1 $?
expect_equal "each family by itself" "few no_nat" \
	"$(grep -Eo '"verdict": "[a-z_]+"' "$LAB_DIR/audit" | sed 's/.*: //; s/"//g' | sort | tr '\n' ' ' | sed 's/ $//')"
lab_in cli nft flush ruleset
lab_sysctl "$LAB_CLI" net.ipv4.ip_forward=0

# --- NATs that a kernel is not any more ------------------------------------------------------

nat_box() {
	lab_start "nat_$1" cli /usr/bin/python3 "$LAB_HERE/nat_box.py" --inside eth0 --outside $OUTSIDE --ports "$1"
	NAT_PID=$LAB_PID
	lab_wait_for 10 "$LAB_PID" "$LAB_DIR/nat_$1.log" '^nat_box: ready' || fail "no NAT box"
}

nat_box sequence
audit "a NAT that counts" stride 1 echo.test
expect_equal "by one" 1 "$(field stride)"
expect_match "it is named as such" 'a NAT on the way takes away your port randomness: it gives out ports in sequence' \
	"$(lab_ctl ports audit echo.test)"
lab_stop "$NAT_PID"
nat_box sequence:7
audit "a NAT that counts by 7" stride 1 echo.test
expect_equal "by 7" 7 "$(field stride)"
lab_stop "$NAT_PID"
nat_box shared
audit "a NAT that counts for others too" in_order 1 echo.test
lab_stop "$NAT_PID"
nat_box one
audit "a NAT with one port" one_port 1 echo.test
expect_equal "which" "20000 20000" "$(field first_port) $(field last_port)"
lab_stop "$NAT_PID"
nat_box proxy
audit "a DNS proxy" proxy 1 echo.test
expect_between "IDs are its own" 250 256 "$(field ids_changed)"
lab_stop "$NAT_PID"

# --- nothing ---------------------------------------------------------------------------------

# in_vain TEXT NAME REGEX
in_vain() {
	local output status
	output=$(lab_ctl ports audit "$2" 2>&1)
	status=$?
	expect_equal "$1: exit status 1" 1 $status
	expect_match "and why" "$3" "$output"
}
in_vain "a server that is silent" silent.test '32 failed or got no answer'
in_vain "a server that refuses" refused.test '32 failed or got no answer'
in_vain "a server that is no echo server" other.test 'came without a text'
in_vain "a name that nobody is asked for" nowhere.example 'no forward zone'
in_vain "no name" 'a..b' 'not a domain name'
expect_equal "nothing is left" "0 0 0" "$(lab_stat tickets_out) $(lab_stat resolutions_active) $(lab_stat waiters)"
expect "every packet has one outcome" lab_outcomes_add_up

# An audit that waits for answers keeps nobody else waiting; there is one at a time.
lab_ctl ports audit silent.test >/dev/null 2>&1 &
audit_pid=$!
sleep 0.2
started=$(date +%s%3N)
lab_stat queries >/dev/null
expect_between "statistics during an audit, in ms" 0 400 $(($(date +%s%3N) - started))
expect_match "a second audit is refused" 'an audit is running' "$(lab_ctl ports audit four.echo.test 2>&1)"
wait $audit_pid

# Stopping with an audit under way waits for nobody.
lab_ctl ports audit silent.test >/dev/null 2>&1 &
audit_pid=$!
sleep 0.2
expect "SIGTERM during an audit: exit status 0" lab_stop_portico
wait $audit_pid || true # it has had no answers
