#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/arena.h"
#include "unit.h"

/* What a program might carve, measured and taken by the same code. */
static size_t carve(struct arena *a, void *pieces[4])
{
	pieces[0] = arena_take(a, 3, 1);
	pieces[1] = arena_take(a, 2, ARENA_ALIGN_BYTES);
	pieces[2] = arena_take(a, 0, 8);
	pieces[3] = arena_take(a, 1, ARENA_ALIGN_BYTES + 1);
	return a->used_bytes;
}

static void arena_take__measures_what_it_then_takes(void)
{
	struct arena a;
	void *pieces[4];
	size_t measured_bytes;
	uint8_t *memory;

	arena_init(&a, NULL, 0);
	measured_bytes = carve(&a, pieces);
	CU_ASSERT_EQUAL(measured_bytes, (1 + 2 + 0 + 2) * ARENA_ALIGN_BYTES);
	for (size_t i = 0; i < ARRAY_COUNT(pieces); i++)
		CU_ASSERT_PTR_NULL(pieces[i]);

	memory = aligned_alloc(ARENA_ALIGN_BYTES, measured_bytes);
	CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
	arena_init(&a, memory, measured_bytes);
	CU_ASSERT_EQUAL(carve(&a, pieces), measured_bytes);
	CU_ASSERT_PTR_EQUAL(pieces[0], memory);
	CU_ASSERT_PTR_EQUAL(pieces[1], memory + ARENA_ALIGN_BYTES);
	CU_ASSERT_PTR_EQUAL(pieces[3], memory + 3 * ARENA_ALIGN_BYTES);
	free(memory);
}

enum misuse {
	MISUSE_NONE,
	MISUSE_CAPACITY,
	MISUSE_SEAL,
	MISUSE_MULTIPLY,
	MISUSE_ROUND,
	MISUSE_SUM
};

static void commit_misuse(enum misuse misuse, void *memory)
{
	struct arena a;

	arena_init(&a, memory, 2 * ARENA_ALIGN_BYTES);
	(void)arena_take(&a, 1, ARENA_ALIGN_BYTES);
	switch (misuse) {
	case MISUSE_NONE:
		(void)arena_take(&a, 1, ARENA_ALIGN_BYTES);
		arena_seal(&a);
		break;
	case MISUSE_CAPACITY:
		(void)arena_take(&a, 1, ARENA_ALIGN_BYTES + 1);
		break;
	case MISUSE_SEAL:
		arena_seal(&a);
		(void)arena_take(&a, 1, 1);
		break;
	case MISUSE_MULTIPLY:
		(void)arena_take(&a, SIZE_MAX / 2 + 1, 2);
		break;
	case MISUSE_ROUND:
		(void)arena_take(&a, 1, SIZE_MAX);
		break;
	case MISUSE_SUM:
		(void)arena_take(&a, 1, SIZE_MAX - ARENA_ALIGN_BYTES + 1);
		break;
	}
}

/* In a child, as CHECK ends the process. */
static bool is_stopped(enum misuse misuse)
{
	static _Alignas(ARENA_ALIGN_BYTES) uint8_t memory[2 * ARENA_ALIGN_BYTES];
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0});
		commit_misuse(misuse, memory);
		_exit(0);
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void arena_take__stops_misuse(void)
{
	static const struct {
		const char *says;
		enum misuse input;
		bool want;
	} rows[] = {
		{"the whole capacity", MISUSE_NONE, false},
		{"a line too many", MISUSE_CAPACITY, true},
		{"after the seal", MISUSE_SEAL, true},
		{"count * size overflows", MISUSE_MULTIPLY, true},
		{"rounding up overflows", MISUSE_ROUND, true},
		{"the sum overflows", MISUSE_SUM, true},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(is_stopped(rows[i].input), rows[i].want);
}

static const struct unit_test tests[] = {
	UNIT_TEST(arena_take__measures_what_it_then_takes),
	UNIT_TEST(arena_take__stops_misuse),
};
UNIT_SUITE(arena, tests)
