#include "neighbour.h"

#include <assert.h>
#include <string.h>

#define NEIGHBOUR_REACHABLE_NS (NEIGHBOUR_REACHABLE_S * NS_PER_S)
#define NEIGHBOUR_PROBE_NS (NEIGHBOUR_PROBE_MS * NS_PER_MS)
#define NEIGHBOUR_RETRY_NS (NEIGHBOUR_RETRY_MS * NS_PER_MS)

const char *const neighbour_state_text[NEIGHBOUR_STATE_COUNT] = {
	[NEIGHBOUR_INCOMPLETE] = "incomplete", [NEIGHBOUR_REACHABLE] = "reachable",
	[NEIGHBOUR_PROBE] = "probe",           [NEIGHBOUR_LOST] = "lost",
	[NEIGHBOUR_KERNEL] = "kernel",
};
static_assert(NEIGHBOUR_KERNEL + 1 == NEIGHBOUR_STATE_COUNT, "the last state has its text");

static const bool legal[NEIGHBOUR_STATE_COUNT][NEIGHBOUR_STATE_COUNT] = {
	[NEIGHBOUR_INCOMPLETE] = {[NEIGHBOUR_REACHABLE] = true},
	[NEIGHBOUR_REACHABLE] = {[NEIGHBOUR_PROBE] = true},
	[NEIGHBOUR_PROBE] = {[NEIGHBOUR_REACHABLE] = true, [NEIGHBOUR_LOST] = true},
	[NEIGHBOUR_LOST] = {[NEIGHBOUR_REACHABLE] = true, [NEIGHBOUR_INCOMPLETE] = true},
};

static void neighbour_set_state(struct neighbour *n, enum neighbour_state to)
{
	CHECK(n->state < NEIGHBOUR_STATE_COUNT && legal[n->state][to]);
	n->state = (uint8_t)to;
	n->tries = 0;
}

/* What all workers are to see of the entry. */
static uint64_t neighbour_word(const struct neighbour *n)
{
	uint64_t word = 0;

	if (n->state == NEIGHBOUR_INCOMPLETE)
		return (uint64_t)(n->tries > NEIGHBOUR_PROBES_MAX ? NEIGHBOUR_SILENT
								  : NEIGHBOUR_UNKNOWN)
		       << NEIGHBOUR_KNOWLEDGE_SHIFT;
	memcpy(&word, n->mac.bytes, sizeof(n->mac.bytes));
	return word | (uint64_t)NEIGHBOUR_KNOWN << NEIGHBOUR_KNOWLEDGE_SHIFT;
}

/* Relaxed: the word says all by itself. Not written where nothing changes: every worker reads its line. */
static void neighbour_write(_Atomic uint64_t *word, uint64_t now)
{
	if (atomic_load_explicit(word, memory_order_relaxed) != now)
		atomic_store_explicit(word, now, memory_order_relaxed);
}

/* After every change of state, MAC or tries. */
static void neighbour_publish(const struct neighbour_table *t, const struct neighbour *n)
{
	neighbour_write(&t->shared->words[n - t->entries].word, neighbour_word(n));
}

void neighbour_tell(struct neighbour_shared *shared, uint16_t idx,
		    enum neighbour_knowledge knowledge, const struct mac *mac)
{
	uint64_t word = 0;

	if (knowledge == NEIGHBOUR_KNOWN)
		memcpy(&word, mac->bytes, sizeof(mac->bytes));
	word |= (uint64_t)knowledge << NEIGHBOUR_KNOWLEDGE_SHIFT;
	neighbour_write(&shared->words[idx].word, word);
}

bool neighbour_take_suspicion(struct neighbour_shared *shared, uint16_t idx)
{
	_Atomic uint32_t *suspect = &shared->words[idx].suspect;

	/* Relaxed: nothing but the mark is told. Raised after the load, it is found next time. */
	if (atomic_load_explicit(suspect, memory_order_relaxed) == 0)
		return false;
	atomic_store_explicit(suspect, 0, memory_order_relaxed);
	return true;
}

/* The one writer of an entry's next_at: the table's earliest, and a scan's under way, follow. */
static void neighbour_schedule(struct neighbour_table *t, struct neighbour *n, mono_ns at)
{
	n->next_at = at;
	if (at < t->next_at)
		t->next_at = at;
	if (at < t->scan_next_at)
		t->scan_next_at = at;
}

void neighbour_shared_init(struct neighbour_shared *shared, struct neighbour_word words[],
			   uint16_t capacity)
{
	shared->words = words;
	atomic_init(&shared->any_suspect, 0);
	for (uint16_t i = 0; i < capacity; i++) {
		atomic_init(&words[i].word, 0);
		atomic_init(&words[i].suspect, 0);
	}
	if (capacity == NEIGHBOUR_PLACES_MAX)
		neighbour_demands_init(&shared->demands, NEIGHBOUR_SLOTS_MAX, NEIGHBOUR_DEMAND_MAX);
	else
		neighbour_demands_init(&shared->demands, capacity, 0);
}

void neighbour_forget(struct neighbour_shared *shared, uint16_t idx)
{
	/* Relaxed: who reads it as the new one's has followed a list that was made after this. */
	atomic_store_explicit(&shared->words[idx].word, 0, memory_order_relaxed);
	atomic_store_explicit(&shared->words[idx].suspect, 0, memory_order_relaxed);
}

void neighbour_init(struct neighbour_table *t, struct neighbour *entries, uint16_t capacity,
		    struct neighbour_shared *shared, enum neighbour_role role)
{
	CHECK(capacity < UINT16_MAX); /* which says: full */
	*t = (struct neighbour_table){
		.entries = entries,
		.shared = shared,
		.role = (uint8_t)role,
		.capacity = capacity,
		.next_at = MONO_NEVER,
		.scan_next_at = MONO_NEVER,
	};
	for (unsigned i = 0; i < shared->demands.count; i++)
		entries[shared->demands.first + i] = (struct neighbour){
			.is_retired = true,
			.next_at = MONO_NEVER,
			.solicited_at = MONO_NEVER,
		};
}

static struct neighbour *neighbour_find(const struct neighbour_table *t, uint8_t interface_idx,
					const struct address *address)
{
	for (uint16_t i = 0; i < t->entry_count; i++) {
		struct neighbour *n = &t->entries[i];

		if (n->interface_idx == interface_idx && address_equal(&n->address, address) &&
		    !n->is_retired)
			return n;
	}
	return NULL;
}

/* The same, on demand, where the keeper has taken note of it. */
static struct neighbour *neighbour_find_demanded(const struct neighbour_table *t,
						 uint8_t interface_idx,
						 const struct address *address)
{
	uint16_t idx = neighbour_demand_find(&t->shared->demands, interface_idx, address);
	struct neighbour *n;

	if (idx == NEIGHBOUR_DEMAND_NONE)
		return NULL;
	n = &t->entries[idx];
	return !n->is_retired && n->interface_idx == interface_idx &&
			       address_equal(&n->address, address)
		       ? n
		       : NULL;
}

static struct neighbour *neighbour_find_any(const struct neighbour_table *t, uint8_t interface_idx,
					    const struct address *address)
{
	struct neighbour *n = neighbour_find(t, interface_idx, address);

	return n != NULL ? n : neighbour_find_demanded(t, interface_idx, address);
}

uint16_t neighbour_find_idx(const struct neighbour_table *t, uint8_t interface_idx,
			    const struct address *address)
{
	const struct neighbour *n = neighbour_find(t, interface_idx, address);

	return n != NULL ? (uint16_t)(n - t->entries)
			 : neighbour_demand_find(&t->shared->demands, interface_idx, address);
}

static bool neighbour_asked(const struct neighbour *n, mono_ns now)
{
	return n->solicited_at != MONO_NEVER && now - n->solicited_at <= NEIGHBOUR_RETRY_NS;
}

/* The entry is taken over by the MAC that answered, which may be the one it had. */
static void neighbour_on_confirmed(struct neighbour_table *t, struct neighbour *n,
				   const struct mac *mac, mono_ns now)
{
	static const struct mac never_known;

	if (!mac_equal(&n->mac, mac) && !mac_equal(&n->mac, &never_known) && n->moves < UINT16_MAX)
		n->moves++;
	n->mac = *mac;
	if (n->state != NEIGHBOUR_REACHABLE)
		neighbour_set_state(n, NEIGHBOUR_REACHABLE);
	neighbour_publish(t, n);
	neighbour_schedule(t, n, now + NEIGHBOUR_REACHABLE_NS);
}

enum neighbour_learn neighbour_on_answer(struct neighbour_table *t, uint8_t interface_idx,
					 const struct address *address, const struct mac *mac,
					 mono_ns now)
{
	struct neighbour *n = neighbour_find_any(t, interface_idx, address);

	CHECK(t->role == NEIGHBOUR_KEEPER);
	if (n == NULL || !neighbour_asked(n, now))
		return NEIGHBOUR_IGNORED;
	switch ((enum neighbour_state)n->state) {
	case NEIGHBOUR_REACHABLE:
	case NEIGHBOUR_PROBE:
		/* The owner may still speak: who contradicts it waits until it is LOST. */
		if (!mac_equal(&n->mac, mac))
			return NEIGHBOUR_IGNORED;
		break;
	case NEIGHBOUR_INCOMPLETE:
	case NEIGHBOUR_LOST:
		break;
	case NEIGHBOUR_KERNEL: /* never asked for by us */
	case NEIGHBOUR_STATE_COUNT:
		CHECK(false);
	}
	neighbour_on_confirmed(t, n, mac, now);
	return NEIGHBOUR_LEARNED;
}

static void neighbour_doubt(struct neighbour_table *t, struct neighbour *n, mono_ns now)
{
	/* In every other state it is being asked already, or it is the kernel's. Asked less than a second ago, it has only
	 * just been confirmed: that bounds what a storm of hints can make us send. */
	if (n->state != NEIGHBOUR_REACHABLE || n->is_retired || neighbour_asked(n, now))
		return;
	neighbour_set_state(n, NEIGHBOUR_PROBE);
	neighbour_schedule(t, n, now);
}

/* ---- the places ---- */

static void neighbour_begin(struct neighbour_table *t, struct neighbour *n,
			    const struct neighbour_place *place, mono_ns now)
{
	*n = (struct neighbour){
		.address = place->address,
		.interface_idx = place->interface_idx,
		/* Where every life begins, and that of the kernel's ends. */
		.state = place->is_kernels ? NEIGHBOUR_KERNEL : NEIGHBOUR_INCOMPLETE,
		.is_retired = place->retired,
		.next_at = MONO_NEVER,
		.solicited_at = MONO_NEVER,
	};
	if (t->role == NEIGHBOUR_KEEPER && !place->is_kernels && !place->retired)
		neighbour_schedule(t, n, now);
}

/* Gone, or back again; it is where it was in its life. */
static void neighbour_retire(struct neighbour_table *t, struct neighbour *n,
			     const struct neighbour_place *place, mono_ns now)
{
	CHECK((n->state == NEIGHBOUR_KERNEL) == place->is_kernels);
	if (n->is_retired == place->retired)
		return;
	n->is_retired = place->retired;
	if (place->retired)
		n->next_at = MONO_NEVER;
	else if (t->role == NEIGHBOUR_KEEPER && n->state != NEIGHBOUR_KERNEL)
		neighbour_schedule(t, n, now);
}

void neighbour_follow(struct neighbour_table *t, const struct neighbour_place places[],
		      uint16_t count, mono_ns now)
{
	CHECK(count >= t->entry_count && count <= t->capacity);
	for (uint16_t i = 0; i < count; i++) {
		struct neighbour *n = &t->entries[i];

		if (i < t->entry_count && n->interface_idx == places[i].interface_idx &&
		    address_equal(&n->address, &places[i].address))
			neighbour_retire(t, n, &places[i], now);
		else
			neighbour_begin(t, n, &places[i], now);
	}
	t->entry_count = count;
}

/* ---- on demand ---- */

static bool is_demanded(const struct neighbour_table *t, uint16_t idx)
{
	return idx >= t->shared->demands.first &&
	       idx - t->shared->demands.first < t->shared->demands.count;
}

static uint16_t demand_position(const struct neighbour_table *t, const struct neighbour *n)
{
	return (uint16_t)(n - t->entries - t->shared->demands.first);
}

/* Indices of entries, in order: the first from `at` on. UINT32_MAX: none. */
static uint32_t entry_from(const struct neighbour_table *t, uint32_t at)
{
	const struct neighbour_demands *d = &t->shared->demands;

	if (at < t->entry_count)
		return at;
	if (t->demand_count == 0)
		return UINT32_MAX;
	if (at < d->first)
		return d->first;
	return at < (uint32_t)d->first + d->count ? at : UINT32_MAX;
}

/* The next entry of neighbour_due's pass; NULL: it is over. */
static struct neighbour *neighbour_scan(struct neighbour_table *t)
{
	uint32_t idx = entry_from(t, t->scan_idx);

	if (idx == UINT32_MAX)
		return NULL;
	t->scan_idx = (uint16_t)(idx + 1);
	return &t->entries[idx];
}

/* Keeper: nobody has use for it any more. It is asked for no more, and rests. */
static void demand_give_up(struct neighbour_table *t, struct neighbour *n, mono_ns now)
{
	neighbour_demand_give_up(&t->shared->demands, demand_position(t, n));
	n->is_retired = true;
	neighbour_schedule(t, n, now + NEIGHBOUR_DEMAND_REST_MS * NS_PER_MS);
}

/* Keeper: it has rested. */
static void demand_free(struct neighbour_table *t, struct neighbour *n)
{
	n->next_at = MONO_NEVER;
	t->demand_count--;
	neighbour_forget(t->shared, (uint16_t)(n - t->entries));
	neighbour_demand_free(&t->shared->demands, demand_position(t, n));
}

/* Keeper: a place that others have claimed since it last looked. */
static void demand_begin(struct neighbour_table *t, uint16_t position, mono_ns now)
{
	struct neighbour_demands *d = &t->shared->demands;
	struct neighbour *n = &t->entries[d->first + position];
	struct neighbour_wanted wanted;

	/* The kernel's are kept by who asks it; and what rests is not wanted. */
	if (!n->is_retired || !neighbour_demand_at(d, position, &wanted) || wanted.is_kernels)
		return;
	t->demand_count++;
	neighbour_begin(t, n,
			&(struct neighbour_place){.address = wanted.address,
						  .interface_idx = wanted.interface_idx},
			now);
	if (neighbour_demand_is_double(d, position))
		demand_give_up(t, n, now);
}

static void demand_take_new(struct neighbour_table *t, mono_ns now)
{
	struct neighbour_demands *d = &t->shared->demands;

	if (t->role != NEIGHBOUR_KEEPER || !neighbour_demand_take_new(d))
		return;
	for (uint16_t i = 0; i < d->count; i++)
		demand_begin(t, i, now);
}

/* Its time has come: is it over for an entry on demand? */
static bool demand_on_due(struct neighbour_table *t, struct neighbour *n, mono_ns now)
{
	if (!is_demanded(t, (uint16_t)(n - t->entries)))
		return false;
	if (n->is_retired) {
		demand_free(t, n);
		return true;
	}
	if (!neighbour_demand_is_idle(&t->shared->demands, demand_position(t, n), now) &&
	    (n->state != NEIGHBOUR_INCOMPLETE || n->tries < NEIGHBOUR_DEMAND_TRIES))
		return false;
	demand_give_up(t, n, now);
	return true;
}

/* ---- hints and suspicions ---- */

void neighbour_on_hint(struct neighbour_table *t, uint8_t interface_idx,
		       const struct address *address, mono_ns now)
{
	struct neighbour *n = neighbour_find_any(t, interface_idx, address);

	CHECK(t->role == NEIGHBOUR_KEEPER);
	if (n != NULL)
		neighbour_doubt(t, n, now);
}

/* For whoever writes the word to find. Only where it is not up yet: a storm of timeouts writes the line once for each
 * look of his. */
static void raise_suspicion(struct neighbour_table *t, uint16_t idx)
{
	if (atomic_load_explicit(&t->shared->words[idx].suspect, memory_order_relaxed) != 0)
		return;
	atomic_store_explicit(&t->shared->words[idx].suspect, 1, memory_order_relaxed);
	/* Release: the mark before the flag that says there is one. */
	if (is_demanded(t, idx) || t->entries[idx].state != NEIGHBOUR_KERNEL)
		atomic_store_explicit(&t->shared->any_suspect, 1, memory_order_release);
}

void neighbour_suspect(struct neighbour_table *t, uint16_t idx, mono_ns now)
{
	CHECK(idx < t->entry_count || is_demanded(t, idx));
	if (t->role == NEIGHBOUR_KEEPER && t->entries[idx].state != NEIGHBOUR_KERNEL)
		neighbour_doubt(t, &t->entries[idx], now);
	else
		raise_suspicion(t, idx);
}

/* Keeper: what the others suspect. */
static void neighbour_take_suspicions(struct neighbour_table *t, mono_ns now)
{
	/* Acquire: the marks set before the flag are seen after it. Cleared before they are looked at: what is raised
	 * meanwhile is found in the next turn. */
	if (now < t->suspicions_at ||
	    atomic_exchange_explicit(&t->shared->any_suspect, 0, memory_order_acquire) == 0)
		return;
	t->suspicions_at = now + NEIGHBOUR_PROBE_NS;
	for (uint32_t i = entry_from(t, 0); i != UINT32_MAX; i = entry_from(t, i + 1)) {
		_Atomic uint32_t *suspect = &t->shared->words[i].suspect;

		if (t->entries[i].state == NEIGHBOUR_KERNEL ||
		    atomic_load_explicit(suspect, memory_order_relaxed) == 0)
			continue;
		atomic_store_explicit(suspect, 0, memory_order_relaxed);
		neighbour_doubt(t, &t->entries[i], now);
	}
}

mono_ns neighbour_next_at(const struct neighbour_table *t, mono_ns now)
{
	mono_ns suspicions_at = t->suspicions_at > now ? t->suspicions_at : now;

	if (t->role == NEIGHBOUR_KEEPER && neighbour_demand_any_new(&t->shared->demands))
		return now;
	if (t->role == NEIGHBOUR_KEEPER && suspicions_at < t->next_at &&
	    atomic_load_explicit(&t->shared->any_suspect, memory_order_relaxed) != 0)
		return suspicions_at;
	return t->next_at;
}

/* Its time has come: moves on to the state that the silence leads to. What is sent is decided by
 * the state after it. */
static void neighbour_on_due(struct neighbour *n)
{
	switch ((enum neighbour_state)n->state) {
	case NEIGHBOUR_REACHABLE:
		neighbour_set_state(n, NEIGHBOUR_PROBE);
		break;
	case NEIGHBOUR_PROBE:
		if (n->tries == NEIGHBOUR_PROBES_MAX)
			neighbour_set_state(n, NEIGHBOUR_LOST);
		break;
	case NEIGHBOUR_LOST:
		if (n->tries == NEIGHBOUR_PROBES_MAX)
			neighbour_set_state(n, NEIGHBOUR_INCOMPLETE);
		break;
	case NEIGHBOUR_INCOMPLETE:
		break;
	case NEIGHBOUR_KERNEL: /* never due */
	case NEIGHBOUR_STATE_COUNT:
		CHECK(false);
	}
}

static void neighbour_solicit(struct neighbour_table *t, struct neighbour *n, mono_ns now,
			      struct neighbour_solicit *out)
{
	bool unicast = n->state == NEIGHBOUR_PROBE;

	if (n->tries < UINT8_MAX)
		n->tries++;
	n->solicited_at = now;
	neighbour_publish(t, n);
	neighbour_schedule(t, n, now + (unicast ? NEIGHBOUR_PROBE_NS : NEIGHBOUR_RETRY_NS));
	*out = (struct neighbour_solicit){
		.neighbour_idx = (uint16_t)(n - t->entries),
		.interface_idx = n->interface_idx,
		.target = n->address,
		.unicast = unicast ? &n->mac : NULL,
	};
}

bool neighbour_due(struct neighbour_table *t, mono_ns now, struct neighbour_solicit *out)
{
	if (LIKELY(now < neighbour_next_at(t, now)))
		return false;
	demand_take_new(t, now);
	neighbour_take_suspicions(t, now);
	/* Passes over the table, spread over the calls until false. Another one if something behind the pass has become due
	 * meanwhile; it ends, since what is due is solicited, which moves it past now. */
	do {
		for (struct neighbour *n; (n = neighbour_scan(t)) != NULL;) {
			if (n->next_at <= now && !demand_on_due(t, n, now)) {
				neighbour_on_due(n);
				neighbour_solicit(t, n, now, out);
				return true;
			}
			if (n->next_at < t->scan_next_at)
				t->scan_next_at = n->next_at;
		}
		t->next_at = t->scan_next_at;
		t->scan_next_at = MONO_NEVER;
		t->scan_idx = 0;
	} while (t->next_at <= now);
	return false;
}

/* Of one that is not retired. */
static void entry_check(const struct neighbour_table *t, const struct neighbour *n)
{
	static const struct mac never_known;

	if (n->state == NEIGHBOUR_KERNEL) {
		CHECK(n->next_at == MONO_NEVER && n->solicited_at == MONO_NEVER);
		CHECK(mac_equal(&n->mac, &never_known) && n->tries == 0 && n->moves == 0);
		return;
	}
	CHECK(t->role == NEIGHBOUR_READER || t->next_at <= n->next_at);
	CHECK(t->role == NEIGHBOUR_READER ||
	      atomic_load_explicit(&t->shared->words[n - t->entries].word, memory_order_relaxed) ==
		      neighbour_word(n));
	CHECK(n->state == NEIGHBOUR_INCOMPLETE || !mac_equal(&n->mac, &never_known));
	CHECK(n->state == NEIGHBOUR_INCOMPLETE || n->solicited_at != MONO_NEVER);
	CHECK(n->state == NEIGHBOUR_INCOMPLETE || n->tries <= NEIGHBOUR_PROBES_MAX);
}

static void demands_check(const struct neighbour_table *t)
{
	const struct neighbour_demands *d = &t->shared->demands;
	unsigned in_use = 0;

	for (uint16_t i = 0; i < d->count; i++) {
		const struct neighbour *n = &t->entries[d->first + i];

		/* Whom it keeps is wanted; what it has given up rests. */
		if (!n->is_retired) {
			CHECK(neighbour_demand_state(d, i) == NEIGHBOUR_DEMAND_WANTED);
			entry_check(t, n);
		} else if (n->next_at != MONO_NEVER) {
			CHECK(neighbour_demand_state(d, i) == NEIGHBOUR_DEMAND_RESTING);
			CHECK(t->next_at <= n->next_at);
		}
		in_use += !n->is_retired || n->next_at != MONO_NEVER;
	}
	CHECK(in_use == t->demand_count);
}

void neighbour_check(const struct neighbour_table *t)
{
	CHECK(t->entry_count <= t->capacity);
	for (uint16_t i = 0; i < t->entry_count; i++) {
		const struct neighbour *n = &t->entries[i];

		CHECK(n->state < NEIGHBOUR_STATE_COUNT);
		if (n->is_retired) {
			CHECK(n->next_at == MONO_NEVER);
			continue;
		}
		CHECK(neighbour_find(t, n->interface_idx, &n->address) == n);
		entry_check(t, n);
	}
	demands_check(t);
}
