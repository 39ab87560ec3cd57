#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/acl.h"
#include "unit.h"

static struct prefix prefixes[ALLOW_PREFIXES_MAX];
static unsigned prefix_count;
static struct acl *acl;

static void compile(void)
{
	static void *memory;

	/* Of the exact size, and dirty: all of it has to be set. */
	free(memory);
	memory = malloc(acl_memory_bytes());
	CU_ASSERT_FATAL(memory != NULL);
	memset(memory, 0xa5, acl_memory_bytes());
	acl = acl_init(memory, prefixes, prefix_count);
}

/* The list's meaning: an IPv4 address is in IPv4 prefixes only, and so on. */
static bool listed(const struct address *a)
{
	for (unsigned i = 0; i < prefix_count; i++) {
		bool v4 = address_is_v4(&prefixes[i].address) && prefixes[i].bits >= 96;

		if (v4 == address_is_v4(a) && prefix_contains(&prefixes[i], a))
			return true;
	}
	return false;
}

static struct address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return address_from_v4((const uint8_t[]){a, b, c, d});
}

static void add(struct address address, unsigned bits)
{
	prefixes[prefix_count++] = (struct prefix){address, (uint8_t)bits};
}

static void check(const struct address *a)
{
	bool same = acl_contains(acl, a) == listed(a);

	if (!same) {
		for (unsigned i = 0; i < ADDRESS_BYTES; i++)
			printf("%02x", a->bytes[i]);
		printf(": of %u prefixes\n", prefix_count);
	}
	CU_ASSERT(same);
}

/* The address as a number, one more or one less. */
static struct address step(struct address a, int by)
{
	for (unsigned i = ADDRESS_BYTES; i-- > 0;) {
		a.bytes[i] = (uint8_t)(a.bytes[i] + by);
		if (a.bytes[i] != (by > 0 ? 0 : 0xff))
			break;
	}
	return a;
}

/* First and last address of each prefix, and their neighbours outside. */
static void check_edges(void)
{
	for (unsigned i = 0; i < prefix_count; i++) {
		struct address first = prefixes[i].address, last = first, a;

		for (unsigned bit = prefixes[i].bits; bit < ADDRESS_BITS; bit++) {
			first.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
			last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
		}
		check(&first);
		check(&last);
		a = step(first, -1);
		check(&a);
		a = step(last, 1);
		check(&a);
	}
}

static struct address random_address(unsigned long long *state)
{
	struct address a;

	for (unsigned i = 0; i < ADDRESS_BYTES; i++)
		a.bytes[i] = (uint8_t)unit_random(state);
	return unit_random(state) % 2 ? address_from_v4(a.bytes) : a;
}

/* Addresses that agree with a prefix's for some bits. */
static void check_random(unsigned long long *state, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct address a = random_address(state);

		if (prefix_count > 0 && i % 4 != 0) {
			const struct prefix *p = &prefixes[unit_random(state) % prefix_count];
			unsigned bits = (unsigned)unit_random(state) % (ADDRESS_BITS + 1);

			for (unsigned bit = 0; bit < bits; bit++) {
				uint8_t mask = (uint8_t)(0x80u >> bit % 8);

				a.bytes[bit / 8] = (uint8_t)((a.bytes[bit / 8] & ~mask) |
							     (p->address.bytes[bit / 8] & mask));
			}
		}
		check(&a);
	}
}

static void acl__is_what_the_list_says(void)
{
	unsigned long long state = unit_seed();

	for (unsigned round = 0; round < 60; round++) {
		/* Few prefixes, or as many as there may be; narrow ones, so that many share a block. */
		unsigned count = round % 6 == 5 ? ALLOW_PREFIXES_MAX : round % 20;
		struct address base = random_address(&state);

		prefix_count = 0;
		while (prefix_count < count) {
			struct address a = random_address(&state);
			unsigned least = address_is_v4(&a) ? 96 : 0;
			unsigned bits =
				least + (unsigned)unit_random(&state) % (ADDRESS_BITS + 1 - least);

			if (round % 3 == 1 && address_is_v4(&a) == address_is_v4(&base)) {
				memcpy(a.bytes, base.bytes, 13 + round % 2);
				bits = 112 + (unsigned)unit_random(&state) % 17;
			} else if (round % 3 == 0 && bits < least + 12) {
				bits = least + 12; /* else most lists hold nearly everything */
			}
			add(a, bits);
		}
		compile();
		check_edges();
		check_random(&state, 2000);
	}
}

static void acl__of_nothing_holds_nothing(void)
{
	unsigned long long state = unit_seed();
	struct address zero = {{0}};

	prefix_count = 0;
	compile();
	CU_ASSERT(!acl_contains(acl, &zero));
	check_random(&state, 1000);
}

static void acl__keeps_the_families_apart(void)
{
	unsigned long long state = unit_seed();
	struct address any6 = {{0}};
	struct address client4 = v4(198, 18, 0, 1);
	struct address client6 = {{0x20, 0x01, 0, 2}};

	prefix_count = 0;
	add(any6, 0);
	compile();
	CU_ASSERT(!acl_contains(acl, &client4));
	CU_ASSERT(acl_contains(acl, &client6));
	CU_ASSERT(acl_contains(acl, &any6));
	check_edges();
	check_random(&state, 1000);

	prefix_count = 0;
	add(v4(0, 0, 0, 0), 96);
	compile();
	CU_ASSERT(acl_contains(acl, &client4));
	CU_ASSERT(!acl_contains(acl, &client6));
	CU_ASSERT(!acl_contains(acl, &any6));
	check_edges();

	add(any6, 0);
	compile();
	CU_ASSERT(acl_contains(acl, &client4));
	CU_ASSERT(acl_contains(acl, &client6));
	check_edges();
}

static void acl__holds_single_addresses(void)
{
	struct address last = {{0}};

	memset(last.bytes, 0xff, sizeof(last.bytes));
	prefix_count = 0;
	add(v4(255, 255, 255, 255), ADDRESS_BITS);
	add(v4(0, 0, 0, 0), ADDRESS_BITS);
	add(last, ADDRESS_BITS);
	add((struct address){{0}}, ADDRESS_BITS);
	add((struct address){{0x20, 0x01, 0, 2, [15] = 1}}, ADDRESS_BITS);
	compile();
	for (unsigned i = 0; i < prefix_count; i++)
		CU_ASSERT(acl_contains(acl, &prefixes[i].address));
	check_edges();
}

/* Two halves make one whole, in either order; a prefix within another, and the same one again, change nothing. */
static void acl__joins_what_touches(void)
{
	unsigned long long state = unit_seed();

	prefix_count = 0;
	add(v4(10, 1, 128, 0), 96 + 17);
	add(v4(10, 1, 0, 0), 96 + 17);
	add(v4(10, 1, 7, 0), 96 + 24);
	add(v4(10, 1, 0, 0), 96 + 17);
	add(v4(10, 2, 0, 0), 96 + 24);
	/* The second fills its block, the first does not. */
	add(v4(10, 4, 128, 0), 96 + 17);
	add(v4(10, 5, 0, 0), 96 + 16);
	add((struct address){{0x20, 0x01, 0, 2, 0x80}}, 33);
	add((struct address){{0x20, 0x01, 0, 2}}, 33);
	compile();
	check_edges();
	check_random(&state, 5000);
}

/* RFC 1918, 6598, 4193, link-local, and two networks of our own. */
static void acl__serves_the_default_list(void)
{
	static const struct {
		uint8_t bytes[4];
		bool held;
	} cases[] = {
		{{10, 0, 0, 0}, true},      {{10, 255, 255, 255}, true},
		{{11, 0, 0, 0}, false},     {{9, 255, 255, 255}, false},
		{{172, 16, 0, 0}, true},    {{172, 31, 255, 255}, true},
		{{172, 32, 0, 0}, false},   {{172, 15, 255, 255}, false},
		{{192, 168, 0, 0}, true},   {{192, 169, 0, 0}, false},
		{{100, 64, 0, 0}, true},    {{100, 127, 255, 255}, true},
		{{100, 128, 0, 0}, false},  {{169, 254, 9, 9}, true},
		{{198, 18, 5, 255}, true},  {{198, 18, 6, 0}, false},
		{{198, 18, 4, 255}, false},
	};
	unsigned long long state = unit_seed();

	prefix_count = 0;
	add(v4(10, 0, 0, 0), 96 + 8);
	add(v4(172, 16, 0, 0), 96 + 12);
	add(v4(192, 168, 0, 0), 96 + 16);
	add(v4(100, 64, 0, 0), 96 + 10);
	add(v4(169, 254, 0, 0), 96 + 16);
	add(v4(198, 18, 5, 53), 96 + 24); /* host bits set, as an interface has them */
	add((struct address){{0xfc}}, 7);
	add((struct address){{0xfe, 0x80}}, 10);
	add((struct address){{0x20, 0x01, 0, 2, 0, 0, 0, 1, [15] = 0x53}}, 64);
	compile();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct address a = address_from_v4(cases[i].bytes);

		CU_ASSERT_EQUAL(acl_contains(acl, &a), cases[i].held);
	}
	check_edges();
	check_random(&state, 20000);
}

static const struct unit_test tests[] = {
	UNIT_TEST(acl__is_what_the_list_says),    UNIT_TEST(acl__of_nothing_holds_nothing),
	UNIT_TEST(acl__keeps_the_families_apart), UNIT_TEST(acl__holds_single_addresses),
	UNIT_TEST(acl__joins_what_touches),       UNIT_TEST(acl__serves_the_default_list),
};
UNIT_SUITE(acl, tests)
