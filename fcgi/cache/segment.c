#include "fcgi/cache/segment.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "fcgi/base/hash.h"
#include "fcgi/cache/table.h"
#include "replica/core/plant.h"

#define SEGMENT_MAGIC UINT64_C(0x31656863617a6142) /* "Bazache1" */

#define LOCK_SPINS 200
#define LOCK_PAUSE_NS 20000

#ifdef CACHE_FAILPOINTS
_Atomic int cache_fail_at;
int cache_fail_signal = SIGKILL;

void
cache_fail_step(void)
{
	if (cache_fail_at > 0 && --cache_fail_at == 0)
		raise(cache_fail_signal);
}
#endif

/* ---- Layout ---- */

static bool
possible(const struct cache_geometry *g)
{
	return g->entries >= 1 && g->entries <= 65536 && g->stripes >= 1 && g->stripes <= 1 << 20 &&
	       g->block_size >= 16 && g->block_size <= 65536 && g->blocks >= 1 &&
	       g->blocks <= 1 << 20 && g->value_max <= 1 << 30 &&
	       g->value_max <= (uint64_t)g->blocks * g->block_size;
}

static uint32_t
bucket_count(const struct cache_geometry *g)
{
	uint32_t n = 1;

	while (n < g->entries)
		n *= 2;
	return n;
}

/* The widest parts come first, so every part is aligned. */
static void
lay_out(struct segment *s, void *mem, const struct cache_geometry *g)
{
	uint8_t *at = mem;

	s->geometry = *g;
	s->bucket_mask = bucket_count(g) - 1;
	s->size = segment_size(g);
	s->broken = false;
	s->head = (struct header *)at;
	at += sizeof(*s->head);
	s->floors = (_Atomic uint64_t *)at;
	at += g->stripes * sizeof(*s->floors);
	s->entries = (struct entry *)at;
	at += (g->entries + 1) * sizeof(*s->entries);
	s->buckets = (uint32_t *)at;
	at += bucket_count(g) * sizeof(*s->buckets);
	s->next = (uint32_t *)at;
	at += g->blocks * sizeof(*s->next);
	s->blocks = at;
}

size_t
segment_size(const struct cache_geometry *g)
{
	if (!possible(g))
		return 0;
	return sizeof(struct header) + g->stripes * sizeof(uint64_t) +
	       (g->entries + 1) * sizeof(struct entry) + bucket_count(g) * sizeof(uint32_t) +
	       g->blocks * (sizeof(uint32_t) + (size_t)g->block_size);
}

static uint64_t
layout_check(const struct cache_geometry *g)
{
	const uint64_t parts[] = {sizeof(struct header), sizeof(struct entry), g->entries,
	    g->stripes, g->block_size, g->blocks, g->value_max, g->expected};

	return hash64(parts, sizeof(parts));
}

/* ---- Making and believing ---- */

static int
make_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int rc;

	if (pthread_mutexattr_init(&attr) != 0)
		return -1;
	rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (rc == 0)
		rc = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (rc == 0)
		rc = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

int
segment_format(struct segment *s, void *mem, const struct cache_geometry *g)
{
	lay_out(s, mem, g);
	memset(s->head, 0, sizeof(*s->head));
	CACHE_STEP();
	memset(s->floors, 0, g->stripes * sizeof(*s->floors));
	CACHE_STEP();
	s->head->geometry = *g;
	s->head->check = layout_check(g);
	CACHE_STEP();
	if (make_mutex(&s->head->mutex) != 0)
		return -1;
	CACHE_STEP();
	table_flush(s);
	CACHE_STEP();
	atomic_store(&s->head->magic, SEGMENT_MAGIC);
	return 0;
}

int
segment_attach(struct segment *s, void *mem, size_t size)
{
	const struct header *head = mem;
	struct cache_geometry g;

	if (size < sizeof(*head) || atomic_load(&head->magic) != SEGMENT_MAGIC)
		return -1;
	g = head->geometry;
	if (head->check != layout_check(&g) || segment_size(&g) != size)
		return -1;
	lay_out(s, mem, &g);
	return 0;
}

void
segment_kill(struct segment *s)
{
	atomic_store(&s->head->dead, 1);
}

bool
segment_dead(const struct segment *s)
{
	return s->head == NULL || atomic_load(&s->head->dead) != 0;
}

bool
segment_ready(const struct segment *s)
{
	return (s->head->joined & s->geometry.expected) == s->geometry.expected && !segment_dead(s);
}

/* ---- The lock ---- */

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Held for some 100 ns: a few more tries are much cheaper than going to sleep. */
static int
lock_at_once(pthread_mutex_t *mutex)
{
	int rc = pthread_mutex_trylock(mutex);

	for (int i = 0; rc == EBUSY && i < LOCK_SPINS; i++)
		rc = pthread_mutex_trylock(mutex);
	return rc;
}

/*
 * Whoever holds it has been put to sleep, or stopped. All who wait count from the moment the first
 * of them had to, so that a stopped holder costs one wait, not one for each thread. (A waiter that
 * gave up long ago and a holder that has the lock but has not yet said so, a few instructions long,
 * could make this kill a sound segment: an empty cache, no more.)
 */
static int
lock_busy(struct segment *s, unsigned patience_ms)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	uint64_t now = now_ms(), since = 0;
	int rc = EBUSY;

	if (atomic_compare_exchange_strong(&s->head->stuck_since, &since, now) || since > now)
		since = now;
	while (rc == EBUSY && now < since + patience_ms) {
		nanosleep(&pause, NULL);
		rc = lock_at_once(&s->head->mutex);
		now = now_ms();
	}
	if (rc == EBUSY && now >= since + LOCK_PATIENT_MS)
		segment_kill(s);
	return rc;
}

int
segment_lock(struct segment *s, unsigned patience_ms)
{
	int rc = lock_at_once(&s->head->mutex);

	if (rc == EBUSY)
		rc = lock_busy(s, patience_ms);
	if (rc == EBUSY)
		return -1;
	if (rc != 0 && rc != EOWNERDEAD) {
		segment_kill(s); /* given up by a user that did not repair it, or damaged */
		return -1;
	}
	CACHE_STEP();
	if (atomic_load_explicit(&s->head->stuck_since, memory_order_relaxed) != 0)
		atomic_store_explicit(&s->head->stuck_since, 0, memory_order_relaxed);
	if (rc == EOWNERDEAD) {
		table_recover(s);
		CACHE_STEP();
		pthread_mutex_consistent(&s->head->mutex);
	}
	CACHE_STEP();
	return 0;
}

void
segment_unlock(struct segment *s)
{
	if (s->broken)
		table_recover(s);
	CACHE_STEP();
	pthread_mutex_unlock(&s->head->mutex);
}

/* ---- Floors and lease ---- */

/* One word, so whoever is killed has raised it or not. */
static void
raise_to(_Atomic uint64_t *word, uint64_t value)
{
	uint64_t now = atomic_load(word);

	CACHE_STEP();
	while (now < value && !atomic_compare_exchange_weak(word, &now, value))
		continue;
	CACHE_STEP();
}

bool
segment_leased(const struct segment *s, uint64_t now_ms)
{
	return PLANTED(C4) || now_ms < atomic_load(&s->head->lease);
}

void
segment_extend(struct segment *s, uint64_t until_ms)
{
	raise_to(&s->head->lease, until_ms);
}

void
segment_end_lease(struct segment *s)
{
	atomic_store(&s->head->lease, 0);
}

uint64_t
segment_floor(const struct segment *s, uint64_t floor_key)
{
	uint64_t own = atomic_load(&s->floors[floor_key % s->geometry.stripes]);
	uint64_t all = atomic_load(&s->head->floor_all);

	return own > all ? own : all;
}

void
segment_raise(struct segment *s, uint64_t floor_key, uint64_t seq)
{
	raise_to(&s->floors[floor_key % s->geometry.stripes], seq);
}

void
segment_raise_all(struct segment *s, uint64_t seq)
{
	raise_to(&s->head->floor_all, seq);
}
