#!/bin/bash
# Installs the Debian packages of the sets named (build, run, test, bench; separated by commas) that are
# missing; calls apt only if one is. A DNS server that comes along is not started: a policy-rc.d forbids
# it meanwhile (what was there before is put back), and its service is disabled and masked.
set -euo pipefail

build="build-essential pkg-config libdpdk-dev libfyaml-dev libssl-dev libjemalloc-dev libsystemd-dev
	libpcap-dev clang libbpf-dev libmnl-dev libldns-dev libmicrohttpd-dev libuv1-dev"
run="iproute2 ethtool nsd knot bind9-dnsutils procps tcpdump bsdextrautils"
test="$run unbound bind9 libcunit1-dev clang libclang-rt-14-dev clang-format knot-dnsutils dnsperf
	python3 python3-scapy python3-dnspython strace dpdk nftables iptables bpftool bird2"
bench="$run dnsperf dpdk dpdk-dev valgrind gnuplot-nox python3 unbound bind9 knot-resolver pdns-recursor dnsdist dnsmasq"
# package:services that it would start
services="nsd:nsd knot:knot bind9:named unbound:unbound knot-resolver:kresd@1 pdns-recursor:pdns-recursor
	dnsdist:dnsdist dnsmasq:dnsmasq bird2:bird"
policy=/usr/sbin/policy-rc.d

die() {
	echo "deps: $*" >&2
	exit 1
}

is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

wanted=""
for set_name in ${1//,/ }; do
	case $set_name in
	build) wanted="$wanted $build" ;;
	run) wanted="$wanted $run" ;;
	test) wanted="$wanted $test" ;;
	bench) wanted="$wanted $bench" ;;
	*) die "no set '$set_name': build, run, test, bench" ;;
	esac
done

# Not Debian: whoever builds there knows better what provides what.
command -v dpkg-query >/dev/null || exit 0

# One call for the usual case that nothing is missing.
missing=$(comm -23 <(printf '%s\n' $wanted | sort -u) \
	<(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
		sed -n 's/^installed //p' | sort -u))
[ -n "$missing" ] || exit 0
missing=$(echo $missing)

if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || die "missing: $missing. Run 'make deps' as root."
	echo "deps: missing: $missing; installing them with sudo"
	exec sudo -- "$0" "$1"
fi

echo "deps: installing $missing"
new_services=""
for pair in $services; do
	if ! is_installed "${pair%%:*}"; then
		new_services="$new_services ${pair##*:}"
	fi
done

kept=""
policy_is_ours=no
put_back() {
	if [ -n "$kept" ]; then
		mv -f "$kept" "$policy"
	elif [ "$policy_is_ours" = yes ]; then
		rm -f "$policy"
	fi
	kept=""
	policy_is_ours=no
}
trap put_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -e "$policy" ] || [ -L "$policy" ]; then
	kept=$(mktemp -u "$policy.kept-by-portico.XXXXXX")
	mv "$policy" "$kept"
fi
policy_is_ours=yes
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update -q </dev/null || die "apt-get update failed"
apt-get install -q -y --no-install-recommends $missing </dev/null || die "apt-get install failed"
put_back

for service in $new_services; do
	[ -e "/lib/systemd/system/$service.service" ] || continue
	if command -v systemctl >/dev/null; then
		# --now needs a running systemd; masking is a link in the file system.
		if [ -d /run/systemd/system ]; then
			systemctl disable --now --quiet "$service" || true
		fi
		systemctl mask --quiet "$service" || true
	fi
	if command -v pgrep >/dev/null && pgrep -x "${service/#knot/knotd}" >/dev/null; then
		echo "deps: warning: $service runs, though it was not to be started" >&2
	fi
done
