/* Cycles of folding a name (lower-case copy and keyed hash) in each variant that this CPU has, for names of one length
 * and for names of mixed lengths, whose branches are not foreseen; and of what came before it (lower-case copy, then
 * SipHash). The names are in the first-level cache.
 *
 *   bench_fold [ROUNDS]
 */
#include "bench_timing.h"
#include "core/name.h"
#include "core/name_fold.h"
#include "core/name_fold_cpu.h"

#define MIXED_NAMES 1024 /* a power of two */

static struct name_fold_key key;
static const struct hash_key secret = {1, 2};
static struct name names[DNS_NAME_BYTES_MAX + 1];
static struct name mixed[MIXED_NAMES];
static unsigned mixed_next;
static _Alignas(64) uint8_t output[NAME_FOLD_BYTES];

struct fold_case {
	enum name_fold_variant variant;
	uint8_t length_bytes; /* 0: mixed */
};

static uint64_t fold(const void *argument)
{
	const struct fold_case *c = argument;
	const struct name *n =
		c->length_bytes != 0 ? &names[c->length_bytes] : &mixed[mixed_next++ % MIXED_NAMES];

	return name_fold_choose(c->variant)(&key, n->bytes, n->length_bytes, output);
}

static uint64_t hash(const void *argument)
{
	const struct fold_case *c = argument;

	return name_hash(&secret, &names[c->length_bytes]);
}

/* Labels of letters of both cases: checked names, as the parser leaves them. */
static void name_make(struct name *n, uint8_t length_bytes)
{
	bench_random(n->bytes, length_bytes);
	for (size_t i = 0; i < length_bytes; i++)
		n->bytes[i] = (uint8_t)((n->bytes[i] & 0x20) + 'A' + n->bytes[i] % 26);
	n->bytes[0] = 3;
	n->bytes[length_bytes - 1] = 0;
	n->length_bytes = length_bytes;
}

int main(int argc, char **argv)
{
	static const uint8_t lengths[] = {8, 20, 27, 40, 60, 64, 100, 255, 0};
	static struct fold_case arguments[NAME_FOLD_VARIANT_COUNT + 1][ARRAY_COUNT(lengths)];
	static struct bench_case cases[ARRAY_COUNT(arguments) * ARRAY_COUNT(lengths)];
	static char texts[ARRAY_COUNT(cases)][64];
	unsigned count = 0;

	name_fold_key_init(&key, &secret);
	for (unsigned i = 2; i <= DNS_NAME_BYTES_MAX; i++)
		name_make(&names[i], (uint8_t)i);
	for (unsigned i = 0; i < MIXED_NAMES; i++)
		name_make(&mixed[i], (uint8_t)(20 + (unsigned)rand() % 41));
	for (unsigned v = 0; v <= NAME_FOLD_VARIANT_COUNT; v++)
		for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++) {
			struct fold_case *c = &arguments[v][i];
			const char *what = v < NAME_FOLD_VARIANT_COUNT ? name_fold_variant_text[v]
								       : "name_lower, SipHash-1-3";

			*c = (struct fold_case){v, lengths[i]};
			if (v < NAME_FOLD_VARIANT_COUNT ? !name_fold_cpu_has(v) : lengths[i] == 0)
				continue;
			if (lengths[i] != 0)
				snprintf(texts[count], sizeof(texts[0]), "%s, %u bytes", what,
					 lengths[i]);
			else
				snprintf(texts[count], sizeof(texts[0]), "%s, 20 to 60 bytes mixed",
					 what);
			cases[count] = (struct bench_case){
				texts[count], v < NAME_FOLD_VARIANT_COUNT ? fold : hash, c};
			count++;
		}
	return bench_cases_main("fold", cases, count, argc, argv);
}
