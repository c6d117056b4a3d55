/*
 * A process is killed, or stopped, at every step between two stores of every operation on the
 * cache. Whoever is left must never be stuck, never see a torn value, never see one below a floor,
 * and must find the whole cache usable.
 */
#include "tests/fault/cache_fault.h"

#define LEASE 1000

/* ---- The operations ---- */

static void
do_get(struct cache *c)
{
	uint64_t version;
	bool torn;

	get_version(c, 0, &version, &torn);
}

static void
do_get_stale(struct cache *c)
{
	cache_raise_all(c, 6);
	do_get(c);
}

static void
do_put_evicting(struct cache *c)
{
	put_version(c, 100, 6, 6);
}

static void
do_put_again(struct cache *c)
{
	put_version(c, 3, 6, 6);
}

static void
do_raise(struct cache *c)
{
	raise_version(c, 2, 7);
}

static void
do_extend(struct cache *c)
{
	cache_extend(c, LEASE + 1);
}

static void
do_join(struct cache *c)
{
	cache_join(c, 1, history_a, 5);
}

static void
do_join_new_history(struct cache *c)
{
	cache_join(c, 1, history_b, 9);
}

static void
do_invalidate(struct cache *c)
{
	char names[64];
	size_t used;

	cache_invalidate(c, make_key(4).floor, names, sizeof(names), &used);
}

static void
do_clear(struct cache *c)
{
	char names[64];
	size_t used;

	cache_clear(c, names, sizeof(names), &used);
}

static void
do_stats(struct cache *c)
{
	struct cache_stats out;

	cache_stats(c, 0, &out);
}

static void
do_fill(struct cache *c)
{
	char key[] = "info:5";
	uint64_t claim = cache_claim(c, key);

	cache_await(c, "info:6");
	put_version(c, 5, 6, 6);
	cache_release(c, key, claim);
}

static void (*const operations[])(struct cache *c) = {
    do_get,
    do_get_stale,
    do_put_evicting,
    do_put_again,
    do_raise,
    do_extend,
    do_join,
    do_join_new_history,
    do_invalidate,
    do_clear,
    do_stats,
    do_fill,
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* ---- One victim ---- */

/* Eight values of seq 5 fill the cache; replica 1 is here, and key 7 has been written at 5. Hits
 * may be given up to LEASE. */
static struct cache *
fill(void *mem, size_t size)
{
	struct cache_geometry g = small;
	struct cache *c;

	g.expected = 1 << 1;
	c = cache_format(mem, size, &g);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(cache_join(c, 1, history_a, 1), 0);
	cache_extend(c, LEASE);
	raise_version(c, 7, 5);
	for (unsigned n = 0; n < ENTRIES; n++)
		CU_ASSERT_EQUAL(put_version(c, n, 5, 5), 0);
	return c;
}

/* ---- What the survivor sees ---- */

/* Gets of everything: quick, whole, nothing of keys below `n` older than `floor`, and nothing at
 * all without a lease. */
static void
check_reads(struct cache *c, unsigned n, uint64_t floor)
{
	for (unsigned i = 0; i <= 100; i = i == ENTRIES ? 100 : i + 1) {
		uint64_t begun = clock_ms(), version;
		bool torn;
		enum cache_result result = get_version(c, i, &version, &torn);

		CU_ASSERT(clock_ms() - begun < STUCK_MS);
		CU_ASSERT_FALSE(torn);
		if (result == CACHE_HIT)
			CU_ASSERT(version >= 5 && (i >= n || version >= floor));
		result = get_version_at(c, i, LEASE + 1, &version, &torn);
		CU_ASSERT(result == CACHE_OFF || result == CACHE_TROUBLE);
	}
}

/* Nothing leaked: every entry and block can be used again, and a late fill is still refused. */
static void
check_whole(struct cache *c)
{
	struct cache_stats s;
	uint64_t version;
	bool torn;
	char value[2 * BLOCK] = "";

	CU_ASSERT_EQUAL(cache_join(c, 1, history_a, 20), 0);
	CU_ASSERT_EQUAL(put_version(c, 7, 19, 19), -1);
	for (unsigned n = 0; n < ENTRIES; n++) {
		struct key k = make_key(200 + n);

		CU_ASSERT_EQUAL(
		    cache_put(c, k.text, k.floor, 20, value, BLOCKS * BLOCK / ENTRIES), 0);
	}
	CU_ASSERT_EQUAL(cache_stats(c, 0, &s), 0);
	CU_ASSERT_EQUAL(s.entries, ENTRIES);
	CU_ASSERT_EQUAL(s.bytes, s.max_bytes);
	CU_ASSERT_EQUAL(put_version(c, 0, 20, 20), 0);
	cache_extend(c, LEASE); /* it is over only where the history changed */
	CU_ASSERT_EQUAL(get_version_at(c, 0, LEASE - 1, &version, &torn), CACHE_HIT);
	CU_ASSERT_EQUAL(version, 20);
}

static void
test_killed_everywhere(void)
{
	size_t size = cache_size(&small);
	void *mem = shared_memory(size);
	int status, total = 0;
	struct cache_stats s;
	pid_t pid;

	for (size_t i = 0; i < OPERATIONS; i++) {
		for (int step = 1; step <= STEPS_MAX; step++) {
			struct cache *c = fill(mem, size);
			bool killed = hit_at_step(operations[i], c, step, SIGKILL, &pid);

			check_reads(c, 0, 0);
			CU_ASSERT_EQUAL(cache_stats(c, LEASE - 1, &s), 0);
			CU_ASSERT(s.leased || operations[i] == do_join_new_history);
			raise_version(c, 0, 6);
			raise_version(c, 1, 6);
			check_reads(c, 2, 6);
			check_whole(c);
			cache_close(c);
			if (!killed)
				break;
			total++;
		}
	}
	CU_ASSERT_EQUAL(waitpid(-1, &status, WNOHANG), -1);
	printf("(%d deaths) ", total);
	munmap(mem, size);
}

/* Raises go through while somebody is stopped with the lock in his hands, and hold afterwards. */
static void
test_stopped_everywhere(void)
{
	size_t size = cache_size(&small);
	void *mem = shared_memory(size);
	int status, total = 0;
	pid_t pid;

	for (size_t i = 0; i < OPERATIONS; i++) {
		for (int step = 1; step <= STEPS_MAX; step++) {
			struct cache *c = fill(mem, size);
			bool stopped = hit_at_step(operations[i], c, step, SIGSTOP, &pid);

			check_reads(c, 0, 0);
			for (unsigned n = 0; n < 4; n++) {
				uint64_t begun = clock_ms();

				raise_version(c, n, 12);
				CU_ASSERT(clock_ms() - begun < STUCK_MS);
			}
			check_reads(c, 4, 12);
			if (stopped) {
				CU_ASSERT_EQUAL(kill(pid, SIGCONT), 0);
				check_reads(c, 4, 12);
				CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
				CU_ASSERT_EQUAL(status, 0);
			}
			check_reads(c, 4, 12);
			check_whole(c);
			cache_close(c);
			if (!stopped)
				break;
			total++;
		}
	}
	printf("(%d stops) ", total);
	munmap(mem, size);
}

/* ---- The lease ---- */

/* One row, as seen from the host: its newest acknowledged version, and the host's time. */
static struct {
	_Atomic uint64_t row, now;
} * host;

/* What is acknowledged is known, and the time, before a step that may take for ever. */
static void
read_linearizably(struct cache *c)
{
	uint64_t newest = host->row, now = host->now, version;
	bool torn;

	cache_fail_step();
	if (get_version_at(c, 1, now, &version, &torn) == CACHE_HIT && (torn || version < newest))
		_exit(1);
}

static void
read_twice(struct cache *c)
{
	read_linearizably(c);
	read_linearizably(c);
}

/* This host's replica is cut off: its lease runs out, and only then is the row written elsewhere.
 */
static void
write_elsewhere(struct cache *c)
{
	(void)c;
	host->now = LEASE;
	host->row = 9;
}

/* It comes back: what was written meanwhile raises the floors before the lease is extended. */
static void
come_back(struct cache *c)
{
	cache_raise_all(c, 9);
	cache_extend(c, 2 * LEASE);
}

/* A reader is stopped at every step while `happens`, which it may see or not, but never less than
 * what was acknowledged before it began. */
static int
stop_reader(
    void *mem, size_t size, void (*before)(struct cache *c), void (*happens)(struct cache *c))
{
	int status, step = 0;
	bool stopped;
	pid_t pid;

	do {
		struct cache *c = fill(mem, size);
		uint64_t begun = clock_ms();

		host->row = 5;
		host->now = LEASE - 1;
		if (before != NULL)
			before(c);
		stopped = hit_at_step(read_twice, c, ++step, SIGSTOP, &pid);
		happens(c);
		CU_ASSERT(clock_ms() - begun < STUCK_MS);
		if (stopped) {
			CU_ASSERT_EQUAL(kill(pid, SIGCONT), 0);
			CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
			CU_ASSERT_EQUAL(status, 0);
		}
		cache_close(c);
	} while (stopped && step < STEPS_MAX);
	return step - 1;
}

static void
test_stopped_past_the_lease(void)
{
	size_t size = cache_size(&small);
	void *mem = shared_memory(size);
	int total;

	host = shared_memory(sizeof(*host));
	total = stop_reader(mem, size, NULL, write_elsewhere);
	total += stop_reader(mem, size, write_elsewhere, come_back);
	printf("(%d stops) ", total);
	munmap(host, sizeof(*host));
	munmap(mem, size);
}

/* ---- Named segments ---- */

/* Stopped for longer than anybody waits: the others leave the segment to it, and when it wakes up
 * it must notice. */
static int
late_sleeper(void)
{
	struct cache *c = open_named(1 << 1 | 1 << 2);
	uint64_t version;
	bool torn;

	if (cache_join(c, 2, history_a, 5) != 0 || put_version(c, 2, 5, 5) != 0)
		return 1;
	cache_extend(c, FOR_EVER);
	cache_fail_signal = SIGSTOP;
	cache_fail_at = 2; /* has the lock */
	if (get_version(c, 2, &version, &torn) != CACHE_OFF)
		return 2;
	if (get_version(c, 2, &version, &torn) != CACHE_OFF || put_version(c, 1, 9, 9) == 0)
		return 3;
	if (cache_joined(c, 2, history_a) || cache_join(c, 2, history_a, 9) != 0)
		return 4;
	return 0;
}

static void
test_stopped_for_good(void)
{
	struct cache *c = open_named(1 << 1 | 1 << 2);
	uint64_t begun, version;
	int status;
	pid_t pid;
	bool torn;

	CU_ASSERT_EQUAL(cache_join(c, 1, history_a, 5), 0);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		_exit(late_sleeper());
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, WUNTRACED), pid);
	CU_ASSERT_FATAL(WIFSTOPPED(status));

	begun = clock_ms();
	raise_version(c, 1, 9);
	CU_ASSERT(clock_ms() - begun < STUCK_MS);
	while (cache_joined(c, 1, history_a) && clock_ms() - begun < 10000) {
		CU_ASSERT_NOT_EQUAL(get_version(c, 1, &version, &torn), CACHE_HIT);
		usleep(10000);
	}
	CU_ASSERT(clock_ms() - begun >= LOCK_PATIENT_MS);
	CU_ASSERT_EQUAL(cache_join(c, 1, history_a, 9), 0);
	CU_ASSERT_EQUAL(put_version(c, 1, 9, 9), -1); /* replica 2 is not there yet */
	CU_ASSERT_EQUAL(kill(pid, SIGCONT), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
	CU_ASSERT_EQUAL(put_version(c, 1, 9, 9), 0);
	CU_ASSERT_EQUAL(get_version(c, 1, &version, &torn), CACHE_OFF); /* a new lease is needed */
	cache_extend(c, FOR_EVER);
	CU_ASSERT_EQUAL(get_version(c, 1, &version, &torn), CACHE_HIT);
	cache_close(c);
	CU_ASSERT_EQUAL(cache_unlink(name), 0);
}

/* A join waits longer than a get, but not for ever; then it moves on. */
static void
test_join_past_a_stopped_holder(void)
{
	struct cache *c = open_named(1 << 1);
	uint64_t begun = clock_ms();
	int status;
	pid_t pid;

	CU_ASSERT(hit_at_step(do_get, c, 2, SIGSTOP, &pid));
	CU_ASSERT_EQUAL(cache_join(c, 1, history_a, 5), 0);
	CU_ASSERT(clock_ms() - begun < LOCK_PATIENT_MS + STUCK_MS);
	CU_ASSERT_EQUAL(put_version(c, 1, 5, 5), 0);
	CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	cache_close(c);
	CU_ASSERT_EQUAL(cache_unlink(name), 0);
}

int
main(void)
{
	CU_TestInfo tests[] = {
	    {"killed at every step of every operation", test_killed_everywhere},
	    {"stopped at every step of every operation", test_stopped_everywhere},
	    {"stopped while the lease runs out, or comes back", test_stopped_past_the_lease},
	    {"stopped for good with the lock", test_stopped_for_good},
	    {"a join gets past a stopped holder", test_join_past_a_stopped_holder},
	    CU_TEST_INFO_NULL,
	};

	return fault_main("cache crashes", tests);
}
