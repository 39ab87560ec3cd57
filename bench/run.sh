#!/bin/bash
# Every measurement that this machine can make, and a report: what `make bench` runs.
#
#   bench/run.sh [--quick] [--only "PART..."] [--out DIR]
#     --quick           short turns: 9 to 12 minutes instead of 20 to 30
#     --only PARTS      of: micro a b c af_packet d
#     --out DIR         where the report goes (build/bench/report)
# Environment: PORTICO, PORTICOCTL, LOAD, BENCHES (the micro-benchmarks' programs).
#
# A part that this machine cannot run (no root, no testpmd) is left out, and the report says so. Exit status 1: a part failed.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
quick="" only="micro a b c af_packet d" out=$root/build/bench/report
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=--quick ;;
	--only) only=${2-} && shift ;;
	--out) out=${2-} && shift ;;
	*)
		sed -nE '/^#   bench/,/^$/s/^# ?//p' "$0"
		[ "$1" = --help ] || [ "$1" = -h ]
		exit $(($? * 2))
		;;
	esac
	shift
done
BENCHES=${BENCHES:-$(find "$root/build/bench" -maxdepth 1 -name 'bench_*' -type f -perm -u+x | sort)}
# All micro-benchmarks together take two minutes, a rig three to eight (quick: half a minute to three); what takes longer than this is broken
# off, so that the whole has an end.
MICRO_S=480 RIG_S=1200
[ -z "$quick" ] || MICRO_S=240 RIG_S=420

mkdir -p "$out" || exit 1
rm -f "$out"/*.md "$out"/*.tsv "$out"/*.dat "$out"/*.csv "$out"/*.json "$out"/*.svg
out=$(cd "$out" && pwd)
export RIG_OUT=$out
failed=""

skip() {
	echo "- $*" >>"$out/skipped.md"
	echo "bench: left out: $*" >&2
}

# rig NAME COMMAND...: its Markdown to NAME.md.
rig() {
	local name=$1 begin=$SECONDS
	shift
	echo "bench: $*" >&2
	printf '    %s\n' "$*" >>"$out/commands.md"
	(cd "$root" && timeout --foreground -k 60 $RIG_S "$@") >"$out/$name.md" 2>"$out/$name.log" || {
		failed="$failed $name"
		tail -n 5 "$out/$name.log" >&2
		skip "$name failed: $(tail -n 1 "$out/$name.log")"
		rm -f "$out/$name.md"
	}
	echo "bench: $name took $((SECONDS - begin)) s" >&2
}

# can_dpdk NAME: is there what the rigs over DPDK's devices need?
can_dpdk() {
	[ "$(id -u)" -eq 0 ] || {
		skip "$1: needs root"
		return 1
	}
	[ -n "$(command -v dpdk-testpmd)" ] || {
		skip "$1: dpdk-testpmd is not installed (make deps DEPS=bench)"
		return 1
	}
	[ "$(nproc)" -ge 2 ] || {
		skip "$1: needs two cores"
		return 1
	}
}

can_namespaces() {
	ip netns add "bench-try-$$" 2>/dev/null && ip netns delete "bench-try-$$" || {
		skip "$1: no network namespaces here"
		return 1
	}
}

micro() {
	local program name status end=$((SECONDS + MICRO_S))
	for program in $BENCHES; do
		name=$(basename "$program")
		[ $((end - SECONDS)) -ge 5 ] || {
			skip "$name: no time left"
			continue
		}
		echo "bench: $name" >&2
		printf '    build/bench/%s\n' "$name" >>"$out/commands.md"
		{
			printf '### %s\n\n```\n' "$name"
			cd "$root" && timeout $((end - SECONDS)) "$program" 2>&1
			status=$?
			printf '```\n\n'
		} >>"$out/micro.md"
		case $status in
		0) ;;
		124) skip "$name: broken off, no time left" ;;
		*)
			failed="$failed $name"
			skip "$name ended with status $status"
			;;
		esac
	done
}

commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
[ "$commit" = unknown ] || git -C "$root" diff --quiet HEAD 2>/dev/null || commit="$commit, changed since"

cat >"$out/machine.md" <<MACHINE
| | |
|---|---|
| when | $(date -u +'%F %H:%M UTC') |
| commit | $commit |
| processor | $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores$(grep -q '^flags.* hypervisor' /proc/cpuinfo && echo ', a virtual machine') |
| memory | $(awk '/MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo) |
| kernel | $(uname -sr) |
| DPDK | $(pkg-config --modversion libdpdk 2>/dev/null) |
| load before | $(cut -d' ' -f1-3 /proc/loadavg) |
| kind | $([ -n "$quick" ] && echo quick || echo full) |
MACHINE
grep -q Debian /etc/os-release && sed -nE 's/^PRETTY_NAME="(.*)"/| system | \1 |/p' /etc/os-release >>"$out/machine.md"
: >"$out/commands.md"

for part in $only; do
	case $part in
	micro) micro ;;
	a) ! can_dpdk "rig A" || rig rig_a bench/rig_a.sh $quick ;;
	b) ! can_dpdk "rig B" || rig rig_b bench/rig_a.sh --queues 2 $quick ;;
	c) ! can_dpdk "rig C" || rig rig_c bench/rig_c.sh $quick ;;
	af_packet) ! can_dpdk "rig C over af_packet" || ! can_namespaces "rig C over af_packet" ||
		rig rig_c_af_packet bench/rig_c.sh --device af_packet $quick ;;
	d)
		can_dpdk "rig D" && can_namespaces "rig D" || continue
		[ -n "$(command -v dnsperf)" ] && [ -n "$(command -v nsd)" ] || {
			skip "rig D: dnsperf or nsd is not installed (make deps DEPS=bench)"
			continue
		}
		rig rig_d bench/rig_d.sh $quick
		grep 'is not installed: skipped' "$out/rig_d.log" | sed 's/^rig_d: /- rig D: /' >>"$out/skipped.md"
		;;
	*) skip "$part: no such part" ;;
	esac
done
python3 "$root/bench/report.py" "$out" || failed="$failed report"
echo "bench: $out/report.md" >&2
awk '/^## / { shown = /^## What issue/ } shown && /^\|/' "$out/report.md"
[ -z "$failed" ] || {
	echo "bench: failed:$failed" >&2
	exit 1
}
