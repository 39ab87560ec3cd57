#!/bin/bash
# Shows that the stress finds mistakes: each mutant is core/inflight_words.c, inflight_word.h or inflight.h with one mistake
# in it, and the stress must fail on it within a few seconds, or ThreadSanitizer must where only it can. A line
# each; ends with `N passed, N failed`. MUTANT=name tries one. A mistake that no longer applies to the text fails.
# What no test on x86 can see: sequentially consistent loads after the CAS that are only acquire loads (the same
# instruction; the CAS is a full barrier).
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/build.sh"
work=$(mktemp -d /tmp/portico-mutants.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
seconds=${MUTANT_S:-4}
passed=0
failed=0

verdict() {
	local says=$1
	shift
	if [ "$says" = ok ]; then
		echo "ok   mutant $*"
		passed=$((passed + 1))
	else
		echo "FAIL mutant $*"
		failed=$((failed + 1))
	fi
}

# caught VARIANT THREADS SEED: run it; sets `how` if it fails. A signal (a CHECK that traps) counts, a hang does not.
caught() {
	local status
	stress_run "$1" "$work/stress_$1" "$2" "$seconds" "$3" >"$work/output" 2>&1
	status=$?
	how=$(grep -aoE -m 1 'FAIL stress_inflight: [^(]*|ThreadSanitizer: data race' "$work/output" |
		sed 's/.*: //; s/ *$//')
	case $status in
	0) return 1 ;;
	124 | 137) how= && return 1 ;;
	esac
	[ -n "$how" ] || how="signal or status $status"
	how="$1, $2 threads: $how"
}

# mutant NAME VARIANTS FILE OLD NEW: OLD must be in core/FILE exactly once.
mutant() {
	local name=$1 variants=$2 file=$3 variant threads seed how=
	[ -z "${MUTANT:-}" ] || [ "$MUTANT" = "$name" ] || return 0
	cp "$root/core/inflight.h" "$root/core/inflight_word.h" "$root/core/inflight_words.c" "$work/core/"
	if ! /usr/bin/python3 - "$work/core/$file" "$4" "$5" <<-'PYTHON'; then
		import sys
		path, old, new = sys.argv[1:]
		text = open(path).read()
		if old == new or text.count(old) != 1:
		    sys.exit(1)
		open(path, "w").write(text.replace(old, new))
	PYTHON
		verdict FAIL "$name: its text is not in core/$file just once; adapt it"
		return
	fi
	for variant in $variants; do
		if ! STRESS_FLAGS=-w stress_build "$variant" "$work" "$work/stress_$variant" >"$work/output" 2>&1; then
			verdict FAIL "$name does not build: $(grep -m 1 error "$work/output")"
			return
		fi
		# Again with other seeds, as a busy machine may have run one thread after the other.
		seed=${SEED:-1}
		for threads in 2 4 2 4; do
			if caught "$variant" "$threads" "$seed"; then
				verdict ok "$name: caught by $how"
				return
			fi
			seed=$((seed + 1))
		done
	done
	verdict FAIL "$name: not caught"
}

cp -r "$root/core" "$work/core"
words=inflight_words.c
word=inflight_word.h
header=inflight.h

# ---- entering ----
mutant enter_stores_without_cas release $word \
	'if (!atomic_compare_exchange_strong_explicit(&w->words[at], &expected, word,
							     memory_order_seq_cst,
							     memory_order_relaxed))
			continue;' \
	'if (atomic_load(&w->words[at]) != expected)
			continue;
		atomic_store(&w->words[at], word);'
mutant enter_does_not_look_for_an_equal release $word \
	'if (UNLIKELY(!word_is_only(w->words + start, word)))' 'if (false)'
mutant enter_looks_before_the_cas_only release $word \
	'		if (!atomic_compare_exchange_strong_explicit(&w->words[at], &expected, word,
							     memory_order_seq_cst,
							     memory_order_relaxed))
			continue;' \
	'		size_t empty = SIZE_MAX;
		for (size_t i = INFLIGHT_BUCKET_WORDS; i-- > 0;) {
			uint64_t there = atomic_load(&w->words[start + i]);
			if ((there ^ word) >> WORD_ID_SHIFT == 0)
				return INFLIGHT_TAKEN;
			if (there == 0)
				empty = i;
		}
		if (empty == SIZE_MAX)
			return INFLIGHT_TAKEN;
		at = start + empty;
		if (atomic_compare_exchange_strong(&w->words[at], &expected, word)) {
			*position = (uint32_t)at;
			return INFLIGHT_ENTERED;
		}
		continue;'
mutant enter_takes_the_place_of_a_late_word release $word \
	'		uint64_t expected = 0;
' \
	'		uint64_t expected = atomic_load(&w->words[at]);
		if ((expected & WORD_LATE) == 0)
			expected = 0;
'
mutant enter_looks_at_seven release $word \
	'	for (size_t i = 0; i < INFLIGHT_BUCKET_WORDS; i++) {
		/* Sequentially' \
	'	for (size_t i = 1; i < INFLIGHT_BUCKET_WORDS; i++) {
		/* Sequentially'
mutant enter_compares_ids_only release $word \
	'same += (word ^ ours) <' 'same += ((word ^ ours) & 0xffffffffff) <'
mutant enter_compares_tags_only release $word \
	'same += (word ^ ours) < UINT64_C(1) << WORD_ID_SHIFT;' \
	'same += (word ^ ours) < UINT64_C(1) << WORD_TAG_SHIFT;'
mutant enter_keeps_the_refused_word release $word \
	'inflight_remove(w, (uint32_t)at);' '(void)at;'
mutant enter_says_entered_of_the_refused release $word \
	'		if (UNLIKELY(!word_is_only(w->words + start, word))) {
			inflight_remove(w, (uint32_t)at);
			return INFLIGHT_TAKEN;' \
	'		if (UNLIKELY(!word_is_only(w->words + start, word))) {
			inflight_remove(w, (uint32_t)at);
			*position = (uint32_t)at;
			return INFLIGHT_ENTERED;'
mutant enter_writes_position_when_refused release $word \
	'			inflight_remove(w, (uint32_t)at);' \
	'			inflight_remove(w, *position = (uint32_t)at);'
mutant enter_tries_seven_places release $word \
	'try < INFLIGHT_BUCKET_WORDS; try++' 'try < INFLIGHT_BUCKET_WORDS - 1; try++'
mutant enter_runs_into_the_next_bucket release $word \
	'(id + try) % INFLIGHT_BUCKET_WORDS;' 'id % INFLIGHT_BUCKET_WORDS + try;'
mutant enter_mixes_the_id_into_the_bucket release $word \
	'	size_t start = word_bucket_start(w, hash);' '	size_t start = word_bucket_start(w, hash ^ id);'
mutant tag_may_be_zero release $word 'return tag != 0 ? tag : 1;' 'return tag;'

# ---- leaving and lateness ----
mutant remove_forgets release $header \
	'atomic_store_explicit(&w->words[position], 0, memory_order_release);' '(void)w, (void)position;'
mutant remove_takes_its_neighbour release $header \
	'atomic_store_explicit(&w->words[position], 0,' 'atomic_store_explicit(&w->words[position ^ 1], 0,'
mutant late_loses_the_id release $words \
	'word | WORD_LATE, memory_order_release' \
	'(word & ~(UINT64_C(0xffff) << WORD_ID_SHIFT)) | WORD_LATE, memory_order_release'
mutant late_writes_back_what_was_beside_it release $words \
	'uint64_t word = inflight_word(w, position);' 'uint64_t word = inflight_word(w, position ^ 1) | 1;'
mutant late_is_not_marked release $words 'word | WORD_LATE, memory_order_release' 'word, memory_order_release'
mutant late_bit_is_in_the_slot release $word \
	'#define WORD_LATE (UINT64_C(1) << 16)' '#define WORD_LATE (UINT64_C(1) << 15)'

# ---- finding ----
mutant find_ignores_the_tag release $words '(words[i] >> WORD_TAG_SHIFT == tag)' '(words[i] != 0)'
mutant find_ignores_a_tag_bit release $words \
	'(words[i] >> WORD_TAG_SHIFT == tag)' '((words[i] >> WORD_TAG_SHIFT | 1u << 23) == (tag | 1u << 23))'
mutant find_ignores_an_id_bit release $words \
	'((uint16_t)(words[i] >> WORD_ID_SHIFT) == id)' '((words[i] >> WORD_ID_SHIFT & 0x7fff) == (id & 0x7fffu))'
mutant find_ignores_late release $words \
	'late |= (uint32_t)((words[i] & WORD_LATE) != 0) << i;' 'late |= 0;'
mutant find_looks_at_seven release $words \
	'#pragma GCC unroll 8
	for (unsigned i = 0; i < INFLIGHT_BUCKET_WORDS; i++) {
		/* Acquire' \
	'	for (unsigned i = 0; i < INFLIGHT_BUCKET_WORDS - 1; i++) {
		/* Acquire'
mutant find_names_one_near_miss release $words \
	'wanted = same_tag & ~late;' 'wanted = same_tag & ~late & -(same_tag & ~late);'
mutant find_names_one_match release $words \
	'wanted = same_id & ~late;' 'wanted = same_id & ~late & -(same_id & ~late);'
mutant find_names_late_near_misses release $words 'wanted = same_tag & ~late;' 'wanted = same_tag;'
mutant find_does_not_sort release $words 'before->slot <= hit.slot))' 'before->slot <= hit.slot) || true)'
mutant find_sorts_by_owner_alone release $words 'before->slot <= hit.slot))' 'true))'
mutant hit_shifts_the_owner release $words \
	'(word >> WORD_OWNER_SHIFT & WORD_OWNER_MASK)' '(word >> (WORD_OWNER_SHIFT - 1) & WORD_OWNER_MASK)'
mutant hit_cuts_the_owner release $words \
	'(word >> WORD_OWNER_SHIFT & WORD_OWNER_MASK)' '(word >> WORD_OWNER_SHIFT & 0x3f)'
mutant hit_cuts_the_slot release $words '.slot = (uint16_t)word,' '.slot = (uint16_t)(word & 0x7fff),'

# ---- orders: only ThreadSanitizer sees them ----
mutant cas_is_relaxed tsan $word \
	'word,
							     memory_order_seq_cst,' \
	'word,
							     memory_order_relaxed,'
mutant cas_only_acquires tsan $word \
	'word,
							     memory_order_seq_cst,' \
	'word,
							     memory_order_acquire,'
mutant find_is_relaxed tsan $words 'memory_order_acquire);' 'memory_order_relaxed);'
mutant late_is_relaxed tsan $words \
	'word | WORD_LATE, memory_order_release' 'word | WORD_LATE, memory_order_relaxed'
mutant remove_is_relaxed tsan $header \
	'&w->words[position], 0, memory_order_release' '&w->words[position], 0, memory_order_relaxed'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
