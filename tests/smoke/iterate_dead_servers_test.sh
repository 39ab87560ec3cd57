#!/bin/bash
# Servers that say nothing, iterating: whatever they do, a question has its answer within five seconds, and at once the second time;
# one live server among dead ones is found; hits do not wait meanwhile; a server that comes back is asked again within seconds.
# variants: workers=1,4 device=af_packet
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/internet.sh"
DEAD="www.dead.com dead.com nobody.dead.com www.silent silent todead.alias.com"

lab_up
internet_up || exit 1
internet_config "$LAB_DIR/portico.yaml" </dev/null
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# timed NAME TYPE: sets rcode ("none": no answer within 8 s) and took_ms.
timed() {
	local begin=${EPOCHREALTIME/./} output
	output=$(lab_dig "$@" +time=8 +noall +comments)
	took_ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	rcode=$(sed -nE 's/.*status: ([A-Z]+),.*/\1/p' <<<"$output")
	rcode=${rcode:-none}
}

# --- dead ones, all at once, and hits beside them -----------------------------------------------------------

timed www.plain.com A
expect_equal "www.plain.com A" NOERROR "$rcode"
pids=""
for name in $DEAD; do
	(
		timed "$name" A
		echo "$name $rcode $took_ms" >"$LAB_DIR/dead.$name"
	) &
	pids="$pids $!"
done
sleep 0.2
worst=0
for i in {1..20}; do
	timed www.plain.com A
	[ "$rcode" = NOERROR ] || worst=99999
	[ "$took_ms" -le "$worst" ] || worst=$took_ms
done
expect_between "the slowest of 20 hits meanwhile, in ms, dig's start included" 0 1000 "$worst"
# shellcheck disable=SC2086
wait $pids
for name in $DEAD; do
	read -r _ rcode took_ms <"$LAB_DIR/dead.$name"
	expect_equal "$name A" SERVFAIL "$rcode"
	expect_between "within 5 s, in ms" 0 5200 "$took_ms"
done
timed www.dead.com A
expect_equal "www.dead.com A again" SERVFAIL "$rcode"
expect_between "at once: the failure is remembered (RFC 9520), in ms" 0 500 "$took_ms"
expect_match "the answer says why (RFC 8914)" 'EDE: (22|23)' "$(lab_dig www.dead.com A)"

# --- one alive among dead ones ---------------------------------------------------------------------------------

slow=0
for i in {1..10}; do
	timed "n$i.halfdead.com" A
	expect_equal "n$i.halfdead.com A" NOERROR "$rcode"
	[ "$took_ms" -lt 300 ] || slow=$((slow + 1))
done
expect_between "of ten questions, those that waited for a dead server" 0 5 $slow

# --- one that goes and comes back ------------------------------------------------------------------------------

for pid in $(pgrep -f "$LAB_DIR/edge/nsd.conf"); do
	kill -STOP "$pid"
done
timed a1.v4only.com A
expect_equal "a1.v4only.com A while its server is away" SERVFAIL "$rcode"
expect_between "within 5 s, in ms" 0 5200 "$took_ms"
for i in 2 3 4; do
	timed a$i.v4only.com A
done
for pid in $(pgrep -f "$LAB_DIR/edge/nsd.conf"); do
	kill -CONT "$pid"
done
begin=$SECONDS
for i in {5..40}; do
	timed a$i.v4only.com A
	[ "$rcode" != NXDOMAIN ] || break
	sleep 0.2
done
expect_equal "a$i.v4only.com A when it is back" NXDOMAIN "$rcode"
expect_between "answered again within seconds" 0 8 $((SECONDS - begin))

for i in {1..50}; do
	[ "$(lab_stat resolutions_active)" -gt 0 ] || break
	sleep 0.1
done
for gauge in resolutions_active tickets_out; do
	expect_equal "$gauge" 0 "$(lab_stat $gauge)"
done
expect "each packet has its one outcome" lab_outcomes_add_up
expect "SIGTERM: exit status 0" lab_stop_portico
