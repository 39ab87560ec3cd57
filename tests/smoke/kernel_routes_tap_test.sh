#!/bin/bash
# The same as kernel_routes_test.sh where the kernel has nothing of the NIC but a TAP (`kernel: tap`): its routes are those of the TAP,
# and what they lead to is asked for by the workers. Its default gateway is the configuration's, until there is a better route.
# variants: workers=1,2 device=af_packet
LAB_MORE="gwa gwb"
. "$(dirname "$0")/../lab/lab.sh"
. "$LAB_ROOT/tests/smoke/kernel_routes.sh"

lab_prefer
lab_up
lab_sysctl "$LAB_DUT" net.ipv6.conf.default.disable_ipv6=0 || exit 1
routes_up || exit 1
routes_servers || exit 1
routes_zones | lab_config "$LAB_DIR/none.yaml"
sed 's/kernel: none/kernel: tap\n    tap: {name: ptap0}/; s/gateway:.*/gateway: [198.18.0.32, "2001:2:0:1::32"]/' \
	"$LAB_DIR/none.yaml" >"$LAB_DIR/portico.yaml"
lab_portico "$LAB_DIR/portico.yaml" || exit 1
answered "the configured gateway"
expect_match "porticoctl routes shows the way" "$LAB_BEHIND_V4 .* 198.18.0.32 .*$MAC_B" "$(lab_ctl routes)"
routes_load
moved "the kernel has better routes" "v4 v6" $MAC_B $MAC_A routes_default 50 A
routes_moves ptap0
routes_load_end
expect "SIGTERM: exit status 0" lab_stop_portico
