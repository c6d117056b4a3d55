/*
 * Making, replacing and removing the segment: openers race each other, are killed at every step, or
 * stopped. The next opener always gets a sound segment, or none, soon.
 */
#include <errno.h>

#include "tests/fault/cache_fault.h"

static void
do_open(struct cache *c)
{
	(void)c;
	cache_close(open_named(0));
}

static void
do_open_other_geometry(struct cache *c)
{
	(void)c;
	cache_close(open_named(1 << 3));
}

static void
do_unlink(struct cache *c)
{
	(void)c;
	cache_unlink(name);
}

static void
die_opening(void (*run)(struct cache *c), bool is_there)
{
	struct cache *c;
	pid_t pid;

	for (int step = 1; step <= STEPS_MAX; step++) {
		uint64_t begun, version;
		bool killed, torn;

		CU_ASSERT_EQUAL(cache_unlink(name), 0);
		if (is_there)
			cache_close(open_named(0));
		killed = hit_at_step(run, NULL, step, SIGKILL, &pid);
		begun = clock_ms();
		c = open_named(0);
		CU_ASSERT(clock_ms() - begun < STUCK_MS);
		CU_ASSERT_EQUAL(get_version(c, 1, &version, &torn), CACHE_OFF);
		cache_extend(c, FOR_EVER);
		CU_ASSERT_EQUAL(put_version(c, 1, 5, 5), 0);
		CU_ASSERT_EQUAL(get_version(c, 1, &version, &torn), CACHE_HIT);
		cache_close(c);
		if (!killed)
			break;
	}
	CU_ASSERT_EQUAL(cache_unlink(name), 0);
}

static void
test_killed_opening(void)
{
	die_opening(do_open, false);
	die_opening(do_open, true);
	die_opening(do_open_other_geometry, true);
	die_opening(do_unlink, true);
}

/* Somebody is stopped while making the segment: others go without a cache, soon. */
static void
test_stopped_opening(void)
{
	uint64_t begun = clock_ms();
	int status;
	pid_t pid;

	CU_ASSERT_EQUAL(cache_unlink(name), 0);
	CU_ASSERT(hit_at_step(do_open, NULL, 2, SIGSTOP, &pid));
	CU_ASSERT_PTR_NULL(cache_open(name, &small));
	CU_ASSERT_EQUAL(errno, ETIMEDOUT);
	CU_ASSERT(clock_ms() - begun < 5000);
	CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	cache_close(open_named(0));
	CU_ASSERT_EQUAL(cache_unlink(name), 0);
}

/* ---- Racing to make it ---- */

#define RACERS 8

static int
race(unsigned n, _Atomic unsigned *ready, _Atomic unsigned *done)
{
	uint64_t begun = clock_ms(), version;
	enum cache_result result;
	struct cache *c;
	bool torn;

	++*ready;
	while (*ready < RACERS && clock_ms() - begun < 5000)
		continue;
	c = open_named(0);
	cache_extend(c, FOR_EVER);
	while (put_version(c, n, 5, 5) != 0 && clock_ms() - begun < 5000)
		continue; /* many at one lock */
	++*done;
	while (*done < RACERS && clock_ms() - begun < 5000)
		usleep(1000);
	for (unsigned i = 0; i < RACERS; i++)
		while ((result = get_version(c, i, &version, &torn)) != CACHE_HIT)
			if (result != CACHE_TROUBLE)
				return 2;
	return 0;
}

static void
test_racing_openers(void)
{
	_Atomic unsigned *counts = shared_memory(2 * sizeof(*counts));
	int status;

	for (int round = 0; round < 10; round++) {
		CU_ASSERT_EQUAL(cache_unlink(name), 0);
		counts[0] = counts[1] = 0;
		for (unsigned n = 0; n < RACERS; n++) {
			pid_t pid = fork();

			CU_ASSERT_FATAL(pid >= 0);
			if (pid == 0)
				_exit(race(n, &counts[0], &counts[1]));
		}
		for (unsigned n = 0; n < RACERS; n++) {
			CU_ASSERT(wait(&status) > 0);
			CU_ASSERT_EQUAL(status, 0);
		}
	}
	CU_ASSERT_EQUAL(cache_unlink(name), 0);
	munmap(counts, 2 * sizeof(*counts));
}

int
main(void)
{
	CU_TestInfo tests[] = {
	    {"killed at every step of opening and removing", test_killed_opening},
	    {"stopped while opening", test_stopped_opening},
	    {"racing to make the segment", test_racing_openers},
	    CU_TEST_INFO_NULL,
	};

	return fault_main("cache opening", tests);
}
