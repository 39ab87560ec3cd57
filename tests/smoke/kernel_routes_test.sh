#!/bin/bash
# On a NIC that the kernel shares, queries go the way that the kernel's routes lead, and to the MACs that it knows: two gateways
# to the same servers, over IPv4 and IPv6, and questions at load throughout. A gateway whose MAC changes without a word, a
# route that is replaced, one that is withdrawn and leaves a worse one, a more specific one, one that leads nowhere, a link that
# goes down and comes back: what was used before gets no packet any more within two seconds, and everything is answered then.
# variants: workers=1,2 device=af_xdp,af_packet
LAB_MORE="gwa gwb"
. "$(dirname "$0")/../lab/lab.sh"
. "$LAB_ROOT/tests/smoke/shared_nic.sh"
. "$LAB_ROOT/tests/smoke/kernel_routes.sh"

lab_prefer
shared_up
routes_up || exit 1
ip -n "$LAB_DUT" route del default
ip -n "$LAB_DUT" -6 route del default
routes_default 50 A || exit 1
routes_servers || exit 1
routes_zones | shared_config "$LAB_DIR/with.yaml"
# No gateway: the kernel knows them.
sed '/gateway:/d' "$LAB_DIR/with.yaml" >"$LAB_DIR/portico.yaml"
lab_portico "$LAB_DIR/portico.yaml" || exit 1
answered "the kernel's default routes"
expect_match "porticoctl routes shows the way" "$LAB_BEHIND_V4 .* 198.18.0.31 .*$MAC_A" "$(lab_ctl routes)"
routes_load
routes_moves eth0

down() {
	ip -n "$LAB_DUT" link set eth0 down
	sleep 0.5
	ip -n "$LAB_DUT" link set eth0 up
	ip -n "$LAB_DUT" address add "$LAB_PORTICO_V6/64" dev eth0 nodad 2>/dev/null
	routes_default 50 B
}
moved "the link goes down and comes back" "v4 v6" $MAC_A2 $MAC_B down

# More routes than there is place for: the rest goes the way of shorter prefixes, as before.
awk 'BEGIN { for (i = 0; i < 5000; i++) printf "route add 10.%d.%d.0/24 via 198.18.0.31\n", i / 256, i % 256 }' >"$LAB_DIR/storm"
ip -n "$LAB_DUT" -batch "$LAB_DIR/storm" || fail "a storm of routes"
sleep 2
answered "5,000 routes"
expect_match "what has no place is told" 'too many routes' "$(cat "$PORTICO_LOG")"
moved "a change among 5,000 routes" "v4 v6" $MAC_B $MAC_A2 routes_default 50 A
sed 's/add/del/' "$LAB_DIR/storm" | ip -n "$LAB_DUT" -batch -
moved "a change when they go" "v4 v6" $MAC_A2 $MAC_B routes_default 50 B

routes_load_end
expect_equal "porticoctl status: routes are no reload" 0 "$(lab_ctl status --json | grep -oE '"reloads" *: *[0-9]+' | grep -oE '[0-9]+$')"
expect "porticoctl reload" lab_ctl reload
answered "after a reload"
grep ' route: ' "$PORTICO_LOG" | sed 's/^/     | /' | head -40
expect "SIGTERM: exit status 0" lab_stop_portico
