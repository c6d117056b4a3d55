/* What the cache promises its callers: order, limits, floors, joins. Several processes and their
 * deaths are in tests/fault. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/suites.h"

/* ---- Order and limits ---- */

static void
test_101st_entry(void)
{
	const struct cache_geometry usual = CACHE_GEOMETRY_DEFAULT;
	char key[32];

	begin(&usual);
	for (int i = 1; i <= 100; i++) {
		snprintf(key, sizeof(key), "info:%d", i);
		CU_ASSERT_EQUAL(put(key, 1, key), 0);
	}
	CU_ASSERT_EQUAL(stats().entries, 100);
	CU_ASSERT(holds("info:1", "info:1"));
	CU_ASSERT_EQUAL(put("info:101", 1, "new"), 0);
	CU_ASSERT_EQUAL(stats().entries, 100);
	CU_ASSERT_EQUAL(stats().evictions, 1);
	CU_ASSERT(lacks("info:2"));
	CU_ASSERT(holds("info:1", "info:1"));
	CU_ASSERT(holds("info:3", "info:3"));
	CU_ASSERT(holds("info:101", "new"));
	end();
}

static void
test_bytes_limit(void)
{
	char half[SMALL_BLOCK * SMALL_BLOCKS / 4 + 1];

	memset(half, 'x', sizeof(half) - 1);
	half[sizeof(half) - 1] = '\0';
	begin(&small);
	CU_ASSERT_EQUAL(put("a", 1, half), 0);
	CU_ASSERT_EQUAL(put("b", 1, half), 0);
	CU_ASSERT_EQUAL(put("c", 1, half), 0);
	CU_ASSERT_EQUAL(put("d", 1, half), 0);
	CU_ASSERT_EQUAL(stats().bytes, stats().max_bytes);
	CU_ASSERT_EQUAL(put("e", 1, "one block more"), 0);
	CU_ASSERT(lacks("a"));
	CU_ASSERT(holds("b", half));
	CU_ASSERT_EQUAL(stats().entries, 4);
	end();
}

static void
test_impossible_sizes(void)
{
	char key[CACHE_KEY_MAX + 2], value[SMALL_VALUE + 2], out[4];
	struct cache_hit hit;

	memset(key, 'k', sizeof(key));
	memset(value, 'v', sizeof(value));
	key[sizeof(key) - 1] = value[sizeof(value) - 1] = '\0';
	begin(&small);
	CU_ASSERT_EQUAL(put("a", 1, value), -1);
	CU_ASSERT_EQUAL(put(key, 1, "v"), -1);
	CU_ASSERT(lacks(key));
	CU_ASSERT_EQUAL(stats().refused, 2);
	key[CACHE_KEY_MAX] = value[SMALL_VALUE] = '\0';
	CU_ASSERT_EQUAL(put(key, 1, value), 0);
	CU_ASSERT(holds(key, value));
	CU_ASSERT_EQUAL(put("empty", 1, ""), 0);
	CU_ASSERT(holds("empty", ""));
	CU_ASSERT_EQUAL(put("five", 1, "12345"), 0);
	CU_ASSERT_EQUAL(cache_get(cache, "five", floor_key("five"), now_ms, out, sizeof(out), &hit),
	    CACHE_MISS);
	end();
}

static void
test_impossible_geometry(void)
{
	struct cache_geometry g = small;
	char mem[64];

	CU_ASSERT_PTR_NULL(cache_format(mem, sizeof(mem), &small));
	g.entries = 0;
	CU_ASSERT_EQUAL(cache_size(&g), 0);
	g = small;
	g.stripes = 0;
	CU_ASSERT_EQUAL(cache_size(&g), 0);
	g = small;
	g.value_max = SMALL_BLOCK * SMALL_BLOCKS + 1;
	CU_ASSERT_EQUAL(cache_size(&g), 0);
	CU_ASSERT_PTR_NULL(cache_open("/bazar-test-impossible", &g));
	CU_ASSERT_EQUAL(errno, EINVAL);
}

/* ---- Floors ---- */

static void
test_floors(void)
{
	begin(&small);
	CU_ASSERT_EQUAL(put("info:1", 5, "five"), 0);
	CU_ASSERT_EQUAL(put("search:nature|2", 5, "page"), 0);
	raise_key("info:1", 5); /* not older than 5: still good */
	CU_ASSERT(holds("info:1", "five"));
	raise_key("info:1", 7);
	CU_ASSERT_EQUAL(stats().invalidations, 1);
	CU_ASSERT(lacks("info:1"));
	CU_ASSERT_EQUAL(put("info:1", 6, "late"), -1);
	CU_ASSERT_EQUAL(stats().refused, 1);
	CU_ASSERT_EQUAL(put("info:1", 7, "seven"), 0);
	raise_key("info:1", 3); /* never back */
	CU_ASSERT_EQUAL(put("info:1", 6, "late"), -1);
	CU_ASSERT(holds("info:1", "seven"));
	raise_key("search:nature", 8); /* all its pages */
	CU_ASSERT(lacks("search:nature|2"));
	CU_ASSERT_EQUAL(stats().stale, 0);
	end();
}

/* Keys that share a stripe are not removed by each other's raises, but never given out either. */
static void
test_shared_stripe(void)
{
	struct cache_geometry g = small;

	g.stripes = 1;
	begin(&g);
	CU_ASSERT_EQUAL(put("a", 5, "a"), 0);
	raise_key("b", 6);
	CU_ASSERT_EQUAL(stats().entries, 1);
	CU_ASSERT(lacks("a"));
	CU_ASSERT_EQUAL(stats().entries, 0);
	CU_ASSERT_EQUAL(stats().stale, 1);
	CU_ASSERT_EQUAL(stats().invalidations, 0);
	end();
}

static void
test_raise_all(void)
{
	begin(&small);
	CU_ASSERT_EQUAL(put("a", 5, "a"), 0);
	CU_ASSERT_EQUAL(put("b", 9, "b"), 0);
	cache_raise_all(cache, 9);
	CU_ASSERT(lacks("a"));
	CU_ASSERT(holds("b", "b"));
	CU_ASSERT_EQUAL(put("c", 8, "c"), -1);
	end();
}

/* ---- Joining ---- */

static void
test_join(void)
{
	struct cache_geometry g = small;

	g.expected = 1 << 1 | 1 << 2;
	begin(&g);
	CU_ASSERT_EQUAL(put("a", 9, "a"), -1);
	CU_ASSERT(is_off("a"));
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 4), 0);
	CU_ASSERT_EQUAL(put("a", 9, "a"), -1);
	CU_ASSERT_FALSE(stats().ready);
	CU_ASSERT_FALSE(cache_joined(cache, 2, history_a));
	CU_ASSERT_EQUAL(cache_join(cache, 2, history_a, 6), 0);
	cache_extend(cache, FOR_EVER);
	CU_ASSERT(stats().ready);
	CU_ASSERT(cache_joined(cache, 1, history_a));
	CU_ASSERT(cache_joined(cache, 2, history_a));
	CU_ASSERT_EQUAL(put("a", 5, "a"), -1);
	CU_ASSERT_EQUAL(put("a", 6, "a"), 0);
	CU_ASSERT(holds("a", "a"));
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 6), 0); /* a restart: nothing is lost */
	CU_ASSERT(holds("a", "a"));
	CU_ASSERT_EQUAL(cache_join(cache, CACHE_REPLICA_MAX + 1, history_a, 6), -1);
	end();
}

static void
test_new_incarnation(void)
{
	struct cache_geometry g = small;

	g.expected = 1 << 1 | 1 << 2;
	begin(&g);
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 100), 0);
	CU_ASSERT_EQUAL(cache_join(cache, 2, history_a, 100), 0);
	cache_extend(cache, FOR_EVER); /* the first history too is another than none */
	CU_ASSERT_EQUAL(put("a", 100, "old history"), 0);
	CU_ASSERT(holds("a", "old history"));
	raise_key("b", 200);

	CU_ASSERT_EQUAL(cache_join(cache, 1, history_b, 3), 0);
	CU_ASSERT_FALSE(stats().leased);
	cache_extend(cache, FOR_EVER);
	CU_ASSERT(is_off("a"));
	CU_ASSERT_FALSE(cache_joined(cache, 2, history_a));
	CU_ASSERT_FALSE(cache_joined(cache, 2, history_b));
	CU_ASSERT_EQUAL(cache_join(cache, 2, history_b, 3), 0);
	CU_ASSERT(lacks("a"));
	CU_ASSERT_EQUAL(put("b", 3, "floors begin anew"), 0);
	CU_ASSERT_EQUAL(put("b", 2, "from the last seq"), -1);
	end();
}

/* ---- The lease ---- */

/* Ready is not enough. (A put asks for no lease: the floor judges what was put without one.) */
static void
test_lease(void)
{
	struct cache_geometry g = small;

	g.expected = 1 << 1;
	begin(&g);
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 5), 0);
	CU_ASSERT(stats().ready);
	CU_ASSERT_FALSE(stats().leased);
	CU_ASSERT_EQUAL(put("a", 5, "a"), 0);
	CU_ASSERT(is_off("a"));
	CU_ASSERT_EQUAL(stats().misses, 1);

	cache_extend(cache, 1000);
	now_ms = 999;
	CU_ASSERT(stats().leased);
	CU_ASSERT(holds("a", "a"));
	now_ms = 1000;
	CU_ASSERT_FALSE(stats().leased);
	CU_ASSERT(is_off("a"));

	cache_extend(cache, 1100);
	cache_extend(cache, 1050); /* never shorter */
	now_ms = 1099;
	CU_ASSERT(holds("a", "a"));
	raise_key("a", 6);
	CU_ASSERT(lacks("a"));
	now_ms = 1100;
	CU_ASSERT(is_off("a"));
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 6), 0); /* a restart: as it was */
	CU_ASSERT(is_off("a"));
	now_ms = 1099;
	CU_ASSERT(lacks("a"));
	end();
}

/* ---- Removing by hand ---- */

static void
test_invalidate_and_clear(void)
{
	char names[SMALL_ENTRIES * (CACHE_KEY_MAX + 1)];
	size_t used;

	begin(&small);
	CU_ASSERT_EQUAL(put("search:x|1", 1, "1"), 0);
	CU_ASSERT_EQUAL(put("search:x|2", 1, "2"), 0);
	CU_ASSERT_EQUAL(put("info:1", 1, "3"), 0);
	CU_ASSERT_EQUAL(
	    cache_invalidate(cache, floor_key("search:x"), names, sizeof(names), &used), 2);
	CU_ASSERT_EQUAL(used, 22);
	CU_ASSERT_EQUAL(memcmp(names, "search:x|2\0search:x|1", 22), 0);
	CU_ASSERT(lacks("search:x|1"));
	CU_ASSERT(holds("info:1", "3"));
	CU_ASSERT_EQUAL(put("info:2", 1, "4"), 0);
	CU_ASSERT_EQUAL(cache_clear(cache, names, 7, &used), 2); /* room for one name */
	CU_ASSERT_EQUAL(used, 7);
	CU_ASSERT_STRING_EQUAL(names, "info:2");
	CU_ASSERT_EQUAL(stats().entries, 0);
	CU_ASSERT_EQUAL(stats().bytes, 0);
	CU_ASSERT_EQUAL(stats().invalidations, 4);
	CU_ASSERT_EQUAL(cache_clear(cache, NULL, 0, &used), 0);
	end();
}

void
register_cache(void)
{
	CU_TestInfo tests[] = {
	    {"the 101st entry evicts the LRU one", test_101st_entry},
	    {"the limit in bytes", test_bytes_limit},
	    {"impossible keys and values", test_impossible_sizes},
	    {"impossible geometry", test_impossible_geometry},
	    {"floors", test_floors},
	    {"keys sharing a stripe", test_shared_stripe},
	    {"raising all floors", test_raise_all},
	    {"hits need every expected replica", test_join},
	    {"a new incarnation empties", test_new_incarnation},
	    {"hits need the lease", test_lease},
	    {"invalidate and clear", test_invalidate_and_clear},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "cache", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
