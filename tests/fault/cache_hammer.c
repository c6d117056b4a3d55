/*
 * Several processes use one segment as hard as they can, while others like them are killed or
 * stopped at random steps, with or without the lock, and the replica is cut off again and again, so
 * that writes go past the segment. Nobody may see a torn value, one older than what it knew before,
 * or wait for long; and the cache must go on giving hits.
 */
#include "tests/fault/cache_fault.h"

#define ROWS 12
#define READERS 2
#define HAMMER_MS 4000
#define LEASE_MS 10
#define AWAY 100     /* cut off at one write in so many, */
#define MISSED 5     /* for so many writes */
#define LONG_STOP 40 /* the how-manieth victim */

/* What all processes share: a store with one writer, and what they found wrong. */
static struct world {
	_Atomic uint64_t rows[ROWS]; /* seq of the last write */
	_Atomic uint64_t applied;
	_Atomic bool over;
	_Atomic uint64_t hits, front_hits, torn, stale, joins, cuts, slowest_ms;
} * world;

static bool is_victim; /* may be stopped, so its times say nothing */

static uint32_t
random_next(uint32_t *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

static void
note_time(uint64_t begun)
{
	uint64_t took = clock_ms() - begun, slowest = world->slowest_ms;

	while (!is_victim && took > slowest &&
	       !atomic_compare_exchange_weak(&world->slowest_ms, &slowest, took))
		continue;
}

/* What is in the row before the look-up is known: nothing older will do. */
static enum cache_result
look_up(struct cache *c, unsigned n)
{
	uint64_t newest = world->rows[n], begun = clock_ms(), version;
	enum cache_result result;
	bool torn;

	result = get_version_at(c, n, begun, &version, &torn);
	if (result == CACHE_HIT) {
		world->hits++;
		world->torn += torn;
		world->stale += !torn && version < newest;
	} else if (result == CACHE_OFF) {
		cache_reopen(c);
	}
	note_time(begun);
	return result;
}

/* As a worker reads. */
static void
read_row(struct cache *c, unsigned n)
{
	enum cache_result result = look_up(c, n);

	if (result == CACHE_MISS || result == CACHE_TROUBLE) {
		uint64_t seq = world->applied;

		put_version(c, n, seq, world->rows[n]);
	}
}

/* As nginx's module does. */
static int
front_main(uint32_t random)
{
	struct cache *c = cache_front(name);

	if (c == NULL)
		return 1;
	while (!world->over)
		world->front_hits += look_up(c, random_next(&random) % ROWS) == CACHE_HIT;
	cache_close(c);
	return 0;
}

static int
reader_main(uint32_t random)
{
	struct cache *c = open_named(1 << 1);

	while (!world->over)
		read_row(c, random_next(&random) % ROWS);
	cache_close(c);
	return 0;
}

static void
write_row(unsigned n, uint64_t seq)
{
	world->rows[n] = seq;
	world->applied = seq;
}

/* What the replica does every now and then: join where it has to, extend the lease. Returns the
 * lease's end. */
static uint64_t
look_after(struct cache *c)
{
	uint64_t until = clock_ms() + LEASE_MS;

	if (!cache_joined(c, 1, history_a)) {
		cache_join(c, 1, history_a, world->applied); /* or the next time */
		world->joins++;
	}
	cache_extend(c, until);
	return until;
}

/* Cut off until the lease is over and rows are written elsewhere; then back. */
static void
be_away(struct cache *c, uint64_t lease, uint32_t *random)
{
	while (clock_ms() < lease)
		usleep(1000);
	for (int i = 0; i < MISSED; i++) {
		write_row(random_next(random) % ROWS, world->applied + 1);
		usleep(1000);
	}
	cache_raise_all(c, world->applied);
	world->cuts++;
}

/* The one replica: raises, then lets the write be seen. */
static int
writer_main(uint32_t random)
{
	struct cache *c = open_named(1 << 1);
	uint64_t lease = 0;

	for (unsigned i = 0; !world->over; i++) {
		unsigned n = random_next(&random) % ROWS;
		uint64_t seq = world->applied + 1, begun;

		if (i % 8 == 0)
			lease = look_after(c);
		begun = clock_ms();
		raise_version(c, n, seq);
		note_time(begun);
		write_row(n, seq);
		if (i % AWAY == AWAY - 1)
			be_away(c, lease, &random);
		usleep(100);
	}
	cache_close(c);
	return 0;
}

/* Reads, and what else anybody may do at any time, until its step comes. */
static int
victim_main(uint32_t random, int signal)
{
	struct cache *c = open_named(1 << 1);
	size_t used;

	is_victim = true;
	cache_fail_signal = signal;
	cache_fail_at = 1 + (int)(random_next(&random) % 400);
	while (cache_fail_at > 0 && !world->over) {
		unsigned n = random_next(&random) % ROWS;

		if (random_next(&random) % 50 == 0)
			cache_invalidate(c, make_key(n).floor, NULL, 0, &used);
		else if (random_next(&random) % 50 == 0)
			raise_version(c, n, world->rows[n]);
		else
			read_row(c, n);
	}
	for (int i = 0; i < 100; i++)
		read_row(c, random_next(&random) % ROWS);
	cache_close(c);
	return 0;
}

static pid_t
start(int (*run)(uint32_t), uint32_t random)
{
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		_exit(run(random));
	return pid;
}

/* Every fourth victim is stopped instead of killed, and one so long that the segment is given up.
 */
static void
sacrifice(unsigned victim, uint32_t random)
{
	int signal = victim % 4 == 0 ? SIGSTOP : SIGKILL, status;
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		_exit(victim_main(random, signal));
	CU_ASSERT_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
	if (!WIFSTOPPED(status))
		return;
	usleep(victim == LONG_STOP ? (LOCK_PATIENT_MS + 200) * 1000 : 5000);
	CU_ASSERT_EQUAL(kill(pid, SIGCONT), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void
test_hammer(void)
{
	uint32_t random = (uint32_t)clock_ms();
	uint64_t begun = clock_ms();
	pid_t others[READERS + 2];
	unsigned victims = 0;
	int status;

	printf("(seed %u) ", random);
	others[READERS] = start(writer_main, random);
	others[READERS + 1] = start(front_main, random);
	for (unsigned i = 0; i < READERS; i++)
		others[i] = start(reader_main, random + i);
	for (; victims <= LONG_STOP || clock_ms() - begun < HAMMER_MS; victims++)
		sacrifice(victims, random_next(&random));
	world->over = true;
	for (unsigned i = 0; i < READERS + 2; i++) {
		CU_ASSERT_EQUAL(waitpid(others[i], &status, 0), others[i]);
		CU_ASSERT_EQUAL(status, 0);
	}
	printf(
	    "(%u victims, %llu hits, %llu of them a front's, %llu writes, %llu joins, %llu cuts, "
	    "slowest %llu ms) ",
	    victims, (unsigned long long)world->hits, (unsigned long long)world->front_hits,
	    (unsigned long long)world->applied, (unsigned long long)world->joins,
	    (unsigned long long)world->cuts, (unsigned long long)world->slowest_ms);
	CU_ASSERT_EQUAL(world->torn, 0);
	CU_ASSERT_EQUAL(world->stale, 0);
	CU_ASSERT(world->slowest_ms < STUCK_MS);
	CU_ASSERT(world->hits > 1000 && world->applied > 1000 && world->cuts > 10);
	CU_ASSERT(world->front_hits > 1000);
}

int
main(void)
{
	CU_TestInfo tests[] = {{"hammer", test_hammer}, CU_TEST_INFO_NULL};

	world = shared_memory(sizeof(*world));
	return fault_main("cache hammer", tests);
}
