/* One small cache in this process's memory, and short calls on it, for the cache's unit tests. */
#ifndef BAZAR_TESTS_CACHE_FIXTURE_H
#define BAZAR_TESTS_CACHE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/hash.h"
#include "fcgi/cache/cache.h"

#define SMALL_ENTRIES 8
#define SMALL_STRIPES 5
#define SMALL_BLOCK 32
#define SMALL_BLOCKS 16
#define SMALL_VALUE 200

static const struct cache_geometry small = {.entries = SMALL_ENTRIES,
    .stripes = SMALL_STRIPES,
    .block_size = SMALL_BLOCK,
    .blocks = SMALL_BLOCKS,
    .value_max = SMALL_VALUE};

static const uint8_t history_a[CACHE_INCARNATION] = "history a";
static const uint8_t history_b[CACHE_INCARNATION] = "history b";

#define FOR_EVER UINT64_MAX /* a lease */

static void *memory;
static struct cache *cache;
static uint64_t now_ms; /* what gets are told */

static inline void
begin(const struct cache_geometry *g)
{
	memory = calloc(1, cache_size(g)); /* zeros, as shared memory is */
	cache = memory != NULL ? cache_format(memory, cache_size(g), g) : NULL;
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	cache_extend(cache, FOR_EVER);
	now_ms = 0;
}

static inline void
end(void)
{
	cache_close(cache);
	free(memory);
}

/* A key without paging is its own floor key's text; "x|..." has that of "x". */
static inline uint64_t
floor_key(const char *key)
{
	return hash64(key, strcspn(key, "|"));
}

static inline int
put(const char *key, uint64_t seq, const char *value)
{
	return cache_put(cache, key, floor_key(key), seq, value, strlen(value));
}

static inline enum cache_result
get(const char *key, char value[SMALL_VALUE + 1])
{
	struct cache_hit hit;
	enum cache_result result =
	    cache_get(cache, key, floor_key(key), now_ms, value, SMALL_VALUE, &hit);

	value[result == CACHE_HIT ? hit.len : 0] = '\0';
	return result;
}

static inline bool
holds(const char *key, const char *expected)
{
	char value[SMALL_VALUE + 1];

	return get(key, value) == CACHE_HIT && strcmp(value, expected) == 0;
}

static inline bool
lacks(const char *key)
{
	char value[SMALL_VALUE + 1];

	return get(key, value) == CACHE_MISS;
}

static inline bool
is_off(const char *key)
{
	char value[SMALL_VALUE + 1];

	return get(key, value) == CACHE_OFF;
}

static inline void
raise_key(const char *key, uint64_t seq)
{
	uint64_t k = floor_key(key);

	cache_raise(cache, &k, 1, seq);
}

static inline struct cache_stats
stats(void)
{
	struct cache_stats out;

	CU_ASSERT_EQUAL_FATAL(cache_stats(cache, now_ms, &out), 0);
	return out;
}

static uint64_t random_state;

static inline unsigned
random_below(unsigned n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)((random_state >> 33) % n);
}

static inline void
print_seed(void)
{
	const char *given = getenv("TEST_SEED");

	random_state = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	printf(" (TEST_SEED=%llu) ", (unsigned long long)random_state);
}

#endif
