#!/bin/bash
# Every header compiles alone. The flags come from the Makefile (`make lint`).
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2
: "${LINT_CORE_FLAGS:?is set by make lint}" "${LINT_CONFIG_FLAGS:?}" "${LINT_APP_FLAGS:?}"

# each DIRECTORY FLAGS
each() {
	find "$1" -maxdepth 1 -name '*.h' 2>/dev/null | sort |
		xargs -r -P "$(nproc)" -I{} bash -c '
			out=$(gcc '"$2"' -Werror -fsyntax-only -include ./{} -x c - <<<"typedef int unit;" 2>&1) || {
				echo "{}: does not compile alone:"
				head -n 5 <<<"$out"
				exit 1
			}'
}

failed=0
each core "$LINT_CORE_FLAGS" || failed=1
each config "$LINT_CONFIG_FLAGS" || failed=1
each dpdk_app "$LINT_APP_FLAGS" || failed=1
exit $failed
