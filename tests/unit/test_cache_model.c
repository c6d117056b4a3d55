/* Random operations on the cache, compared step by step with a model of it. */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/suites.h"

#define MODEL_KEYS 40
#define MODEL_TOPICS 12 /* floor keys: several keys share one */
#define MODEL_STEPS 60000

struct model_entry {
	int key;
	uint64_t seq;
	char value[SMALL_VALUE + 1];
};

/* The same rules, in the plainest way: an array, most recently used first. */
static struct {
	struct model_entry list[SMALL_ENTRIES];
	unsigned count;
	uint64_t floors[SMALL_STRIPES];
	struct cache_stats stats;
} model;

static char model_key[MODEL_KEYS][32];
static uint64_t model_floor_key[MODEL_KEYS];
static unsigned
model_blocks(void)
{
	unsigned blocks = 0;

	for (unsigned i = 0; i < model.count; i++)
		blocks += (unsigned)(strlen(model.list[i].value) + SMALL_BLOCK - 1) / SMALL_BLOCK;
	return blocks;
}

static uint64_t
model_floor(int key)
{
	return model.floors[model_floor_key[key] % SMALL_STRIPES];
}

static unsigned
model_find(int key)
{
	unsigned i = 0;

	while (i < model.count && model.list[i].key != key)
		i++;
	return i;
}

static void
model_remove(unsigned i)
{
	memmove(
	    &model.list[i], &model.list[i + 1], (--model.count - i) * sizeof(struct model_entry));
}

static void
model_push(const struct model_entry *e)
{
	memmove(&model.list[1], &model.list[0], model.count++ * sizeof(struct model_entry));
	model.list[0] = *e;
}

static void
step_get(int key)
{
	unsigned i = model_find(key);
	char value[SMALL_VALUE + 1];
	enum cache_result result = get(model_key[key], value);
	struct model_entry found;

	if (i < model.count && model.list[i].seq < model_floor(key)) {
		model_remove(i);
		model.stats.stale++;
		i = model.count;
	}
	if (i == model.count) {
		model.stats.misses++;
		CU_ASSERT_EQUAL_FATAL(result, CACHE_MISS);
		return;
	}
	found = model.list[i];
	model_remove(i);
	model_push(&found);
	model.stats.hits++;
	CU_ASSERT_EQUAL_FATAL(result, CACHE_HIT);
	CU_ASSERT_STRING_EQUAL_FATAL(value, found.value);
}

static void
step_put(int key, uint64_t seq)
{
	struct model_entry e = {.key = key, .seq = seq};
	unsigned len = random_below(SMALL_VALUE + 1), i;
	int rc;

	for (unsigned b = 0; b < len; b++)
		e.value[b] = (char)('!' + random_below(90));
	rc = put(model_key[key], seq, e.value);
	CU_ASSERT_EQUAL_FATAL(rc, seq < model_floor(key) ? -1 : 0);
	if (rc != 0) {
		model.stats.refused++;
		return;
	}
	i = model_find(key);
	if (i < model.count)
		model_remove(i);
	while (model.count == SMALL_ENTRIES ||
	       model_blocks() + (len + SMALL_BLOCK - 1) / SMALL_BLOCK > SMALL_BLOCKS) {
		model.count--;
		model.stats.evictions++;
	}
	model_push(&e);
}

static void
step_raise(int key, uint64_t seq)
{
	uint64_t *floor = &model.floors[model_floor_key[key] % SMALL_STRIPES];

	cache_raise(cache, &model_floor_key[key], 1, seq);
	if (*floor < seq)
		*floor = seq;
	for (unsigned i = model.count; i-- > 0;) {
		if (model_floor_key[model.list[i].key] == model_floor_key[key] &&
		    model.list[i].seq < seq) {
			model_remove(i);
			model.stats.invalidations++;
		}
	}
}

static void
step_raise_all(uint64_t seq)
{
	cache_raise_all(cache, seq);
	for (int i = 0; i < SMALL_STRIPES; i++)
		if (model.floors[i] < seq)
			model.floors[i] = seq;
}

static void
step_clear(void)
{
	size_t used;

	CU_ASSERT_EQUAL_FATAL(cache_clear(cache, NULL, 0, &used), (int)model.count);
	model.stats.invalidations += model.count;
	model.count = 0;
}

static void
compare_stats(void)
{
	struct cache_stats now = stats();

	CU_ASSERT_EQUAL_FATAL(now.hits, model.stats.hits);
	CU_ASSERT_EQUAL_FATAL(now.misses, model.stats.misses);
	CU_ASSERT_EQUAL_FATAL(now.evictions, model.stats.evictions);
	CU_ASSERT_EQUAL_FATAL(now.invalidations, model.stats.invalidations);
	CU_ASSERT_EQUAL_FATAL(now.refused, model.stats.refused);
	CU_ASSERT_EQUAL_FATAL(now.stale, model.stats.stale);
	CU_ASSERT_EQUAL_FATAL(now.recoveries, 0);
	CU_ASSERT_EQUAL_FATAL(now.entries, model.count);
	CU_ASSERT_EQUAL_FATAL(now.bytes, (uint64_t)model_blocks() * SMALL_BLOCK);
}

static void
test_random_against_model(void)
{
	print_seed();
	begin(&small);
	memset(&model, 0, sizeof(model));
	for (int i = 0; i < MODEL_KEYS; i++) {
		snprintf(model_key[i], sizeof(model_key[i]), "topic %d|%d", i % MODEL_TOPICS, i);
		model_floor_key[i] = floor_key(model_key[i]);
	}
	for (unsigned step = 0; step < MODEL_STEPS; step++) {
		int key = (int)random_below(MODEL_KEYS);
		uint64_t seq = step / 50 + random_below(20);

		switch (random_below(100)) {
		case 0 ... 49:
			step_get(key);
			break;
		case 50 ... 89:
			step_put(key, seq);
			break;
		case 90 ... 97:
			step_raise(key, seq);
			break;
		case 98:
			step_raise_all(seq > 15 ? seq - 15 : 0);
			break;
		default:
			step_clear();
		}
		compare_stats();
	}
	end();
}

void
register_cache_model(void)
{
	CU_TestInfo tests[] = {
	    {"random operations against a model", test_random_against_model},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "cache model", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
