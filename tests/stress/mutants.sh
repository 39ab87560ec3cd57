#!/bin/bash
# Shows that the stress finds mistakes: each mutant is a file of the in-flight words or of the cache in core/ with one mistake
# in it, and the stress must fail on it within a few seconds, or ThreadSanitizer must where only it can. A line
# each; ends with `N passed, N failed`. MUTANT=name tries one; MUTANT_LANES (as many as cores) are tried at once. A mistake
# that no longer applies to the text fails.
# What no test on x86 can see: sequentially consistent loads after the CAS that are only acquire loads (the same
# instruction; the CAS is a full barrier); words of a cache's entry that are stored or loaded relaxed alone, or a CAS that
# is, as either orders what ThreadSanitizer watches (so those mutants are both at once).
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/build.sh"
work=$(mktemp -d /tmp/portico-mutants.XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
seconds=${MUTANT_S:-4}
lanes=${MUTANT_LANES:-$(nproc)}
count=0

# caught DIRECTORY VARIANT CREW SEED: run it; sets `how` if it fails. A signal (a CHECK that traps) counts, a hang does not.
caught() {
	local status
	stress_run $subject "$2" "$1/stress_$2" "$3" "$seconds" "$4" >"$1/output" 2>&1
	status=$?
	how=$(grep -aoE -m 1 'FAIL stress_[a-z]*: [^(]*|ThreadSanitizer: data race' "$1/output" |
		sed 's/.*: //; s/ *$//')
	case $status in
	0) return 1 ;;
	124 | 137) how= && return 1 ;;
	esac
	[ -n "$how" ] || how="signal or status $status"
	how="$2, $3 threads: $how"
}

# try_mutant DIRECTORY NAME VARIANTS FILE OLD NEW [FILE OLD NEW]...: one line
try_mutant() {
	local dir=$1 name=$2 variants=$3 variant crew seed how=
	shift 3
	mkdir "$dir" && cp -r "$root/core" "$dir/core"
	if ! /usr/bin/python3 - "$dir/core" "$@" <<-'PYTHON'; then
		import sys
		core, *edits = sys.argv[1:]
		for path, old, new in zip(edits[0::3], edits[1::3], edits[2::3]):
		    text = open(f"{core}/{path}").read()
		    if old == new or text.count(old) != 1:
		        sys.exit(1)
		    open(f"{core}/{path}", "w").write(text.replace(old, new))
	PYTHON
		echo "FAIL mutant $name: its text is not in core/$1 just once; adapt it"
		return
	fi
	for variant in $variants; do
		if ! STRESS_FLAGS=-w stress_build $subject "$variant" "$dir" "$dir/stress_$variant" >"$dir/output" 2>&1; then
			echo "FAIL mutant $name does not build: $(grep -m 1 error "$dir/output")"
			return
		fi
		# Again with other seeds, as a busy machine may have run one thread after the other.
		seed=${SEED:-1}
		for crew in $crews; do
			if caught "$dir" "$variant" "$crew" "$seed"; then
				echo "ok   mutant $name: caught by $how"
				return
			fi
			seed=$((seed + 1))
		done
	done
	echo "FAIL mutant $name: not caught"
}

# mutant NAME VARIANTS FILE OLD NEW [FILE OLD NEW]...: OLD must be in core/FILE exactly once. Tries it as soon as there is a
# lane; the verdicts are printed in the end, in their order.
mutant() {
	[ -z "${MUTANT:-}" ] || [ "$MUTANT" = "$1" ] || return 0
	while [ "$(jobs -rp | wc -l)" -ge "$lanes" ]; do
		wait -n
	done
	count=$((count + 1))
	{
		try_mutant "$work/$count" "$@"
		rm -rf "${work:?}/$count"
	} >"$work/$count.verdict" &
}

subject=inflight
crews='2 4 2 4 2 4 2 4'
words=inflight_words.c
word=inflight_word.h
header=inflight.h

# ---- entering ----
mutant enter_stores_without_cas release $word \
	'if (w->owner_count == 1) {' 'if (true) {'
mutant enter_does_not_look_for_an_equal release $word \
	'if (UNLIKELY(!word_is_only(w->words + start, word)))' 'if (false)'
mutant enter_looks_before_the_cas_only release $word \
	'		if (!word_claim(w, at, word))
			continue;' \
	'		uint64_t expected = 0;
		size_t empty = SIZE_MAX;
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
	'	uint64_t expected = 0;
' \
	'	uint64_t expected = atomic_load(&w->words[at]);
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
mutant find_ignores_the_tag release $words \
	'((words[i] ^ wanted_word) >> WORD_ID_SHIFT == 0)' \
	'(words[i] != 0 && (uint16_t)((words[i] ^ wanted_word) >> WORD_ID_SHIFT) == 0)'
mutant find_ignores_the_tag_of_near_misses release $words \
	'((words[i] ^ wanted_word) >> WORD_TAG_SHIFT == 0)' '(words[i] != 0)'
mutant find_ignores_a_tag_bit release $words \
	'((words[i] ^ wanted_word) >> WORD_ID_SHIFT == 0)' '((words[i] ^ wanted_word) << 1 >> 1 >> WORD_ID_SHIFT == 0)'
mutant find_ignores_a_tag_bit_of_near_misses release $words \
	'((words[i] ^ wanted_word) >> WORD_TAG_SHIFT == 0)' '((words[i] ^ wanted_word) << 1 >> 1 >> WORD_TAG_SHIFT == 0)'
mutant find_ignores_an_id_bit release $words \
	'((words[i] ^ wanted_word) >> WORD_ID_SHIFT == 0)' '((words[i] ^ wanted_word) >> (WORD_ID_SHIFT + 1) == 0)'
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
	'memory_order_seq_cst, memory_order_relaxed);' 'memory_order_relaxed, memory_order_relaxed);'
mutant cas_only_acquires tsan $word \
	'memory_order_seq_cst, memory_order_relaxed);' 'memory_order_acquire, memory_order_relaxed);'
mutant find_is_relaxed tsan $words 'memory_order_acquire);' 'memory_order_relaxed);'
mutant late_is_relaxed tsan $words \
	'word | WORD_LATE, memory_order_release' 'word | WORD_LATE, memory_order_relaxed'
mutant remove_is_relaxed tsan $header \
	'&w->words[position], 0, memory_order_release' '&w->words[position], 0, memory_order_relaxed'

# ---- the cache ----
subject=cache
crews='1+1 1+2 2+1 2+2 1+1 1+2 2+2 1+1 2+1 1+2 2+1 2+2'
index_c=cache_index.c
index_h=cache_index.h
read_h=cache_read.h
layout=cache_layout.h
log=cache_log.c

# ---- its readers ----
mutant read_does_not_validate_after_the_copy release $read_h \
	'if (UNLIKELY(!cache_is_intact(c, word, before)))' \
	'if (UNLIKELY(!cache_is_before(before, word)))'
mutant read_ignores_the_lap release $layout \
	'return ((before - word - 1) & CACHE_POSITION_MASK) + (after - before) <= UINT32_MAX;' \
	'return (uint32_t)word < (uint32_t)after || (word & UINT32_MAX) >= (after & UINT32_MAX);'
mutant read_knows_no_lap_but_the_last release $layout \
	'return ((before - word - 1) & CACHE_POSITION_MASK) + (after - before) <= UINT32_MAX;' \
	'return (uint32_t)word >= (uint32_t)after || ((after - word) & CACHE_POSITION_MASK) >> 32 == 0;'
mutant read_does_not_compare_the_self_address release $read_h \
	'((first ^ cache_identity(word, hash_upper)) & CACHE_ENTRY_IDENTITY_MASK) == 0 &&' ''
mutant read_copies_what_is_too_long release $read_h \
	'if (count > most_words || count > left_words)' 'if (false)'
mutant read_does_not_compare_the_key release $read_h \
	'(key == NULL || cache_copy_is_of_key(copy, count, copy_words, key));' 'true;'
mutant read_compares_but_the_last_bytes release $read_h \
	'<< (64 - image_bytes) == 0' '<< (68 - image_bytes) == 0'
mutant read_compares_bytes_behind_the_key release $read_h \
	'(uint64_t)(uint32_t)~equal << (64 - image_bytes) == 0' '(uint32_t)~equal == 0'

# ---- its writers ----
mutant reserve_is_published_late release $log \
	'	set_reserve(w);
	words[0] =' '	words[0] =' $log \
	'	/* A late reader may' '	set_reserve(w);
	/* A late reader may'
mutant reserve_keeps_its_lap release $log '(uint64_t)w->lap << 32 | w->next,' 'w->next,'
mutant word_is_published_before_the_entry release $log \
	'	word = cache_tag(key->hash) << CACHE_WORD_TAG_SHIFT |
	       append(w, words, word_count, cache_hash_upper(key->hash));' \
	'	word = cache_tag(key->hash) << CACHE_WORD_TAG_SHIFT | position_of(w, w->lap, w->next);' $log \
	'	switch (cache_index_enter(w->cache, key, word)) {' \
	'	enum cache_index_enter entered = cache_index_enter(w->cache, key, word);
	(void)append(w, words, word_count, cache_hash_upper(key->hash));
	switch (entered) {'
mutant put_does_not_replace release $index_c \
	'if (words[i] == 0 || !is_of_key(c, words[i], key))' 'if (true)'
mutant entries_straddle_the_end release $log \
	': log_size;' ': log_size + word_count / 2;'
mutant words_of_the_overwritten_stay release $log \
	'if (cache_index_write(w->cache, place, word, 0) && !is_dead) {' 'if (!is_dead) {'
mutant the_superseded_is_appended_again release $index_c \
	'(*word ^ position) << (64 - CACHE_WORD_TAG_SHIFT) == 0)' \
	'(*word ^ position) << (64 - CACHE_WORD_TAG_SHIFT) >> (64 - CACHE_WORD_TAG_SHIFT + CACHE_WORD_LOG_SHIFT) == 0)'
mutant what_is_appended_again_keeps_its_place release $log \
	'tag | append(w, w->scratch, word_count, hash_upper)))' \
	'(append(w, w->scratch, word_count, hash_upper), word)))'
mutant what_is_appended_again_is_cut release $log \
	'copy_words = marked || reach->flush != NULL ? word_count : CACHE_HEAD_WORDS;' \
	'copy_words = CACHE_HEAD_WORDS;'

# ---- its orders: only ThreadSanitizer sees them ----
mutant entry_and_word_are_stored_relaxed tsan $log \
	'atomic_store_explicit(&to[i], words[i], memory_order_release);' \
	'atomic_store_explicit(&to[i], words[i], memory_order_relaxed);' $index_h \
	'memory_order_release, memory_order_relaxed);' 'memory_order_relaxed, memory_order_relaxed);'
mutant entry_and_word_of_one_writer_are_stored_relaxed tsan $log \
	'atomic_store_explicit(&to[i], words[i], memory_order_release);' \
	'atomic_store_explicit(&to[i], words[i], memory_order_relaxed);' $index_h \
	'atomic_store_explicit(place, new_word, memory_order_release);' \
	'atomic_store_explicit(place, new_word, memory_order_relaxed);'
mutant entry_and_word_are_loaded_relaxed tsan $read_h \
	'return atomic_load_explicit(&words[at], memory_order_acquire);' \
	'return atomic_load_explicit(&words[at], memory_order_relaxed);' cache.c \
	'uint64_t word = atomic_load_explicit(&c->index[at], memory_order_acquire);' \
	'uint64_t word = atomic_load_explicit(&c->index[at], memory_order_relaxed);'

wait
for ((i = 1; i <= count; i++)); do
	cat "$work/$i.verdict"
done | tee "$work/verdicts"
passed=$(grep -c '^ok ' "$work/verdicts")
failed=$((count - passed))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
