/* The segment under the cache: damage, names, replacement, threads on one handle. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/clock.h"
#include "fcgi/cache/segment.h"
#include "tests/unit/cache_fixture.h"
#include "tests/unit/suites.h"

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
	CU_ASSERT(holds("a", "value of a")); /* floors and lease are still there */
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

static int
chmod_segment(mode_t mode)
{
	int fd = open_file(O_RDWR, 0), rc = fchmod(fd, mode);

	close(fd);
	return rc;
}

static void
begin_named(void)
{
	snprintf(shm_name, sizeof(shm_name), "/bazar-test-%d", (int)getpid());
	shm_unlink(shm_name);
	now_ms = 0;
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
	CU_ASSERT(is_off("a")); /* no lease */
	cache_extend(other, 1000);
	now_ms = 999;
	CU_ASSERT(holds("a", "A"));
	cache_close(other);
	cache_close(cache);

	cache = cache_open(shm_name, NULL); /* what is in it outlives its users */
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	CU_ASSERT(holds("a", "A"));
	CU_ASSERT_EQUAL(stats().hits, 2);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
	CU_ASSERT(is_off("a"));
	CU_ASSERT_EQUAL(cache_reopen(cache), -1); /* this handle makes none */
	cache_close(cache);
}

/* ---- One fill for many ---- */

static void *
await_and_get(void *arg)
{
	enum cache_result *result = arg;
	char value[SMALL_VALUE];
	struct cache_hit hit;

	cache_await(cache, "a");
	*result = cache_get(cache, "a", floor_key("a"), 0, value, sizeof(value), &hit);
	return NULL;
}

static void
test_claims(void)
{
	enum cache_result results[4];
	pthread_t threads[4];
	uint64_t claim;

	begin(&small);
	CU_ASSERT_FALSE(cache_await(cache, "a"));
	claim = cache_claim(cache, "a");
	CU_ASSERT_NOT_EQUAL(claim, 0);
	CU_ASSERT_EQUAL(cache_claim(cache, "a"), 0);
	CU_ASSERT_FALSE(cache_await(cache, "b"));
	for (size_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(
		    pthread_create(&threads[i], NULL, await_and_get, &results[i]), 0);
	CU_ASSERT_EQUAL(put("a", 1, "A"), 0);
	cache_release(cache, "a", claim);
	for (size_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
		CU_ASSERT_EQUAL(results[i], CACHE_HIT);
	}
	CU_ASSERT_FALSE(cache_await(cache, "a"));
	end();
}

/* Its holder is gone: others wait a while, then it can be had. */
static void
test_forgotten_claim(void)
{
	uint64_t first, second, begun = clock_ms();

	begin(&small);
	first = cache_claim(cache, "a");
	CU_ASSERT_NOT_EQUAL(first, 0);
	CU_ASSERT_TRUE(cache_await(cache, "a"));
	CU_ASSERT(clock_ms() - begun >= CACHE_CLAIM_MS);
	second = cache_claim(cache, "a");
	CU_ASSERT_NOT_EQUAL(second, 0);
	cache_release(cache, "a", first); /* too late: it is another's */
	CU_ASSERT_EQUAL(cache_claim(cache, "a"), 0);
	end();
}

static void
test_spoilt_claims(void)
{
	struct segment s;

	begin(&small);
	CU_ASSERT_EQUAL_FATAL(segment_attach(&s, memory, cache_size(&small)), 0);
	for (size_t i = 0; i < SEGMENT_CLAIMS; i++)
		s.head->claims[i] = UINT64_MAX - i;
	CU_ASSERT_FALSE(cache_await(cache, "a"));
	CU_ASSERT_NOT_EQUAL(cache_claim(cache, "a"), 0);
	end();
}

/* ---- A front ---- */

/* A front takes what is there, waits for nobody, and counts its hits only. */
static void
test_front(void)
{
	struct cache *front;
	char value[SMALL_VALUE + 1];
	struct cache_hit hit;
	struct segment s;
	uint64_t begun;
	uint8_t *mem;
	int fd;

	begin_named();
	front = cache_front(shm_name);
	NEED(front);
	CU_ASSERT_EQUAL(cache_reopen(front), -1);
	CU_ASSERT_EQUAL(errno, ENOENT);
	cache = cache_open(shm_name, &small);
	NEED(cache);
	cache_extend(cache, FOR_EVER);
	CU_ASSERT_EQUAL(put("a", 1, "A"), 0);
	CU_ASSERT_EQUAL(put("b", 1, "B"), 0);

	fd = open_file(O_RDWR, 0); /* somebody judges the file: another time, then */
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX), 0);
	begun = clock_ms();
	CU_ASSERT_EQUAL(cache_reopen(front), -1);
	CU_ASSERT_EQUAL(errno, ETIMEDOUT);
	CU_ASSERT_EQUAL(flock(fd, LOCK_UN), 0);
	CU_ASSERT_EQUAL(cache_reopen(front), 0);

#define FRONT_GET(key) cache_get(front, key, floor_key(key), 0, value, SMALL_VALUE, &hit)
	CU_ASSERT_EQUAL(FRONT_GET("a"), CACHE_HIT);
	CU_ASSERT_EQUAL(FRONT_GET("c"), CACHE_MISS);
	CU_ASSERT_EQUAL(stats().hits, 1);
	CU_ASSERT_EQUAL(stats().misses, 0);
	for (int i = 0; i < SMALL_ENTRIES - 1; i++) { /* the last one evicts b: a was used */
		snprintf(value, sizeof(value), "more:%d", i);
		CU_ASSERT_EQUAL(put(value, 1, "more"), 0);
	}
	CU_ASSERT_EQUAL(FRONT_GET("a"), CACHE_HIT);
	CU_ASSERT_EQUAL(FRONT_GET("b"), CACHE_MISS);

	mem = mmap(NULL, cache_size(&small), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_FATAL(mem != MAP_FAILED);
	CU_ASSERT_EQUAL_FATAL(segment_attach(&s, mem, cache_size(&small)), 0);
	CU_ASSERT_EQUAL(segment_lock(&s, LOCK_BRIEF_MS), 0); /* and keep it */
	CU_ASSERT_EQUAL(FRONT_GET("a"), CACHE_TROUBLE);
	CU_ASSERT(clock_ms() - begun < LOCK_PATIENT_MS); /* the segment is not given up for that */
	segment_unlock(&s);
	CU_ASSERT_EQUAL(FRONT_GET("a"), CACHE_HIT);

	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
	CU_ASSERT_EQUAL(FRONT_GET("a"), CACHE_OFF);
	CU_ASSERT_EQUAL(cache_reopen(front), -1);
	munmap(mem, cache_size(&small));
	close(fd);
	cache_close(front);
	cache_close(cache);
#undef FRONT_GET
}

/* A handle is off, but can be used for anything, until a segment can be had. */
static void
test_no_segment_yet(void)
{
	struct cache_geometry g = small;
	struct cache_stats s;
	size_t used;

	g.expected = 1 << 1;
	begin_named();
	cache_close(cache_open(shm_name, &small)); /* of another geometry */
	CU_ASSERT_EQUAL(chmod_segment(0644), 0);
	cache = cache_new(shm_name, &g);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 5), -1);
	CU_ASSERT_EQUAL(errno, EACCES);
	CU_ASSERT_FALSE(cache_joined(cache, 1, history_a));
	raise_key("a", 5);
	cache_raise_all(cache, 5);
	cache_extend(cache, FOR_EVER);
	CU_ASSERT_EQUAL(put("a", 5, "A"), -1);
	CU_ASSERT(is_off("a"));
	CU_ASSERT_EQUAL(cache_clear(cache, NULL, 0, &used), 0);
	CU_ASSERT_EQUAL(cache_stats(cache, 0, &s), -1);

	CU_ASSERT_EQUAL(chmod_segment(0600), 0);
	CU_ASSERT_EQUAL(cache_join(cache, 1, history_a, 5), 0);
	CU_ASSERT(cache_joined(cache, 1, history_a));
	cache_extend(cache, FOR_EVER);
	CU_ASSERT_EQUAL(put("a", 5, "A"), 0);
	CU_ASSERT(holds("a", "A"));
	cache_close(cache);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
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
		cache_extend(cache, FOR_EVER);
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
	cache_extend(one, FOR_EVER);
	CU_ASSERT(holds("a", "A"));

	g.entries = SMALL_ENTRIES / 2; /* other settings at a worker's start: a new segment */
	two = cache_open(shm_name, &g);
	CU_ASSERT_PTR_NOT_NULL_FATAL(two);
	CU_ASSERT(is_off("a"));
	CU_ASSERT_EQUAL(put("a", 5, "A"), -1);
	CU_ASSERT_FALSE(cache_joined(one, 1, history_a));
	CU_ASSERT_EQUAL(cache_join(two, 2, history_a, 6), 0);
	CU_ASSERT_EQUAL(cache_join(one, 1, history_a, 6), 0); /* takes what is there */
	CU_ASSERT(cache_joined(two, 2, history_a));
	CU_ASSERT_EQUAL(put("a", 6, "A"), 0);
	cache = two;
	CU_ASSERT(is_off("a"));
	CU_ASSERT_FALSE(stats().leased);
	cache_extend(one, FOR_EVER);
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
	CU_ASSERT(is_off("a"));
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
			cache_extend(cache, FOR_EVER);
		}
		write_row(i * 7 % ROWS);
	}
	writing = false;
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	CU_ASSERT_EQUAL(too_old, 0);
	CU_ASSERT(stats().leased);
	cache_close(cache);
	CU_ASSERT_EQUAL(cache_unlink(shm_name), 0);
}

void
register_cache_segment(void)
{
	CU_TestInfo tests[] = {
	    {"a damaged value", test_damaged_value},
	    {"random damage", test_random_damage},
	    {"open and unlink", test_open_and_unlink},
	    {"no segment yet", test_no_segment_yet},
	    {"a front", test_front},
	    {"claims", test_claims},
	    {"a forgotten claim", test_forgotten_claim},
	    {"spoilt claims", test_spoilt_claims},
	    {"garbage is refused", test_garbage_refused},
	    {"a foreign segment is refused", test_foreign_refused},
	    {"a lying header", test_lying_header},
	    {"a replaced segment", test_replaced_segment},
	    {"a removed name", test_removed_name},
	    {"threads", test_threads},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "cache segment", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
