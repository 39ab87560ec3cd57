#!/bin/bash
# The resolver's own objects refer to no other source of randomness than OpenSSL's RAND_bytes.
#   check_symbols.sh [ROOT [OBJECTS]]
set -u
root=${1:-$(dirname "$0")/../..}
objects=${2:-$root/build/release}
files=$(find "$objects/core" "$objects/config" "$objects/dpdk_app" -name '*.o' 2>/dev/null)
if [ -z "$files" ]; then
	echo "$objects: no objects there: make"
	exit 1
fi
found=$(nm -A -u $files | sed "s,^$root/,," |
	grep -E ' (s?rand|rand_r|s?random|random_r|init?state|[dejlmn]rand48|[ls]rand48|seed48|arc4random\w*|rte_s?rand\w*|getrandom|getentropy)(@.*)?$')
[ -z "$found" ] && exit 0
sed -E 's/: +U / needs /; s/$/    <- RAND_bytes is the only source of randomness/' <<<"$found"
exit 1
