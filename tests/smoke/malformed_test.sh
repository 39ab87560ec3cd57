#!/bin/bash
# Bad and odd questions, over IPv4 and IPv6: each gets the reply that SECURITY.md section 3.1 has for it, or
# silence; strangers are refused; errors to one prefix are rationed; good questions are answered afterwards.
# variants: workers=1,4
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke

lab_up
lab_nsd nsd 198.18.0.20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward:
	  - {zone: ".", to: [198.18.0.20]}
CONF
lab_portico "$LAB_DIR/portico.yaml" || exit 1
# Addresses that no network allowed by default holds. Answers go back to the MAC that asked, so they arrive.
ip -n "$LAB_CLI" address add 192.0.2.7/32 dev eth0
ip -n "$LAB_CLI" address add 2001:db8::7/128 dev eth0 nodad
# The kernel sends nothing to an address that it does not reach: by the device.
ip -n "$LAB_CLI" route replace 198.18.0.0/24 dev eth0

probe() {
	lab_in cli /usr/bin/python3 "$here/malformed_probes.py" "$@"
}

answered() {
	probe "$@" | sed -nE 's/^answered ([0-9]+) wrong 0$/\1/p'
}

for server in $LAB_PORTICO_V4 $LAB_PORTICO_V6; do
	source=192.0.2.7
	[ "$server" = "$LAB_PORTICO_V4" ] || source=2001:db8::7
	expect "every probe at $server" probe "$server"
	expect_equal "a stranger, $source, is refused" 1 "$(answered "$server" --source "$source" --all REFUSED)"
	sleep 1.1
	before=$(lab_stat drops_rate_error)
	got=$(answered "$server" --source "$source" --all REFUSED --times 400)
	after=$(lab_stat drops_rate_error)
	# A hundred at once and a hundred a second, over all workers; sending takes a while on a busy machine.
	expect_between "of 400 at once a hundred or little more are" 100 160 "$got"
	expect_equal "the others are counted" $((400 - ${got:-0})) $((after - before))
	expect_equal "and a good question is answered" 198.18.2.80 "$(lab_dig "@$server" +short www.test A)"
done
expect_equal "nothing is left waiting" "0 0 0" \
	"$(lab_stat resolutions_active) $(lab_stat waiters) $(lab_stat tickets_out)"
expect "SIGTERM: exit status 0" lab_stop_portico
