/* Shared by the cache's fault tests: values that tell where they come from, victims, main. */
#ifndef BAZAR_TESTS_CACHE_FAULT_H
#define BAZAR_TESTS_CACHE_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CUnit/Basic.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/hash.h"
#include "fcgi/cache/cache.h"
#include "fcgi/cache/segment.h"

#define ENTRIES 8
#define BLOCK 32
#define BLOCKS 16
#define VALUE_MAX 96
#define STEPS_MAX 2000      /* of one operation */
#define STUCK_MS 900        /* no get or raise may take that long, on a busy machine either */
#define FOR_EVER UINT64_MAX /* a lease */

static const struct cache_geometry small = {.entries = ENTRIES,
    .stripes = 64,
    .block_size = BLOCK,
    .blocks = BLOCKS,
    .value_max = VALUE_MAX};

static const uint8_t history_a[CACHE_INCARNATION] = "history a";
static const uint8_t history_b[CACHE_INCARNATION] = "history b";

struct key {
	char text[16];
	uint64_t floor;
};

static inline struct key
make_key(unsigned n)
{
	struct key k;

	snprintf(k.text, sizeof(k.text), "info:%u", n);
	k.floor = hash64(k.text, strlen(k.text));
	return k;
}

/* One to three blocks that say key and version again and again. Returns the length. */
static inline size_t
make_value(unsigned n, uint64_t version, char value[VALUE_MAX])
{
	char unit[32];
	size_t len = 24 + (n * 7 + version * 13) % (VALUE_MAX - 24), unit_len;

	unit_len = (size_t)snprintf(unit, sizeof(unit), "%u:%llu,", n, (unsigned long long)version);
	for (size_t i = 0; i < len; i++)
		value[i] = unit[i % unit_len];
	return len;
}

/* Whether the value is a whole one of that key, and of which version. */
static inline bool
read_value(unsigned n, const char *value, size_t len, uint64_t *version)
{
	char head[25] = "", expected[VALUE_MAX], *end;

	if (len < 24 || len > VALUE_MAX)
		return false;
	memcpy(head, value, 24);
	if (strtoul(head, &end, 10) != n || *end != ':')
		return false;
	*version = strtoull(end + 1, NULL, 10);
	return make_value(n, *version, expected) == len && memcmp(value, expected, len) == 0;
}

static inline int
put_version(struct cache *c, unsigned n, uint64_t seq, uint64_t version)
{
	struct key k = make_key(n);
	char value[VALUE_MAX];
	size_t len = make_value(n, version, value);

	return cache_put(c, k.text, k.floor, seq, value, len);
}

/* *version of what was found; a torn value is version 0 with *torn. */
static inline enum cache_result
get_version_at(struct cache *c, unsigned n, uint64_t now, uint64_t *version, bool *torn)
{
	struct key k = make_key(n);
	char value[VALUE_MAX];
	struct cache_hit hit;
	enum cache_result result = cache_get(c, k.text, k.floor, now, value, sizeof(value), &hit);

	*version = 0;
	*torn = result == CACHE_HIT && !read_value(n, value, hit.len, version);
	return result;
}

/* Under any lease. */
static inline enum cache_result
get_version(struct cache *c, unsigned n, uint64_t *version, bool *torn)
{
	return get_version_at(c, n, 0, version, torn);
}

static inline void
raise_version(struct cache *c, unsigned n, uint64_t seq)
{
	struct key k = make_key(n);

	cache_raise(c, &k.floor, 1, seq);
}

/* Zeroed memory that children share. */
static inline void *
shared_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		abort();
	return mem;
}

/* ---- Victims ---- */

/* Runs the operation in a child that gets `signal` at its step; true when it got that far. A
 * stopped one is left stopped. */
static inline bool
hit_at_step(void (*run)(struct cache *c), struct cache *c, int step, int signal, pid_t *pid)
{
	int status;

	*pid = fork();
	CU_ASSERT_FATAL(*pid >= 0);
	if (*pid == 0) {
		cache_fail_signal = signal;
		cache_fail_at = step;
		run(c);
		_exit(0);
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(*pid, &status, WUNTRACED), *pid);
	if (WIFEXITED(status)) {
		CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
		return false;
	}
	CU_ASSERT(WIFSTOPPED(status) || WTERMSIG(status) == signal);
	return true;
}

/* ---- This program's segment ---- */

static char name[64];

/* As it is found, or new. Ends the process, which may be a victim, when there is none. */
static inline struct cache *
open_named(uint32_t expected)
{
	struct cache_geometry g = small;
	struct cache *c;

	g.expected = expected;
	c = cache_open(name, &g);
	if (c == NULL) {
		perror("cache_open");
		abort();
	}
	return c;
}

/* ---- Main ---- */

static inline int
fault_main(const char *suite, CU_TestInfo *tests)
{
	CU_SuiteInfo suites[] = {{.pName = suite, .pTests = tests}, CU_SUITE_INFO_NULL};
	unsigned failed;

	snprintf(name, sizeof(name), "/bazar-test-%d", (int)getpid());
	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
		return EXIT_FAILURE;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	cache_unlink(name);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
