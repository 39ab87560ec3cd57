#!/bin/bash
# Words that have no place here: generators that can be predicted (RAND_bytes of OpenSSL is the only source
# of randomness), marks of unfinished work, and file names that say nothing.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2
failed=0

# refuse WHY PATTERN PATH...: no line of a file below PATH may match.
refuse() {
	local why=$1 pattern=$2 found
	shift 2
	found=$(grep -rnE --include='*.[ch]' --include='*.sh' --include='*.py' --include='*.yaml' \
		--include=Makefile --include=run --exclude-dir=lint "$pattern" "$@" 2>/dev/null)
	[ -n "$found" ] || return 0
	printf '%s\n' "$found" | sed "s/\$/    <- $why/"
	failed=1
}

refuse "predictable: RAND_bytes is the only source" \
	'\b(rand|srand|rand_r|random|srandom|random_r|[dejlmn]rand48|[ls]rand48)[[:space:]]*\(|rte_s?rand|rte_random' \
	core config dpdk_app
refuse "unfinished" '\b(TODO|FIXME|XXX|HACK)\b' core config dpdk_app bench tests Makefile .ci
refuse "unfinished" '\b([Ff]or now|[Nn]ot implemented)\b' core config dpdk_app bench tests Makefile .ci

while read -r file; do
	echo "$file: a name that does not say what is in it"
	failed=1
done < <(find core config dpdk_app bench tests -regextype posix-extended \
	-regex '.*/(utils?|common|misc|helpers?)\.[ch]' 2>/dev/null)
exit $failed
