#!/bin/bash
# An AF_XDP socket on a kernel interface: questions are answered over it, and its XDP program is gone from the
# interface after a normal stop. After SIGKILL, which lets nobody clean up, the next Portico starts there and
# answers; and when the test's own shell is killed, its namespaces go, and the programs with them.
# variants: workers=1,2 device=af_xdp
. "$(dirname "$0")/../lab/lab.sh"
LAB_DEVICE=af_xdp

lab_up
lab_nsd nsd --zones ". perf.test" 198.18.0.20 2001:2:0:1::20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	cache: {size_mb: 0}
	forward:
	  - {zone: ".", to: [198.18.0.20, "2001:2:0:1::20"], policy: round_robin}
CONF

# The XDP program on Portico's interface, by its name; empty if there is none.
attached() {
	lab_in dut ip -d link show eth0 | sed -nE 's/.*prog\/xdp id [0-9]+ name ([^ ]+).*/\1/p'
}

asked() {
	local i
	for i in {1..20}; do
		lab_dig +short "x$i-$1.perf.test" A
		lab_dig @$LAB_PORTICO_V6 +short "x$i-$1.perf.test" AAAA
	done | sort | uniq -c | xargs
}

expect_equal "nothing is attached before" "" "$(attached)"
for turn in first second; do
	lab_portico "$LAB_DIR/portico.yaml" || exit 1
	expect_match "$turn start: a program is attached" . "$(attached)"
	expect_equal "questions are answered" "20 198.18.3.1 20 2001:2:0:4::1" "$(asked $turn)"
	expect "SIGTERM: exit status 0" lab_stop_portico
	expect_equal "no program is left" "" "$(attached)"
done

for turn in one two; do
	lab_portico "$LAB_DIR/portico.yaml" || exit 1
	expect_equal "questions are answered" "20 198.18.3.1 20 2001:2:0:4::1" "$(asked before-$turn)"
	kill -KILL "$PORTICO_PID"
	wait "$PORTICO_PID" 2>/dev/null
	lab_portico "$LAB_DIR/portico.yaml" || exit 1
	expect_equal "killed and started again: questions are answered" "20 198.18.3.1 20 2001:2:0:4::1" \
		"$(asked after-$turn)"
	expect "SIGTERM: exit status 0" lab_stop_portico
	expect_equal "no program is left" "" "$(attached)"
done

# A test's shell that is killed: its guard removes all there was.
cat >"$LAB_DIR/killed.sh" <<CONF
. "$LAB_HERE/lab.sh"
lab_up killed
lab_config "\$LAB_DIR/portico.yaml" <<<'forward: [{zone: ".", to: [198.18.0.20]}]
mode: forward
cache: {size_mb: 0}'
lab_portico "\$LAB_DIR/portico.yaml" || exit 1
echo "up \$PORTICO_PID \$LAB_DUT"
while :; do
	sleep 0.5
done
CONF
LAB_DEVICE=af_xdp bash "$LAB_DIR/killed.sh" >"$LAB_DIR/killed.log" 2>&1 &
shell=$!
lab_wait_for 30 $shell "$LAB_DIR/killed.log" '^up '
read -r _ pid namespace <<<"$(grep '^up ' "$LAB_DIR/killed.log")"
expect_match "another lab is up" 'xsk' "$(ip -n "${namespace:-none}" -d link show eth0 2>&1)"
kill -KILL $shell
wait $shell 2>/dev/null
is_gone() {
	local i
	for ((i = 0; i < 100; i++)); do
		! kill -0 "$pid" 2>/dev/null && ! ip netns list | grep -q "^${namespace%-dut}-" && return
		sleep 0.1
	done
	ip netns list
	return 1
}
expect "its shell is killed: Portico and the namespaces with the program are gone within 10 s" is_gone
