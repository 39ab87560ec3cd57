#!/bin/bash
# Shows that each check can fail: a small clean tree passes, and fails when one thing in it is wrong.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/portico-lint.XXXXXX)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
failed=0
tried=0

clean_tree() {
	rm -rf "$tree"
	mkdir -p "$tree"/{core,config,dpdk_app,bench,tests/lint,build/release/{core,config,dpdk_app}}
	cp "$here/../../.clang-format" "$tree/"
	printf '#include <stdint.h>\n\nint x_get(uint8_t which);\n' >"$tree/core/x.h"
	printf '#include "x.h"\n\nint x_get(uint8_t which)\n{\n\treturn which;\n}\n' >"$tree/core/x.c"
	printf '#include <stdio.h>\n\n#include "core/x.h"\n' >"$tree/config/c.h"
	printf '#include "config/c.h"\n' >"$tree/dpdk_app/d.h"
	printf '# none\n' >"$tree/tests/lint/sizes.allowed"
}

# object SOURCE OBJECT: compiled into the tree, and libcore.a made of core's.
object() {
	gcc -w -I"$tree" -c -o "$tree/build/release/$2" "$tree/$1" || exit 2
	rm -f "$tree/build/release/libcore.a"
	ar rcs "$tree/build/release/libcore.a" "$tree"/build/release/core/*.o
}

# check NAME: runs it on the tree.
check() {
	LINT_CORE_FLAGS='-std=c17 -Wall' LINT_CONFIG_FLAGS="-std=gnu17 -Wall -I$tree" \
		LINT_APP_FLAGS="-std=gnu17 -Wall -I$tree" "$here/check_$1.sh" "$tree"
}

# finds NAME REGEX WHAT: the check must fail on the tree as it is now, and say so like REGEX.
finds() {
	local output
	tried=$((tried + 1))
	if output=$(check "$1" 2>&1) || ! grep -Eq -- "$2" <<<"$output"; then
		echo "selftest: check_$1.sh does not find $3; it says: $output"
		failed=1
	fi
}

clean_tree
object core/x.c core/x.o
for name in format layers headers words sizes symbols; do
	tried=$((tried + 1))
	if ! output=$(check "$name" 2>&1); then
		echo "selftest: check_$name.sh fails on a clean tree: $output"
		failed=1
	fi
done

# plant FILE TEXT: a clean tree but for this file.
plant() {
	clean_tree
	object core/x.c core/x.o
	printf '%b' "$2" >"$tree/$1"
}

plant core/y.c 'int  y;\n'
finds format '^core/y.c:1:' "a double blank"
plant core/y.c '#include <stdio.h>\n'
finds layers '^core/y.c:1: .*stdio' "stdio in core"
plant core/y.c '#include "config/c.h"\n'
finds layers '^core/y.c:1: .*config/c.h' "config in core"
plant core/y.c '#include <immintrin.h>\n'
finds layers '^core/y.c:1: .*immintrin' "immintrin without a word"
plant config/y.c '#include <rte_ether.h>\n'
finds layers '^config/y.c:1: .*rte_ether' "DPDK in config"
plant config/y.c '#include "dpdk_app/d.h"\n'
finds layers '^config/y.c:1: .*dpdk_app' "dpdk_app in config"
plant core/y.c 'void *malloc(unsigned long);\nvoid *y(void)\n{\n\treturn malloc(1);\n}\n'
object core/y.c core/y.o
finds layers 'needs malloc' "malloc in libcore.a"
plant core/y.h 'uint8_t y_get(void);\n'
finds headers '^core/y.h' "a header that needs another before it"
plant dpdk_app/y.h 'struct x y_get(void);\nstruct x { size_t x; };\n'
finds headers '^dpdk_app/y.h' "the same in dpdk_app"
for call in 'rand()' 'srand (1)' 'random()' 'drand48()' 'rte_rand()'; do
	plant dpdk_app/y.c "unsigned y = $call;\n"
	finds words '^dpdk_app/y.c:1:.*RAND_bytes' "$call"
done
for word in TO''DO FIX''ME XX''X HA''CK 'for n''ow' 'Not impl''emented'; do
	plant config/y.c "/* $word: more */\n"
	finds words '^config/y.c:1:.*unfinished' "$word"
done
for name in util.c common.h misc.h; do
	plant "dpdk_app/$name" '\n'
	finds words "^dpdk_app/$name" "$name"
done
plant core/y.c "$(printf '/* %s */\\n' $(seq 801))"
finds sizes '^core/y.c: file of 801' "a long file"
plant core/y.c "static int *y_get(void)\n{\n$(printf '\\tx(%s);\\n' $(seq 71))}\n"
finds sizes '^core/y.c:y_get: function of 71' "a long function"
printf 'function core/y.c:y_get 70\n' >"$tree/tests/lint/sizes.allowed"
finds sizes '^core/y.c:y_get: function grew from 70 to 71' "a function that grew"
printf 'function core/y.c:y_get 71\n' >"$tree/tests/lint/sizes.allowed"
check sizes >/dev/null || {
	echo "selftest: check_sizes.sh refuses what is allowed"
	failed=1
}
for symbol in rand random rte_rand getrandom; do
	plant dpdk_app/y.c "int $symbol(void);\nint (*y)(void) = $symbol;\n"
	object dpdk_app/y.c dpdk_app/y.o
	finds symbols "dpdk_app/y.o.* $symbol .*RAND_bytes" "$symbol as a symbol"
done

[ "$failed" -eq 0 ] && echo "selftest: $tried cases"
exit $failed
