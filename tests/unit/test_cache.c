/* The cache within one process: order, limits, floors, joins, damage. Several processes and their
 * deaths are in tests/fault/cache_crash.c. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/hash.h"
#include "fcgi/cache/cache.h"
#include "fcgi/cache/segment.h"
#include "tests/unit/suites.h"

/* ---- Small caches and short calls ---- */

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

static void *memory;
static struct cache *cache;

static void
begin(const struct cache_geometry *g)
{
	memory = malloc(cache_size(g));
	cache = memory != NULL ? cache_format(memory, cache_size(g), g) : NULL;
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
}

static void
end(void)
{
	cache_close(cache);
	free(memory);
}

/* A key without paging is its own floor key's text; "x|..." has that of "x". */
static uint64_t
floor_key(const char *key)
{
	return hash64(key, strcspn(key, "|"));
}

static int
put(const char *key, uint64_t seq, const char *value)
{
	return cache_put(cache, key, floor_key(key), seq, value, strlen(value));
}

static enum cache_result
get(const char *key, char value[SMALL_VALUE + 1])
{
	uint64_t seq;
	size_t len;
	enum cache_result result =
	    cache_get(cache, key, floor_key(key), value, SMALL_VALUE, &len, &seq);

	value[result == CACHE_HIT ? len : 0] = '\0';
	return result;
}

static bool
holds(const char *key, const char *expected)
{
	char value[SMALL_VALUE + 1];

	return get(key, value) == CACHE_HIT && strcmp(value, expected) == 0;
}

static bool
lacks(const char *key)
{
	char value[SMALL_VALUE + 1];

	return get(key, value) == CACHE_MISS;
}

static void
raise_key(const char *key, uint64_t seq)
{
	uint64_t k = floor_key(key);

	cache_raise(cache, &k, 1, seq);
}

static struct cache_stats
stats(void)
{
	struct cache_stats out;

	CU_ASSERT_EQUAL_FATAL(cache_stats(cache, &out), 0);
	return out;
}

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
	uint64_t seq;
	size_t len;

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
	CU_ASSERT_EQUAL(
	    cache_get(cache, "five", floor_key("five"), out, sizeof(out), &len, &seq), CACHE_MISS);
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
	char value[SMALL_VALUE + 1];

	g.expected = 1 << 1 | 1 << 2;
	begin(&g);
	CU_ASSERT_EQUAL(put("a", 9, "a"), -1);
	CU_ASSERT_EQUAL(get("a", value), CACHE_OFF);
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 4), 0);
	CU_ASSERT_EQUAL(put("a", 9, "a"), -1);
	CU_ASSERT_FALSE(stats().ready);
	CU_ASSERT_FALSE(cache_joined(cache, 2, history_a));
	CU_ASSERT_EQUAL(cache_join(cache, 2, history_a, 6), 0);
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
	char value[SMALL_VALUE + 1];

	g.expected = 1 << 1 | 1 << 2;
	begin(&g);
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 100), 0);
	CU_ASSERT_EQUAL(cache_join(cache, 2, history_a, 100), 0);
	CU_ASSERT_EQUAL(put("a", 100, "old history"), 0);
	raise_key("b", 200);

	CU_ASSERT_EQUAL(cache_join(cache, 1, history_b, 3), 0);
	CU_ASSERT_EQUAL(get("a", value), CACHE_OFF);
	CU_ASSERT_FALSE(cache_joined(cache, 2, history_a));
	CU_ASSERT_FALSE(cache_joined(cache, 2, history_b));
	CU_ASSERT_EQUAL(cache_join(cache, 2, history_b, 3), 0);
	CU_ASSERT(lacks("a"));
	CU_ASSERT_EQUAL(put("b", 3, "floors begin anew"), 0);
	CU_ASSERT_EQUAL(put("b", 2, "from the last seq"), -1);
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

/* ---- Against a reference model ---- */

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
static uint64_t random_state;

static unsigned
random_below(unsigned n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)((random_state >> 33) % n);
}

static void
print_seed(void)
{
	const char *given = getenv("TEST_SEED");

	random_state = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	printf(" (TEST_SEED=%llu) ", (unsigned long long)random_state);
}

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

/* ---- Damage ---- */

static void
test_damaged_value(void)
{
	struct segment s;

	begin(&small);
	CU_ASSERT_EQUAL(put("a", 1, "value of a"), 0);
	CU_ASSERT_EQUAL(put("b", 1, "value of b"), 0);
	CU_ASSERT_EQUAL_FATAL(segment_attach(&s, memory, cache_size(&small)), 0);
	*(char *)memchr(s.blocks, 'v', SMALL_BLOCK) = 'V';
	CU_ASSERT(lacks("a"));
	CU_ASSERT_EQUAL(stats().recoveries, 1);
	CU_ASSERT_EQUAL(stats().entries, 0);
	CU_ASSERT_EQUAL(stats().hits, 0);
	CU_ASSERT_EQUAL(stats().misses, 1);
	CU_ASSERT_EQUAL(put("a", 1, "value of a"), 0);
	CU_ASSERT(holds("a", "value of a"));
	end();
}

/* Anything but the mutex, which is the C library's: nothing can help against damage there. */
static void
scribble(size_t size)
{
	size_t mutex = offsetof(struct header, mutex);
	size_t at = random_below((unsigned)size);

	if (at < mutex || at >= mutex + sizeof(pthread_mutex_t))
		((uint8_t *)memory)[at] = (uint8_t)random_below(256);
}

static void
test_random_damage(void)
{
	size_t size = cache_size(&small), used;
	char names[64], key[16], value[SMALL_VALUE + 1];

	print_seed();
	for (int round = 0; round < 300; round++) {
		begin(&small);
		for (int step = 0; step < 200; step++) {
			snprintf(key, sizeof(key), "k%u", random_below(20));
			if (random_below(4) == 0)
				scribble(random_below(2) != 0 ? size : sizeof(struct header));
			memset(value, 'v', sizeof(value));
			value[random_below(SMALL_VALUE)] = '\0';
			put(key, random_below(10), value);
			/* What is given out is whole. */
			snprintf(key, sizeof(key), "k%u", random_below(20));
			if (get(key, value) == CACHE_HIT)
				CU_ASSERT_EQUAL(strspn(value, "v"), strlen(value));
			raise_key(key, random_below(5));
			if (random_below(20) == 0)
				cache_invalidate(
				    cache, floor_key(key), names, sizeof(names), &used);
			if (random_below(20) == 0)
				cache_clear(cache, names, sizeof(names), &used);
		}
		end();
	}
}

/* ---- Named segments ---- */

static char shm_name[64];

static int
open_file(int flags, mode_t mode)
{
	int fd = shm_open(shm_name, flags, mode);

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static void
write_file(size_t size, int fill, mode_t mode)
{
	int fd = open_file(O_RDWR | O_CREAT | O_EXCL, mode);
	uint8_t *mem;

	CU_ASSERT_EQUAL_FATAL(posix_fallocate(fd, 0, (off_t)size), 0);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_FATAL(mem != MAP_FAILED);
	for (size_t i = 0; i < size; i++)
		mem[i] = (uint8_t)(fill >= 0 ? fill : (int)random_below(256));
	munmap(mem, size);
	close(fd);
}

static void
begin_named(void)
{
	snprintf(shm_name, sizeof(shm_name), "/bazar-test-%d", (int)getpid());
	shm_unlink(shm_name);
}

static void
test_open_and_unlink(void)
{
	struct cache *other;
	struct stat st;
	int fd;

	begin_named();
	CU_ASSERT_PTR_NULL(cache_open(shm_name, NULL));
	CU_ASSERT_EQUAL(errno, ENOENT);
	cache = cache_open(shm_name, &small);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	fd = open_file(O_RDONLY, 0);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	close(fd);
	other = cache_open(shm_name, &small);
	CU_ASSERT_PTR_NOT_NULL_FATAL(other);
	CU_ASSERT_EQUAL(cache_put(other, "a", floor_key("a"), 1, "A", 1), 0);
	CU_ASSERT(holds("a", "A"));
	cache_close(other);
	cache_close(cache);

	cache = cache_open(shm_name, NULL); /* what is in it outlives its users */
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	CU_ASSERT(holds("a", "A"));
	CU_ASSERT_EQUAL(stats().hits, 2);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
	CU_ASSERT_EQUAL(get("a", (char[SMALL_VALUE + 1]){0}), CACHE_OFF);
	CU_ASSERT_EQUAL(cache_reopen(cache), -1); /* this handle makes none */
	cache_close(cache);
}

/* Nothing but a sound segment is believed; in its place comes a new one. */
static void
test_garbage_refused(void)
{
	const size_t sizes[] = {1, sizeof(struct header), cache_size(&small), 1 << 20};

	print_seed();
	begin_named();
	for (unsigned i = 0; i < 3 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		write_file(sizes[i / 3], (int)(i % 3) - 1, 0600); /* random bytes, 0, 1 */
		CU_ASSERT_PTR_NULL(cache_open(shm_name, NULL));
		cache = cache_open(shm_name, &small);
		CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
		CU_ASSERT(lacks("a"));
		CU_ASSERT_EQUAL(put("a", 1, "A"), 0);
		CU_ASSERT(holds("a", "A"));
		cache_close(cache);
		CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
	}
}

static void
test_foreign_refused(void)
{
	begin_named();
	write_file(cache_size(&small), 0, 0644);
	CU_ASSERT_PTR_NULL(cache_open(shm_name, &small));
	CU_ASSERT_EQUAL(errno, EACCES);
	shm_unlink(shm_name);
}

/* One bit of a sound header is wrong. */
static void
test_lying_header(void)
{
	for (size_t at = 0; at < offsetof(struct header, floor_all); at++) {
		uint8_t *head;
		int fd;

		if (at >= offsetof(struct header, geometry) + sizeof(struct cache_geometry) &&
		    at < offsetof(struct header, check))
			continue; /* padding */
		begin_named();
		cache_close(cache_open(shm_name, &small));
		fd = open_file(O_RDWR, 0);
		head = mmap(NULL, sizeof(struct header), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		CU_ASSERT_FATAL(head != MAP_FAILED);
		head[at] ^= 0x10;
		CU_ASSERT_PTR_NULL(cache_open(shm_name, NULL));
		munmap(head, sizeof(struct header));
		close(fd);
		CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
	}
}

static void
test_replaced_segment(void)
{
	struct cache_geometry g = small;
	struct cache *one, *two;

	g.expected = 1 << 1 | 1 << 2;
	begin_named();
	cache = one = cache_open(shm_name, &g);
	CU_ASSERT_PTR_NOT_NULL_FATAL(one);
	CU_ASSERT_EQUAL(cache_join(one, 1, history_a, 5), 0);
	CU_ASSERT_EQUAL(cache_join(one, 2, history_a, 5), 0);
	CU_ASSERT_EQUAL(put("a", 5, "A"), 0);

	g.entries = SMALL_ENTRIES / 2; /* other settings at a worker's start: a new segment */
	two = cache_open(shm_name, &g);
	CU_ASSERT_PTR_NOT_NULL_FATAL(two);
	CU_ASSERT_EQUAL(get("a", (char[SMALL_VALUE + 1]){0}), CACHE_OFF);
	CU_ASSERT_EQUAL(put("a", 5, "A"), -1);
	CU_ASSERT_FALSE(cache_joined(one, 1, history_a));
	CU_ASSERT_EQUAL(cache_join(two, 2, history_a, 6), 0);
	CU_ASSERT_EQUAL(cache_join(one, 1, history_a, 6), 0); /* takes what is there */
	CU_ASSERT(cache_joined(two, 2, history_a));
	CU_ASSERT_EQUAL(put("a", 6, "A"), 0);
	cache = two;
	CU_ASSERT(holds("a", "A"));
	CU_ASSERT_EQUAL(stats().max_entries, SMALL_ENTRIES / 2);
	cache_close(one);
	cache_close(two);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
}

/* Names in /dev/shm may be removed by others, when a user logs out for example. */
static void
test_removed_name(void)
{
	struct cache_geometry g = small;

	g.expected = 1 << 1;
	begin_named();
	cache = cache_open(shm_name, &g);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 5), 0);
	CU_ASSERT(cache_joined(cache, 1, history_a));
	shm_unlink(shm_name);
	CU_ASSERT_FALSE(cache_joined(cache, 1, history_a));
	CU_ASSERT_EQUAL(get("a", (char[SMALL_VALUE + 1]){0}), CACHE_OFF);
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 5), 0);
	CU_ASSERT(cache_joined(cache, 1, history_a));
	CU_ASSERT_EQUAL(put("a", 5, "A"), 0);
	cache_close(cache);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
}

/* ---- Threads on one handle ---- */

#define READERS 3
#define WRITES 3000
#define ROWS 12

/* A store of one replica: rows are changed by one thread, read by others. A row's value is the seq
 * of the write that made it, so a reader sees how old it is. */
static _Atomic uint64_t rows[ROWS];
static _Atomic uint64_t applied;
static _Atomic unsigned too_old;
static _Atomic bool writing;

static void
write_row(unsigned n)
{
	uint64_t seq = applied + 1;
	char key[16];

	snprintf(key, sizeof(key), "k%u", n);
	raise_key(key, seq);
	rows[n] = seq;
	applied = seq;
}

static void
read_row(unsigned n)
{
	char key[16], value[SMALL_VALUE + 1];
	uint64_t newest = rows[n];

	snprintf(key, sizeof(key), "k%u", n);
	if (get(key, value) == CACHE_HIT) {
		if (strtoull(value, NULL, 10) < newest)
			too_old++;
	} else {
		uint64_t seq = applied;

		snprintf(value, sizeof(value), "%llu", (unsigned long long)rows[n]);
		put(key, seq, value);
	}
}

static void *
reader_main(void *arg)
{
	unsigned random = *(const unsigned *)arg;

	while (writing) {
		random = random * 1103515245 + 12345;
		read_row((random >> 16) % ROWS);
	}
	return NULL;
}

/* The writer also kills the segment again and again and joins a new one: what the readers use is
 * never unmapped under them. */
static void
test_threads(void)
{
	struct cache_geometry g = small;
	unsigned seeds[READERS];
	pthread_t readers[READERS];

	g.expected = 1 << 1;
	begin_named();
	cache = cache_open(shm_name, &g);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	writing = true;
	for (unsigned i = 0; i < READERS; i++) {
		seeds[i] = i;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&readers[i], NULL, reader_main, &seeds[i]), 0);
	}
	for (unsigned i = 0; i < WRITES; i++) {
		if (i % 100 == 0) {
			CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
			CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, applied), 0);
		}
		write_row(i * 7 % ROWS);
	}
	writing = false;
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	CU_ASSERT_EQUAL(too_old, 0);
	cache_close(cache);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
}

void
register_cache(void)
{
	CU_TestInfo tests[] = {{"the 101st entry evicts the LRU one", test_101st_entry},
	    {"the limit in bytes", test_bytes_limit},
	    {"impossible keys and values", test_impossible_sizes},
	    {"impossible geometry", test_impossible_geometry}, {"floors", test_floors},
	    {"keys sharing a stripe", test_shared_stripe}, {"raising all floors", test_raise_all},
	    {"hits need every expected replica", test_join},
	    {"a new incarnation empties", test_new_incarnation},
	    {"invalidate and clear", test_invalidate_and_clear},
	    {"random operations against a model", test_random_against_model},
	    {"a damaged value", test_damaged_value}, {"random damage", test_random_damage},
	    {"open and unlink", test_open_and_unlink}, {"garbage is refused", test_garbage_refused},
	    {"a foreign segment is refused", test_foreign_refused},
	    {"a lying header", test_lying_header}, {"a replaced segment", test_replaced_segment},
	    {"a removed name", test_removed_name}, {"threads", test_threads}, CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {{"cache", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	CU_register_suites(suites);
}
