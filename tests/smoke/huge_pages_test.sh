#!/bin/bash
# The cache on huge pages: all of them are cleared soon after the start, by nobody's question; what is asked meanwhile is answered.
# variants: workers=1
. "$(dirname "$0")/../lab/lab.sh"
MEMORY_MB=256
CACHE_MB=64
PAGES=$(((MEMORY_MB + CACHE_MB + 16) / 2))

lab_up
# As many are free as this needs, whatever the machine has set aside: where EAL finds more, the tables are on them as well.
pages_before=$(cat /proc/sys/vm/nr_hugepages)
pages_taken=$((pages_before - $(awk '/^HugePages_Free:/ { print $2 }' /proc/meminfo)))
trap 'status=$?; sysctl -q -w vm.nr_hugepages="$pages_before"; lab_on_exit $status' EXIT
sysctl -q -w vm.nr_hugepages=$((pages_taken + PAGES))
[ "$(cat /proc/sys/vm/nr_hugepages)" -ge $((pages_taken + PAGES)) ] || lab_skip "the kernel has no $PAGES huge pages to give"
lab_upstream up 198.18.0.20 || exit 1
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward: [{zone: ., to: [198.18.0.20]}]
	cache: {size_mb: $CACHE_MB}
CONF
sed -i "s/memory_mb: [0-9]*, hugepages: never/memory_mb: $MEMORY_MB, hugepages: required/" "$LAB_DIR/portico.yaml"
lab_portico "$LAB_DIR/portico.yaml" || exit 1

# huge_kb: of Portico, that it has touched.
huge_kb() {
	awk '/^HugetlbPages:/ { print $2 }' "/proc/$PORTICO_PID/status"
}
for ((i = 0; i < 50; i++)); do
	[ "$(huge_kb)" -ge $(((MEMORY_MB + CACHE_MB) * 1024)) ] && break
	sleep 0.1
done
expect_match "its log says where the cache is" "cache.*made size_mb=$CACHE_MB pages=huge" "$(cat "$PORTICO_LOG")"
expect_between "KiB of huge pages that are there within 5 s, without a question" $(((MEMORY_MB + CACHE_MB) * 1024)) $((PAGES * 2048)) "$(huge_kb)"
expect_match "and a question is answered" 'status: NOERROR' "$(lab_dig www.test A)"
lab_stop_portico
