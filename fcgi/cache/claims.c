/*
 * Claims: one word for some keys each, which holds the end of the claim and what is left of the
 * key's hash. Whatever stands in a word, it is believed for CACHE_CLAIM_MS at most.
 */
#include <string.h>
#include <time.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/hash.h"
#include "fcgi/cache/handle.h"

#define TAG_BITS 20
#define TAG_MASK ((UINT64_C(1) << TAG_BITS) - 1)
#define AWAIT_PAUSE_NS 200000

struct place {
	unsigned slot;
	uint64_t tag;
};

static struct place
place_of(const char *key)
{
	uint64_t hash = hash64(key, strlen(key));

	return (struct place){(unsigned)(hash % SEGMENT_CLAIMS), hash >> (64 - TAG_BITS)};
}

static bool
in_force(uint64_t word, uint64_t now)
{
	uint64_t end = word >> TAG_BITS;

	return now < end && end <= now + CACHE_CLAIM_MS;
}

/* The word itself, while the segment is kept mapped by the read lock. NULL: there is none. */
static _Atomic uint64_t *
word_at(struct cache *c, unsigned slot)
{
	return c->segment.head != NULL ? &c->segment.head->claims[slot] : NULL;
}

uint64_t
cache_claim(struct cache *c, const char *key)
{
	struct place p = place_of(key);
	uint64_t now = clock_ms(), claim = 0, was;
	_Atomic uint64_t *word;

	pthread_rwlock_rdlock(&c->map_lock);
	word = word_at(c, p.slot);
	was = word != NULL ? atomic_load(word) : 0;
	if (word != NULL && !in_force(was, now)) {
		claim = (now + CACHE_CLAIM_MS) << TAG_BITS | p.tag;
		if (!atomic_compare_exchange_strong(word, &was, claim))
			claim = 0;
	}
	pthread_rwlock_unlock(&c->map_lock);
	return claim;
}

void
cache_release(struct cache *c, const char *key, uint64_t claim)
{
	_Atomic uint64_t *word;

	pthread_rwlock_rdlock(&c->map_lock);
	word = word_at(c, place_of(key).slot);
	if (word != NULL)
		atomic_compare_exchange_strong(word, &claim, 0);
	pthread_rwlock_unlock(&c->map_lock);
}

static bool
is_claimed(struct cache *c, const struct place *p, uint64_t now)
{
	const _Atomic uint64_t *word;
	uint64_t claim;

	pthread_rwlock_rdlock(&c->map_lock);
	word = word_at(c, p->slot);
	claim = word != NULL ? atomic_load(word) : 0;
	pthread_rwlock_unlock(&c->map_lock);
	return (claim & TAG_MASK) == p->tag && in_force(claim, now);
}

bool
cache_await(struct cache *c, const char *key)
{
	const struct timespec pause = {.tv_nsec = AWAIT_PAUSE_NS};
	struct place p = place_of(key);
	uint64_t now = clock_ms(), end = now + CACHE_CLAIM_MS;
	bool waited = false;

	while (now < end && is_claimed(c, &p, now)) {
		waited = true;
		nanosleep(&pause, NULL);
		now = clock_ms();
	}
	return waited;
}
