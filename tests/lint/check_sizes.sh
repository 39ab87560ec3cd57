#!/bin/bash
# Files past 800 lines and functions past 70 (body lines). A ratchet: tests/lint/sizes.allowed lists the known
# ones with their size (`file PATH LINES`, `function PATH:NAME LINES`), and they may not grow.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2
files=$(find core config dpdk_app bench tests .ci -type f \
	\( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name run \) 2>/dev/null | sort)
[ -n "$files" ] || exit 0

{
	for file in $files; do
		echo "file $file $(wc -l <"$file")"
	done | awk '$3 > 800'
	# A function's braces stand alone in the first column.
	for file in $(grep -E '\.[ch]$' <<<"$files"); do
		awk -v file="$file" '
			/^[a-zA-Z_].*\(/ && !/^#/ {
				name = $0
				sub(/\(.*/, "", name)
				sub(/.*[ *]/, "", name)
			}
			/^{/ { start = NR }
			/^}/ && start { if (NR - start - 1 > 70) print "function", file ":" name, NR - start - 1; start = 0 }
		' "$file"
	done
} | awk '
	FNR == NR { if ($1 !~ /^#/) allowed[$1 " " $2] = $3; next }
	{
		limit = allowed[$1 " " $2]
		if (limit == "") { print $2 ": " $1 " of " $3 " lines (800 a file, 70 a function)"; failed = 1 }
		else if ($3 > limit) { print $2 ": " $1 " grew from " limit " to " $3 " lines"; failed = 1 }
		else if ($3 < limit) print $2 ": " $1 " shrank to " $3 " lines: lower it in sizes.allowed"
	}
	END { exit failed }
' <(cat tests/lint/sizes.allowed 2>/dev/null; echo '#') -
