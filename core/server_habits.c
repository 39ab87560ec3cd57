/* Habits of servers, and guesses at queries to them: of configured and learned ones alike. */
#include "server.h"

/* ---- habits ---- */

static mono_ns habit_end(mono_ns now)
{
	return now + SERVER_HABIT_S * NS_PER_S;
}

/* The word is one of h's that say until when something of the server is not as it should be. */
static void doubt_until(struct server_habits *h, _Atomic mono_ns *word, mono_ns until)
{
	mono_ns latest = atomic_load_explicit(&h->doubted_until, memory_order_relaxed);

	/* Never back: of two workers that write at once the later end stays. */
	while (latest < until &&
	       !atomic_compare_exchange_weak_explicit(&h->doubted_until, &latest, until,
						      memory_order_relaxed, memory_order_relaxed))
		;
	atomic_store_explicit(word, until, memory_order_relaxed);
}

void server_on_case_kept(struct server_table *t, uint16_t idx)
{
	_Atomic uint32_t *proofs = &server_habits_of(t, idx)->case_proofs;

	/* Looked at first: of most servers it is 0 for ever, and no line is written. */
	if (atomic_load_explicit(proofs, memory_order_relaxed) != 0)
		atomic_store_explicit(proofs, 0, memory_order_relaxed);
}

void server_on_case_lost(struct server_table *t, uint16_t idx, mono_ns now)
{
	struct server_habits *h = server_habits_of(t, idx);
	uint32_t proofs = atomic_load_explicit(&h->case_proofs, memory_order_relaxed);
	uint32_t next;

	if (!server_case_on(t, idx, now))
		return;
	do
		next = proofs + 1 < CASE_PROOFS ? proofs + 1 : 0;
	while (!atomic_compare_exchange_weak_explicit(&h->case_proofs, &proofs, next,
						      memory_order_relaxed, memory_order_relaxed));
	if (next == 0)
		doubt_until(h, &h->case_off_until, habit_end(now));
}

void server_on_edns_refused(struct server_table *t, uint16_t idx, mono_ns now)
{
	struct server_habits *h = server_habits_of(t, idx);

	doubt_until(h, &h->edns_off_until, habit_end(now));
}

/* ---- guesses ---- */

/* What server_shared.guesses says. */
struct guesses {
	uint32_t since_s;
	uint16_t marks; /* in a row: the next is twice as long as the last */
	uint16_t count;
};

static struct guesses guesses_of(uint64_t word)
{
	return (struct guesses){(uint32_t)(word >> 32), (uint16_t)(word >> 16), (uint16_t)word};
}

static uint64_t guesses_word(const struct guesses *g)
{
	return (uint64_t)g->since_s << 32 | (uint64_t)g->marks << 16 | g->count;
}

/* One more guess. Returns for how many seconds the server is marked then; 0: it is not. until: the end of its last mark. */
static uint32_t guesses_add(struct guesses *g, mono_ns until, mono_ns now)
{
	uint32_t now_s = (uint32_t)(now / NS_PER_S);
	uint32_t mark_s = TCP_ONLY_S_MIN;

	if (now - until >= TCP_ONLY_S_MAX * NS_PER_S)
		g->marks = 0;
	if (g->count == 0 || now_s - g->since_s >= NEAR_MISSES_WITHIN_S) {
		g->since_s = now_s;
		g->count = 0;
	}
	if (++g->count < NEAR_MISSES_TO_TCP_ONLY)
		return 0;
	for (unsigned i = 0; i < g->marks && mark_s < TCP_ONLY_S_MAX; i++)
		mark_s *= 2;
	g->count = 0;
	if (g->marks < UINT16_MAX)
		g->marks++;
	return mark_s < TCP_ONLY_S_MAX ? mark_s : TCP_ONLY_S_MAX;
}

bool server_on_guess(struct server_table *t, uint16_t idx, mono_ns now)
{
	struct server_habits *h = server_habits_of(t, idx);
	uint64_t word = atomic_load_explicit(&h->guesses, memory_order_relaxed);
	mono_ns until = atomic_load_explicit(&h->tcp_only_until, memory_order_relaxed);
	struct guesses g;
	uint32_t mark_s;

	if (now < until) /* of a query that was under way then */
		return false;
	do {
		g = guesses_of(word);
		mark_s = guesses_add(&g, until, now);
	} while (!atomic_compare_exchange_weak_explicit(
		&h->guesses, &word, guesses_word(&g), memory_order_relaxed, memory_order_relaxed));
	/* Two workers that count at once: one of them has made the count full, and it alone marks. */
	if (mark_s > 0)
		doubt_until(h, &h->tcp_only_until, now + mark_s * NS_PER_S);
	return mark_s > 0;
}

void server_on_tcp_useless(struct server_table *t, uint16_t idx, mono_ns now)
{
	if (server_tcp_only(t, idx, now))
		atomic_store_explicit(&server_habits_of(t, idx)->tcp_only_until, now,
				      memory_order_relaxed);
}
