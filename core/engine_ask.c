/* Questions of our own: they go the way of a client's (coalescing, tickets, 0x20, budgets), but the answer stays here, with how
 * the query that it answers left us. */
#include "engine_state.h"

#include <string.h>

static struct engine_ask_entry *find_entry(struct engine *e, uint32_t handle)
{
	for (unsigned i = 0; i < ENGINE_ASKS_MAX; i++) {
		struct engine_ask_entry *entry = &e->asks.entries[i];

		if (entry->state != ENGINE_ASK_FREE && entry->handle == handle)
			return entry;
	}
	return NULL;
}

/* A free one, else the oldest that is done and that nobody has fetched; NULL: all wait. */
static struct engine_ask_entry *choose_entry(struct engine *e)
{
	struct engine_ask_entry *oldest = NULL;

	for (unsigned i = 0; i < ENGINE_ASKS_MAX; i++) {
		struct engine_ask_entry *entry = &e->asks.entries[i];

		if (entry->state == ENGINE_ASK_FREE)
			return entry;
		/* Handles count up, and may wrap. */
		if (entry->state == ENGINE_ASK_DONE &&
		    (oldest == NULL || (int32_t)(entry->handle - oldest->handle) < 0))
			oldest = entry;
	}
	return oldest;
}

enum engine_ask engine_ask(struct engine *e, const struct name *qname, uint16_t qtype,
			   enum engine_ask_how how, mono_ns now, uint32_t *handle, uint8_t *owner)
{
	struct engine_ask_entry *entry = choose_entry(e);
	struct resolution_key key = {.qtype = qtype, .qclass = DNS_CLASS_IN};
	struct waiter waiter = {
		.kind = WAITER_OWN,
		.origin_worker = e->worker_idx,
		.next = POOL_NONE,
		.arrived_at = now,
		.ask_handle = e->asks.last_handle + 1,
		.udp.flags = how == ENGINE_ASK_TRACED ? WAITER_TRACE : 0,
	};
	struct cache_key hashed;
	enum counter outcome;
	uint32_t begun_idx;

	DCHECK(now >= e->now);
	e->now = now;
	name_lower(qname, &key.qname);
	key.zone_idx = engine_zone_for(e->config, &key.qname);
	if (key.zone_idx == ENGINE_ZONE_NONE)
		return ENGINE_ASK_NO_ZONE;
	key.zone_generation = engine_zone_generation(e->config, key.zone_idx);
	engine_key_make(e, &key.qname, key.qtype, false, &hashed);
	key.hash = hashed.hash;
	if (engine_owner(e, key.hash) != e->worker_idx) {
		*owner = engine_owner(e, key.hash);
		return ENGINE_ASK_NOT_OURS;
	}
	if (entry == NULL || e->stopping)
		return ENGINE_ASK_FULL;
	/* What becomes of a packet is counted, and there is none. */
	outcome = engine_wait(e, &key, &waiter, &begun_idx);
	if (outcome != COUNTER_QUESTION_NEW && outcome != COUNTER_COALESCED)
		return ENGINE_ASK_FULL;
	e->asks.last_handle = waiter.ask_handle;
	e->asks.waiting_count++;
	entry->state = ENGINE_ASK_WAITING;
	entry->handle = waiter.ask_handle;
	entry->resolution_idx = resolution_find(&e->resolutions, &key);
	memset(&entry->result, 0, sizeof(entry->result));
	if (begun_idx != POOL_NONE)
		engine_queue_push(e, &e->send_queue, begun_idx);
	*handle = entry->handle;
	return ENGINE_ASK_STARTED;
}

bool engine_asked(struct engine *e, uint32_t handle, struct engine_asked *out)
{
	struct engine_ask_entry *entry = find_entry(e, handle);

	if (entry == NULL)
		return false;
	*out = entry->result;
	if (entry->state == ENGINE_ASK_DONE)
		entry->state = ENGINE_ASK_FREE;
	return true;
}

struct address engine_slot_address(const struct engine *e, const struct inflight_slot *slot)
{
	struct address a = e->config->outgoing[slot->outgoing_idx].address;

	memcpy(a.bytes + ADDRESS_BYTES - sizeof(slot->identifier), &slot->identifier,
	       sizeof(slot->identifier));
	return a;
}

void engine_ask_on_match(struct engine *e, uint32_t resolution_idx,
			 const struct inflight_slot *slot)
{
	for (unsigned i = 0; i < ENGINE_ASKS_MAX; i++) {
		struct engine_ask_entry *entry = &e->asks.entries[i];

		if (entry->state != ENGINE_ASK_WAITING || entry->resolution_idx != resolution_idx)
			continue;
		entry->result.local.address = engine_slot_address(e, slot);
		entry->result.local.port = slot->local_port;
		entry->result.server = *server_endpoint(&e->servers, slot->server_idx);
		entry->result.id = slot->id;
	}
}

void engine_ask_on_answer(struct engine *e, uint32_t handle, const struct resolution *r,
			  const struct msg_response *response)
{
	struct engine_ask_entry *entry = find_entry(e, handle);
	struct engine_asked *result;

	CHECK(entry != NULL && entry->state == ENGINE_ASK_WAITING);
	entry->state = ENGINE_ASK_DONE;
	e->asks.waiting_count--;
	result = &entry->result;
	result->done = true;
	result->rcode = r->rcode <= UINT8_MAX ? (uint8_t)r->rcode : UINT8_MAX;
	if (response == NULL || response->message.length_bytes > sizeof(result->answer))
		return;
	result->answer_bytes = (uint16_t)response->message.length_bytes;
	memcpy(result->answer, response->message.data, response->message.length_bytes);
}

void engine_ask_check(const struct engine *e)
{
	uint32_t waiting = 0;

	for (unsigned i = 0; i < ENGINE_ASKS_MAX; i++) {
		const struct engine_ask_entry *entry = &e->asks.entries[i];
		const struct resolution *r;

		CHECK(entry->state <= ENGINE_ASK_DONE);
		CHECK(entry->state == ENGINE_ASK_FREE ||
		      entry->result.done == (entry->state == ENGINE_ASK_DONE));
		if (entry->state != ENGINE_ASK_WAITING)
			continue;
		waiting++;
		CHECK(entry->resolution_idx < e->resolutions.free.fresh);
		r = &e->resolutions.resolutions[entry->resolution_idx];
		CHECK(r->state != RESOLUTION_FREE && r->waiter_count > 0);
	}
	CHECK(waiting == e->asks.waiting_count);
}
