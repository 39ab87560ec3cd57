#!/bin/bash
# Every C file is as clang-format 14 would write it (`make fmt` mends it).
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2

files=$(find core config dpdk_app bench tests -name '*.[ch]' 2>/dev/null)
[ -n "$files" ] || exit 0
wrong=$(clang-format --dry-run -Werror --style=file $files 2>&1)
status=$?
# One line a file is enough: the mending is mechanical.
sed -nE 's/^([^: ]+):([0-9]+):[0-9]+: error: .*/\1:\2: not as clang-format writes it: make fmt/p' <<<"$wrong" |
	sort -t: -u -k1,1
exit $status
