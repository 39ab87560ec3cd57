/* Hammers the shared in-flight words (core/inflight.h) with many owners at once, in so few buckets and
 * with so few keys that they are in each other's way all the time, and checks what that header says
 * holds. Prints one line; exits with 1 and the seed at the first violation.
 *
 *   stress_inflight [--threads N] [--seconds S] [--ops N] [--seed N]
 *
 * It runs in rounds. In a round an owner uses a slot number once, so that what is known of a slot
 * only ever moves forward (enum status) and a look-up that overlaps with a change is not judged by
 * it. Three kinds of memory are plain on purpose, so that ThreadSanitizer proves what the words
 * promise to order: `facts` (who finds a word sees what its owner wrote before), `places` (a place
 * goes from owner to owner), and each owner's own slots, which only it touches: others pass it what
 * they found through a ring.
 */
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/inflight.h"
#include "stress_draw.h"
#include "stress_quiet.h"
#include "stress_ring.h"

#define THREADS_MAX 16
#define OWNERS 128 /* what the owner field of a word can say */
#define SLOTS 65536
#define ATTEMPTS 8192 /* entries tried by a thread in a round: fewer than there are slot numbers */
#define HELD_MAX 12
#define TAGS_MAX 3
#define IDS_MAX 6
#define BUCKETS_MAX 8
#define WORDS_MAX (BUCKETS_MAX * INFLIGHT_BUCKET_WORDS)
#define TAG_SHIFT 40
#define LATE_MARK 0x5a5a

/* What a slot number of an owner has come to in this round; only forward. */
enum status { UNUSED, ENTERING, ENTERED, MARKING, LATE, REMOVING, REMOVED, REFUSED };

struct fact {
	uint64_t hash;
	uint16_t id;
	uint16_t late; /* written before the word is marked late */
};

/* What others may read of an owner. */
struct shown {
	struct fact facts[SLOTS]; /* plain: read through a found word */
	_Atomic uint8_t status[SLOTS];
	_Atomic uint32_t last[HELD_MAX]; /* the slot number last used for this; SLOTS: none yet */
};

/* What nobody but its owner touches while a round runs. */
struct own_slot {
	uint64_t hash;
	uint16_t id;
	uint8_t status;
	uint8_t held_idx;
	uint32_t position;
};

struct counts {
	uint64_t entered, refused, late, looked_up, judged, passed, dropped, answered, several;
};

struct stress;
struct worker {
	struct stress *stress;
	unsigned idx;
	uint8_t owner;
	unsigned long long random;
	uint32_t slot_base, slot_stride, slots_used;
	bool holds[HELD_MAX];
	uint16_t held[HELD_MAX];
	struct own_slot *slots;
	struct counts counts;
};

struct stress {
	struct inflight_words words;
	unsigned thread_count;
	unsigned long long seed;
	uint64_t ops_max;
	double seconds;
	struct timespec began;
	pthread_barrier_t barrier;

	/* Of this round; written between barriers. */
	unsigned round;
	bool over;
	bool crowded; /* few keys, all beginning at one place, and little else done */
	unsigned bucket_count, tag_count, id_count, held_count;
	uint64_t tags[TAGS_MAX];
	uint16_t ids[IDS_MAX];
	uint8_t worker_of[OWNERS]; /* THREADS_MAX: nobody */

	struct shown *shown;
	struct worker workers[THREADS_MAX];
	struct ring rings[THREADS_MAX][THREADS_MAX]; /* [from][to] */
	uint32_t places[WORDS_MAX]; /* plain: who entered a place writes here until it leaves it */
	_Alignas(64) uint8_t words_memory[WORDS_MAX * sizeof(uint64_t)];
};

static _Noreturn void fail(const struct stress *s, const char *what)
{
	static _Atomic bool said;

	if (!atomic_exchange(&said, true)) {
		printf("FAIL stress_inflight: %s (--threads %u --seed %llu, round %u)\n", what,
		       s->thread_count, s->seed, s->round);
		fflush(stdout);
		_exit(1);
	}
	for (;;)
		pause();
}

/* ---- keys ---- */

static uint64_t bucket_of(const struct stress *s, uint64_t hash)
{
	return hash & (s->bucket_count - 1);
}

static bool same_place(const struct stress *s, uint64_t a, uint64_t b)
{
	return a >> TAG_SHIFT == b >> TAG_SHIFT && bucket_of(s, a) == bucket_of(s, b);
}

/* Only tag and bucket matter: the bits between them are noise, another in each call. */
static uint64_t with_noise(struct worker *w, uint64_t hash)
{
	uint64_t low = w->stress->bucket_count - 1;
	uint64_t between = ((UINT64_C(1) << TAG_SHIFT) - 1) & ~low;

	return (hash & ~between) | (draw(&w->random) & between);
}

static uint64_t random_hash(struct worker *w)
{
	const struct stress *s = w->stress;
	uint64_t hash = s->tags[draw_below(&w->random, s->tag_count)] << TAG_SHIFT |
			draw_below(&w->random, s->bucket_count);

	return with_noise(w, hash);
}

static uint16_t random_id(struct worker *w)
{
	return w->stress->ids[draw_below(&w->random, w->stress->id_count)];
}

/* ---- what an owner does ---- */

/* Release: facts and places are as this status says, for whoever reads it. */
static void set_status(struct worker *w, uint16_t slot, enum status status)
{
	w->slots[slot].status = (uint8_t)status;
	atomic_store_explicit(&w->stress->shown[w->idx].status[slot], (uint8_t)status,
			      memory_order_release);
}

static enum status status_of(const struct stress *s, unsigned worker, uint16_t slot)
{
	return atomic_load_explicit(&s->shown[worker].status[slot], memory_order_acquire);
}

/* All that comes before an entry: a slot number, its key, and what others may read of it. */
static uint16_t prepare(struct worker *w, unsigned held_idx)
{
	uint16_t slot = (uint16_t)(w->slot_base + w->slots_used++ * w->slot_stride);
	struct own_slot *own = &w->slots[slot];

	if (own->status != UNUSED)
		fail(w->stress, "the stress used a slot number twice");
	own->hash = random_hash(w);
	own->id = random_id(w);
	own->held_idx = (uint8_t)held_idx;
	w->stress->shown[w->idx].facts[slot] = (struct fact){.hash = own->hash, .id = own->id};
	set_status(w, slot, ENTERING);
	return slot;
}

/* All that comes after it. */
static void entered(struct worker *w, uint16_t slot, enum inflight_enter result, uint32_t position)
{
	struct stress *s = w->stress;
	struct own_slot *own = &w->slots[slot];

	switch (result) {
	case INFLIGHT_ENTERED:
		if (position / INFLIGHT_BUCKET_WORDS != bucket_of(s, own->hash))
			fail(s, "a word was entered in another bucket");
		own->position = position;
		s->places[position] = (uint32_t)w->owner << 16 | slot;
		set_status(w, slot, ENTERED);
		w->holds[own->held_idx] = true;
		w->held[own->held_idx] = slot;
		w->counts.entered++;
		break;
	case INFLIGHT_TAKEN:
		if (position != UINT32_MAX)
			fail(s, "a refused entry wrote its position");
		set_status(w, slot, REFUSED);
		w->counts.refused++;
		break;
	}
	atomic_store_explicit(&s->shown[w->idx].last[own->held_idx], slot, memory_order_release);
}

static void enter(struct worker *w, unsigned held_idx)
{
	uint16_t slot = prepare(w, held_idx);
	uint32_t position = UINT32_MAX;
	enum inflight_enter result =
		inflight_enter(&w->stress->words, with_noise(w, w->slots[slot].hash),
			       w->slots[slot].id, w->owner, slot, &position);

	entered(w, slot, result, position);
}

static void own_word_check(const struct worker *w, uint16_t slot)
{
	const struct stress *s = w->stress;
	const struct own_slot *own = &w->slots[slot];
	uint64_t word = inflight_word(&s->words, own->position);

	if (!inflight_word_names(word, w->owner, slot))
		fail(s, "an entered word was lost");
	if (inflight_word_is_late(word) != (own->status == LATE))
		fail(s, "a word is late that was not marked, or the other way round");
	if (s->places[own->position] != ((uint32_t)w->owner << 16 | slot))
		fail(s, "two owners were in one place");
}

static void mark_late(struct worker *w, uint16_t slot)
{
	own_word_check(w, slot);
	set_status(w, slot, MARKING);
	w->stress->shown[w->idx].facts[slot].late = LATE_MARK;
	inflight_mark_late(&w->stress->words, w->slots[slot].position);
	set_status(w, slot, LATE);
	w->counts.late++;
}

static void leave(struct worker *w, uint16_t slot)
{
	own_word_check(w, slot);
	set_status(w, slot, REMOVING);
	inflight_remove(&w->stress->words, w->slots[slot].position);
	set_status(w, slot, REMOVED);
	w->holds[w->slots[slot].held_idx] = false;
}

/* Leave and enter again with nothing in between: others that are about to enter meet a place that was
 * taken a moment ago and a key that was not there. */
static void replace(struct worker *w, uint16_t old)
{
	struct inflight_words *words = &w->stress->words;
	unsigned held_idx = w->slots[old].held_idx;
	uint16_t slot = prepare(w, held_idx);
	uint64_t hash = with_noise(w, w->slots[slot].hash);
	uint16_t id = w->slots[slot].id;
	uint32_t old_position = w->slots[old].position, position = UINT32_MAX;
	enum inflight_enter result;

	own_word_check(w, old);
	set_status(w, old, REMOVING);
	inflight_remove(words, old_position);
	result = inflight_enter(words, hash, id, w->owner, slot, &position);
	set_status(w, old, REMOVED);
	w->holds[held_idx] = false;
	entered(w, slot, result, position);
}

/* ---- looking up ---- */

struct look {
	uint64_t hash;
	uint16_t id;
	enum inflight_find found;
	unsigned hit_count;
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
};

static bool contains(const struct look *look, uint8_t owner, uint16_t slot)
{
	for (unsigned i = 0; i < look->hit_count; i++)
		if (look->hits[i].owner == owner && look->hits[i].slot == slot)
			return true;
	return false;
}

/* One hit, by what its owner shows of it. The fact is read before the status, so that nothing but the
 * word orders it after what the owner wrote. */
static void judge_hit(struct worker *w, const struct look *look, struct inflight_hit hit)
{
	const struct stress *s = w->stress;
	unsigned worker = hit.owner < OWNERS ? s->worker_of[hit.owner] : THREADS_MAX;
	const struct fact *fact;
	enum status status;

	if (worker == THREADS_MAX)
		fail(s, "a word names an owner that there is not");
	fact = &s->shown[worker].facts[hit.slot];
	if (!same_place(s, fact->hash, look->hash))
		fail(s, "a hit has another tag or bucket");
	if ((fact->id == look->id) != (look->found != INFLIGHT_NEAR_MISS))
		fail(s, "a hit's ID does not fit what was found");
	if (look->found == INFLIGHT_LATE && fact->late != LATE_MARK)
		fail(s, "a word was found late that its owner had not marked");
	status = status_of(s, worker, hit.slot);
	if (status == UNUSED)
		fail(s, "a word names a slot that its owner never entered");
	/* Our own words do not change while we look. */
	if (worker == w->idx && status != (look->found == INFLIGHT_LATE ? LATE : ENTERED))
		fail(s, "an own word was found that is not there, or found late while live");
}

static bool is_entered(const struct stress *s, struct inflight_hit hit)
{
	enum status status = status_of(s, s->worker_of[hit.owner], hit.slot);

	return status == ENTERED || status == MARKING || status == LATE;
}

/* Equal tag and ID twice, and both there at the same time: first, second, first still. */
static void judge_pair(struct worker *w, struct inflight_hit a, struct inflight_hit b)
{
	if (a.owner == b.owner && a.slot == b.slot)
		return;
	if (is_entered(w->stress, a) && is_entered(w->stress, b) && is_entered(w->stress, a))
		fail(w->stress, "two entered words with equal tag and ID");
}

static void look_up(struct worker *w, uint64_t hash, uint16_t id, struct look *look)
{
	const struct stress *s = w->stress;

	memset(look->hits, 0xff, sizeof(look->hits));
	look->hash = with_noise(w, hash);
	look->id = id;
	look->hit_count = UINT32_MAX;
	look->found = inflight_find(&s->words, look->hash, id, look->hits, &look->hit_count);
	w->counts.looked_up++;
	if (look->hit_count > INFLIGHT_BUCKET_WORDS ||
	    (look->hit_count == 0) != (look->found == INFLIGHT_NONE))
		fail(s, "the number of hits does not fit what was found");
	for (unsigned i = 0; i < look->hit_count; i++) {
		struct inflight_hit hit = look->hits[i], last = look->hits[i > 0 ? i - 1 : 0];

		judge_hit(w, look, hit);
		if (hit.owner < last.owner || (hit.owner == last.owner && hit.slot < last.slot))
			fail(s, "hits are out of order");
	}
	if (look->found == INFLIGHT_NEAR_MISS || look->hit_count < 2)
		return;
	w->counts.several++;
	for (unsigned i = 1; i < look->hit_count; i++)
		judge_pair(w, look->hits[i - 1], look->hits[i]);
}

/* A word that was in this state during the whole look. */
static void judge_target(struct worker *w, const struct look *look, bool same_id, bool hit,
			 enum status status)
{
	const struct stress *s = w->stress;

	w->counts.judged++;
	switch (status) {
	case ENTERED:
		if (same_id && (look->found != INFLIGHT_MATCH || !hit))
			fail(s, "an entered word was not found");
		if (!same_id &&
		    (look->found == INFLIGHT_NONE || (look->found == INFLIGHT_NEAR_MISS && !hit)))
			fail(s, "a near miss was not found");
		break;
	case LATE:
		/* Another's live word, about to be taken back, may be in front of it. */
		if (same_id && look->found != INFLIGHT_MATCH &&
		    (look->found != INFLIGHT_LATE || !hit))
			fail(s, "a late word was not found");
		if (hit && look->found != INFLIGHT_LATE)
			fail(s, "a late word was found live");
		break;
	case REMOVED:
	case REFUSED:
		if (hit)
			fail(s, "a removed word was found");
		break;
	case UNUSED:
	case ENTERING:
	case MARKING:
	case REMOVING:
		break;
	}
}

static void pass_on(struct worker *w, const struct look *look)
{
	for (unsigned i = 0; i < look->hit_count; i++) {
		unsigned to = w->stress->worker_of[look->hits[i].owner];
		struct message message = {
			.hash = look->hash,
			.id = look->id,
			.slot = look->hits[i].slot,
			.found = (uint8_t)look->found,
		};

		if (to == w->idx)
			continue;
		if (ring_push(&w->stress->rings[w->idx][to], &message))
			w->counts.passed++;
		else
			w->counts.dropped++;
		return;
	}
}

/* What an owner last did, be it still there or not. */
static void look_up_target(struct worker *w)
{
	struct stress *s = w->stress;
	unsigned worker = draw_below(&w->random, s->thread_count);
	uint32_t slot =
		atomic_load_explicit(&s->shown[worker].last[draw_below(&w->random, s->held_count)],
				     memory_order_acquire);
	bool same_id = draw_below(&w->random, 4) != 0;
	const struct fact *fact;
	enum status before, after;
	struct look look;
	bool hit;
	uint16_t id;

	if (slot == SLOTS)
		return;
	fact = &s->shown[worker].facts[slot];
	id = same_id ? fact->id : (uint16_t)(fact->id ^ 1u << draw_below(&w->random, 16));
	before = status_of(s, worker, (uint16_t)slot);
	look_up(w, fact->hash, id, &look);
	after = status_of(s, worker, (uint16_t)slot);
	hit = contains(&look, s->workers[worker].owner, (uint16_t)slot);
	if (before == after)
		judge_target(w, &look, same_id, hit, before);
	pass_on(w, &look);
}

/* ---- hand-over ---- */

/* What another found of ours: compared with our own slot, which nobody else reads or writes. */
static void take_over(struct worker *w, const struct message *message)
{
	const struct stress *s = w->stress;
	struct own_slot *own = &w->slots[message->slot];

	if (own->status == UNUSED || own->status == ENTERING)
		fail(s, "we were passed a slot that we never entered");
	if (!same_place(s, own->hash, message->hash))
		fail(s, "we were passed a slot of another tag or bucket");
	if ((own->id == message->id) != (message->found != INFLIGHT_NEAR_MISS))
		fail(s, "we were passed a slot whose ID does not fit");
	if (message->found == INFLIGHT_LATE && own->status != LATE && own->status != REMOVED)
		fail(s, "we were passed a late slot that we never marked");
	if (message->found == INFLIGHT_MATCH && own->status == ENTERED &&
	    draw_below(&w->random, 2) == 0) {
		leave(w, message->slot);
		w->counts.answered++;
	}
}

static void drain(struct worker *w)
{
	for (unsigned from = 0; from < w->stress->thread_count; from++) {
		struct message message;

		for (int i = 0; i < 4 && ring_pop(&w->stress->rings[from][w->idx], &message); i++)
			take_over(w, &message);
	}
}

/* At once: if somebody else has just entered the same, both are still there. */
static void look_up_own(struct worker *w, unsigned held_idx)
{
	struct own_slot *own = &w->slots[w->held[held_idx]];
	struct look look;

	if (!w->holds[held_idx])
		return;
	look_up(w, own->hash, own->id, &look);
	if (look.found != INFLIGHT_MATCH || !contains(&look, w->owner, w->held[held_idx]))
		fail(w->stress, "an own word was not found at once");
}

static void attempt(struct worker *w)
{
	unsigned held_idx = draw_below(&w->random, w->stress->held_count);
	uint16_t slot = w->held[held_idx];
	struct look look;

	if (!w->holds[held_idx]) {
		enter(w, held_idx);
		look_up_own(w, held_idx);
		return;
	}
	switch (draw_below(&w->random, 8)) {
	case 0:
	case 1:
		if (w->slots[slot].status == ENTERED)
			mark_late(w, slot);
		break;
	case 2:
		leave(w, slot);
		break;
	case 3:
	case 4:
	case 5:
		replace(w, slot);
		look_up_own(w, held_idx);
		break;
	case 6:
		look_up(w, random_hash(w), random_id(w), &look);
		pass_on(w, &look);
		break;
	default:
		if (draw_below(&w->random, 16) == 0)
			sched_yield(); /* stay away for a while, in the middle of everything */
	}
}

/* ---- rounds ---- */

/* By the first thread alone, while the others wait. */
static void round_begin(struct stress *s)
{
	static const struct hash_key key = {1, 2};
	unsigned long long random = s->seed + ++s->round * 0x632be59bd9b4e019ULL;
	uint32_t slot_count = 1u << draw_below(&random, 3);
	bool in_order = draw_below(&random, 2) == 0;

	s->bucket_count = slot_count * INFLIGHT_BUCKETS_PER_SLOT;
	CHECK(inflight_words_memory_bytes(slot_count) <= sizeof(s->words_memory));
	inflight_words_init(&s->words, s->words_memory, slot_count, s->thread_count, &key);
	memset(s->worker_of, THREADS_MAX, sizeof(s->worker_of));
	s->held_count = 1 + draw_below(&random, HELD_MAX);
	/* Tags and IDs differ in one bit each from the first: those that a wrong mask confuses. */
	s->tag_count = 1 + draw_below(&random, TAGS_MAX);
	s->tags[0] = (draw(&random) >> TAG_SHIFT) | 1u;
	s->tags[1] = s->tags[0] ^ UINT64_C(2) << draw_below(&random, 11);
	s->tags[2] = s->tags[0] ^ UINT64_C(1) << (12 + draw_below(&random, 12));
	s->id_count = 1 + draw_below(&random, IDS_MAX);
	s->ids[0] = (uint16_t)draw(&random);
	for (unsigned i = 1; i < IDS_MAX; i++)
		s->ids[i] = (uint16_t)(s->ids[0] ^ 1u << (3 * i - draw_below(&random, 3)));
	s->crowded = draw_below(&random, 2) == 0;
	if (s->crowded) {
		s->tag_count = 1;
		s->id_count = 2;
		s->ids[1] = (uint16_t)(s->ids[0] ^ INFLIGHT_BUCKET_WORDS);
		s->held_count = 1 + s->held_count % 3;
	}
	for (unsigned i = 0; i < s->thread_count; i++) {
		struct worker *w = &s->workers[i];

		do
			w->owner = (uint8_t)draw_below(&random, OWNERS);
		while (s->worker_of[w->owner] != THREADS_MAX);
		s->worker_of[w->owner] = (uint8_t)i;
		w->random = draw(&random);
		w->slot_base = (uint32_t)draw(&random);
		/* Odd: all numbers before any twice. */
		w->slot_stride = in_order ? 1 : (uint32_t)draw(&random) | 1u;
		w->slots_used = 0;
		memset(w->holds, 0, sizeof(w->holds));
		memset(w->slots, 0, SLOTS * sizeof(w->slots[0]));
		memset(s->shown[i].facts, 0, sizeof(s->shown[i].facts));
		for (unsigned slot = 0; slot < SLOTS; slot++)
			atomic_init(&s->shown[i].status[slot], UNUSED);
		for (unsigned h = 0; h < HELD_MAX; h++)
			atomic_init(&s->shown[i].last[h], SLOTS);
	}
}

static void held_unique_check(const struct stress *s, const struct worker *w, uint16_t slot)
{
	const struct own_slot *own = &w->slots[slot];
	unsigned same = 0;

	for (unsigned i = 0; i < s->thread_count; i++) {
		const struct worker *other = &s->workers[i];

		for (unsigned h = 0; h < HELD_MAX; h++) {
			const struct own_slot *o = &other->slots[other->held[h]];

			same += other->holds[h] && o->id == own->id &&
				same_place(s, o->hash, own->hash);
		}
	}
	if (same != 1)
		fail(s, "after a round: two entered words with equal tag and ID");
}

/* By the first thread, while nobody changes anything: every word is somebody's, and the other way round. */
static void held_check(const struct stress *s)
{
	unsigned held = 0;

	for (unsigned i = 0; i < s->thread_count; i++) {
		const struct worker *w = &s->workers[i];

		for (unsigned h = 0; h < HELD_MAX; h++) {
			if (!w->holds[h])
				continue;
			held++;
			own_word_check(w, w->held[h]);
			held_unique_check(s, w, w->held[h]);
		}
	}
	if (quiet_words_count(&s->words, s->bucket_count) != held)
		fail(s, "after a round: not as many words as are entered");
}

static double seconds_since(const struct timespec *began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static void round_end(struct stress *s)
{
	const char *wrong;

	if (quiet_words_count(&s->words, s->bucket_count) != 0)
		fail(s, "after a round: words stayed");
	wrong = quiet_check(&s->words, s->bucket_count, s->round);
	if (wrong != NULL)
		fail(s, wrong);
	s->over = seconds_since(&s->began) >= s->seconds ||
		  (uint64_t)s->round * ATTEMPTS >= s->ops_max;
	if (!s->over)
		round_begin(s);
}

static void *work(void *argument)
{
	struct worker *w = argument;
	struct stress *s = w->stress;

	while (!s->over) {
		pthread_barrier_wait(&s->barrier);
		while (w->slots_used < ATTEMPTS) {
			attempt(w);
			if (s->crowded && draw_below(&w->random, 16) != 0)
				continue;
			look_up_target(w);
			drain(w);
		}
		pthread_barrier_wait(&s->barrier);
		for (unsigned i = 0; i < RING_SIZE; i++)
			drain(w);
		pthread_barrier_wait(&s->barrier);
		if (w->idx == 0)
			held_check(s);
		pthread_barrier_wait(&s->barrier);
		for (unsigned h = 0; h < HELD_MAX; h++)
			if (w->holds[h])
				leave(w, w->held[h]);
		pthread_barrier_wait(&s->barrier);
		if (w->idx == 0)
			round_end(s);
		pthread_barrier_wait(&s->barrier);
	}
	return NULL;
}

/* ---- start and end ---- */

static struct counts counts_sum(const struct stress *s)
{
	struct counts sum = {0};

	for (unsigned i = 0; i < s->thread_count; i++) {
		const struct counts *c = &s->workers[i].counts;

		sum.entered += c->entered;
		sum.refused += c->refused;
		sum.late += c->late;
		sum.looked_up += c->looked_up;
		sum.judged += c->judged;
		sum.passed += c->passed;
		sum.dropped += c->dropped;
		sum.answered += c->answered;
		sum.several += c->several;
	}
	return sum;
}

static void report(const struct stress *s)
{
	struct counts c = counts_sum(s);

	printf("stress_inflight: %u threads, seed %llu, %u rounds: %llu entered, %llu refused, %llu late, "
	       "%llu looked up (%llu judged, %llu with a word being taken back), %llu passed to their "
	       "owners, %llu answered\n",
	       s->thread_count, s->seed, s->round, (unsigned long long)c.entered,
	       (unsigned long long)c.refused, (unsigned long long)c.late,
	       (unsigned long long)c.looked_up, (unsigned long long)c.judged,
	       (unsigned long long)c.several, (unsigned long long)c.passed,
	       (unsigned long long)c.answered);
	/* A stress that met nothing proves nothing. */
	if (c.entered == 0 || c.refused == 0 || c.late == 0 || c.judged == 0 ||
	    (s->thread_count > 1 && (c.passed == 0 || c.answered == 0)))
		fail(s, "the threads were not in each other's way");
}

static bool parse_options(int argc, char **argv, struct stress *s)
{
	static const struct option options[] = {
		{"threads", required_argument, NULL, 't'},
		{"seconds", required_argument, NULL, 's'},
		{"ops", required_argument, NULL, 'o'},
		{"seed", required_argument, NULL, 'r'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		char *end = NULL;

		switch (option) {
		case 't':
			s->thread_count = (unsigned)strtoul(optarg, &end, 10);
			break;
		case 's':
			s->seconds = strtod(optarg, &end);
			break;
		case 'o':
			s->ops_max = strtoull(optarg, &end, 10);
			break;
		case 'r':
			s->seed = strtoull(optarg, &end, 0);
			break;
		default:
			return false;
		}
		if (end == optarg || *end != '\0')
			return false;
	}
	return optind == argc && s->thread_count >= 1 && s->thread_count <= THREADS_MAX &&
	       s->seconds > 0;
}

int main(int argc, char **argv)
{
	static struct stress s = {
		.thread_count = 2, .seed = 1, .ops_max = UINT64_MAX, .seconds = 5};
	pthread_t threads[THREADS_MAX];

	if (!parse_options(argc, argv, &s)) {
		fprintf(stderr,
			"usage: %s [--threads 1..%d] [--seconds S] [--ops N a thread] [--seed N]\n",
			argv[0], THREADS_MAX);
		return 2;
	}
	s.shown = calloc(s.thread_count, sizeof(s.shown[0]));
	CHECK(s.shown != NULL);
	for (unsigned i = 0; i < s.thread_count; i++) {
		s.workers[i].stress = &s;
		s.workers[i].idx = i;
		s.workers[i].slots = calloc(SLOTS, sizeof(struct own_slot));
		CHECK(s.workers[i].slots != NULL);
	}
	CHECK(pthread_barrier_init(&s.barrier, NULL, s.thread_count) == 0);
	clock_gettime(CLOCK_MONOTONIC, &s.began);
	round_begin(&s);
	for (unsigned i = 0; i < s.thread_count; i++)
		CHECK(pthread_create(&threads[i], NULL, work, &s.workers[i]) == 0);
	for (unsigned i = 0; i < s.thread_count; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	report(&s);
	for (unsigned i = 0; i < s.thread_count; i++)
		free(s.workers[i].slots);
	free(s.shown);
	return 0;
}
