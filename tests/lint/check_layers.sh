#!/bin/bash
# Includes go only dpdk_app -> config -> core and dpdk_app -> core. core is pure C: of the C library it
# includes seven headers, and what it leaves undefined is mem* and the stack protector's alarm.
#   check_layers.sh [ROOT [LIBCORE]]
set -u
root=${1:-$(dirname "$0")/../..}
libcore=${2:-$root/build/release/libcore.a}
failed=0

bad() {
	echo "$*"
	failed=1
}

# includes DIRECTORY: "file:line <name>" or "file:line "name"" for each include there.
includes() {
	grep -nE '^[[:space:]]*#[[:space:]]*include' "$root/$1"/*.[ch] 2>/dev/null |
		sed -E 's/^([^:]*:[0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]*[>"]).*/\1 \2/' |
		sed "s,^$root/,,"
}

while read -r place name; do
	case $name in
	'<stdint.h>' | '<stddef.h>' | '<stdbool.h>' | '<stdatomic.h>' | '<limits.h>' | '<string.h>' | '<assert.h>') ;;
	'<immintrin.h>')
		# A file that needs it says so, in words.
		grep -v '#include' "$root/${place%%:*}" | grep -q immintrin ||
			bad "$place: core includes $name and no comment says why (the word immintrin)"
		;;
	'"'*)
		bare=${name//\"/}
		case $bare in
		*/*) bad "$place: core includes $name: only its own headers, without a directory" ;;
		*) [ -e "$root/core/$bare" ] || bad "$place: core includes $name, which is not in core" ;;
		esac
		;;
	*) bad "$place: core includes $name" ;;
	esac
done < <(includes core)

while read -r place name; do
	case $name in
	'<rte_'* | '"rte_'* | *dpdk_app/* | *tests/* | *bench/* | *../*)
		bad "$place: config includes $name" ;;
	'"core/'* | '<'*) ;;
	*)
		bare=${name//\"/}
		[ -e "$root/config/${bare#config/}" ] || bad "$place: config includes $name" ;;
	esac
done < <(includes config)

while read -r place name; do
	case $name in
	*tests/* | *bench/* | *../*) bad "$place: dpdk_app includes $name" ;;
	esac
done < <(includes dpdk_app)

if [ ! -e "$libcore" ]; then
	bad "$libcore: not there: make"
else
	defined=$(nm --defined-only "$libcore" 2>/dev/null | awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' | sort -u)
	while read -r object symbol; do
		bad "$object: core needs $symbol, which core does not define"
	done < <(nm -A -u "$libcore" 2>/dev/null | awk '{ n = split($1, part, ":"); print part[n - 1] ? part[n - 1] : $1, $NF }' |
		grep -vE ' (mem(cpy|move|set|cmp)|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$' |
		awk -v defined="$defined" 'BEGIN { split(defined, d); for (i in d) own[d[i]] = 1 } !($2 in own)')
fi
exit $failed
