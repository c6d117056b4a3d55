#include "fcgi/cache/cache.h"

#include <errno.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/cache/handle.h"
#include "fcgi/cache/table.h"
#include "replica/core/plant.h"

/* ---- Going in and out ---- */

/* What is mapped, kept so until unborrow; NULL: nothing is. */
static struct segment *
borrow(struct cache *c)
{
	pthread_rwlock_rdlock(&c->map_lock);
	if (c->segment.head != NULL)
		return &c->segment;
	pthread_rwlock_unlock(&c->map_lock);
	return NULL;
}

static void
unborrow(struct cache *c)
{
	pthread_rwlock_unlock(&c->map_lock);
}

/* The same with the segment's lock, or NULL. A front has no patience at all. */
static struct segment *
enter(struct cache *c, unsigned patience_ms)
{
	struct segment *s = borrow(c);

	if (s == NULL || segment_lock(s, c->front ? 0 : patience_ms) == 0)
		return s;
	unborrow(c);
	return NULL;
}

static void
leave(struct cache *c)
{
	segment_unlock(&c->segment);
	unborrow(c);
}

static bool
is_dead(struct cache *c)
{
	bool dead;

	pthread_rwlock_rdlock(&c->map_lock);
	dead = segment_dead(&c->segment);
	pthread_rwlock_unlock(&c->map_lock);
	return dead;
}

/* ---- Reading and filling ---- */

static uint64_t
item_check(const struct item *item, const char *key, uint64_t value_hash)
{
	const uint64_t parts[] = {
	    value_hash, hash64(key, item->key_len), item->floor_key, item->seq};

	return hash64(parts, sizeof(parts));
}

/* The lease first; then the value is copied, and judged by its floor last: see the argument in
 * cache.h. */
static enum cache_result
look_up(
    struct segment *s, const char *key, uint64_t now_ms, struct item *item, void *out, size_t size)
{
	const struct entry *e;
	bool found, copied;
	uint32_t i;

	if (!segment_leased(s, now_ms))
		return CACHE_OFF;
	CACHE_STEP();
	i = table_find(s, key, item->key_len, item->floor_key);
	e = table_entry(s, i);
	found = i < s->geometry.entries;
	copied = found && table_read(s, e, out, size);
	CACHE_STEP();
	if (!segment_ready(s))
		return CACHE_OFF;
	if (found && e->item.seq < segment_floor(s, item->floor_key)) {
		table_remove(s, i);
		s->head->counters.stale++;
		return CACHE_MISS;
	}
	if (!copied)
		return CACHE_MISS;
	*item = e->item;
	table_touch(s, i);
	return CACHE_HIT;
}

/* What was copied is not what was stored: somebody wrote where they should not. */
static void
discard(struct cache *c)
{
	struct segment *s = enter(c, LOCK_BRIEF_MS);

	if (s == NULL)
		return;
	table_recover(s);
	s->head->counters.hits--;
	s->head->counters.misses += !c->front;
	leave(c);
}

enum cache_result
cache_get(struct cache *c, const char *key, uint64_t floor_key, uint64_t now_ms, void *out,
    size_t size, struct cache_hit *hit)
{
	struct item item = {.floor_key = floor_key, .key_len = (uint32_t)strlen(key)};
	struct segment *s = enter(c, LOCK_BRIEF_MS);
	enum cache_result result;

	if (s == NULL)
		return is_dead(c) ? CACHE_OFF : CACHE_TROUBLE;
	result = look_up(s, key, now_ms, &item, out, size);
	CACHE_STEP();
	if (result == CACHE_HIT)
		s->head->counters.hits++;
	else if (!c->front)
		s->head->counters.misses++;
	leave(c);

	if (result != CACHE_HIT)
		return result;

	/* The copy is ours: hashing it need not keep others waiting. */
	hit->len = item.len;
	hit->seq = item.seq;
	hit->hash = hash64(out, item.len);
	if (item.check == item_check(&item, key, hit->hash))
		return CACHE_HIT;
	discard(c);
	return CACHE_MISS;
}

static int
store(struct segment *s, const struct item *item, const char *key, const void *value)
{
	uint32_t old;

	if (!segment_ready(s) || item->seq < segment_floor(s, item->floor_key)) {
		s->head->counters.refused++;
		return -1;
	}
	old = table_find(s, key, item->key_len, item->floor_key);
	if (old < s->geometry.entries)
		table_remove(s, old);
	table_add(s, item, key, value);
	return s->broken ? -1 : 0;
}

int
cache_put(struct cache *c, const char *key, uint64_t floor_key, uint64_t seq, const void *value,
    size_t len)
{
	struct item item = {.floor_key = floor_key,
	    .seq = seq,
	    .len = (uint32_t)len,
	    .key_len = (uint32_t)strlen(key)};
	struct segment *s;
	int rc = -1;

	item.check = item_check(&item, key, hash64(value, len));
	s = enter(c, LOCK_BRIEF_MS);
	if (s == NULL)
		return -1;
	if (len <= s->geometry.value_max && strlen(key) <= CACHE_KEY_MAX)
		rc = store(s, &item, key, value);
	else
		s->head->counters.refused++;
	leave(c);
	return rc;
}

/* ---- Replicas ---- */

void
cache_raise(struct cache *c, const uint64_t *floor_keys, size_t count, uint64_t seq)
{
	struct segment *s = borrow(c);

	if (s == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		segment_raise(s, floor_keys[i], seq);
	if (segment_lock(s, LOCK_BRIEF_MS) == 0) {
		for (size_t i = 0; i < count; i++)
			s->head->counters.invalidations +=
			    table_remove_key(s, floor_keys[i], seq, NULL, NULL);
		segment_unlock(s);
	}
	unborrow(c);
}

void
cache_raise_all(struct cache *c, uint64_t seq)
{
	struct segment *s = borrow(c);

	if (s == NULL)
		return;
	segment_raise_all(s, seq);
	unborrow(c);
}

void
cache_extend(struct cache *c, uint64_t until_ms)
{
	struct segment *s = borrow(c);

	if (s == NULL)
		return;
	segment_extend(s, until_ms);
	unborrow(c);
}

/* Nobody counts as present while the floors are down, so a crash in here leaves the cache off. A
 * late raise by a replica of the old history can only make a floor too high: misses. */
static void
start_over(struct segment *s, const uint8_t incarnation[CACHE_INCARNATION])
{
	s->head->joined = 0;
	CACHE_STEP();
	segment_end_lease(s);
	CACHE_STEP();
	atomic_store(&s->head->floor_all, 0);
	CACHE_STEP();
	for (uint32_t i = 0; i < s->geometry.stripes; i++)
		atomic_store_explicit(&s->floors[i], 0, memory_order_release);
	CACHE_STEP();
	if (!PLANTED(C3))
		table_flush(s);
	CACHE_STEP();
	memcpy(s->head->incarnation, incarnation, CACHE_INCARNATION);
	CACHE_STEP();
}

static bool
same_incarnation(const struct segment *s, const uint8_t incarnation[CACHE_INCARNATION])
{
	return memcmp(s->head->incarnation, incarnation, CACHE_INCARNATION) == 0;
}

static void
admit(struct segment *s, unsigned replica, const uint8_t incarnation[CACHE_INCARNATION],
    uint64_t last_seq)
{
	if (!same_incarnation(s, incarnation))
		start_over(s, incarnation);
	if (!PLANTED(C2))
		segment_raise_all(s, last_seq);
	s->head->joined |= UINT32_C(1) << replica;
	CACHE_STEP();
}

int
cache_join(struct cache *c, unsigned replica, const uint8_t incarnation[CACHE_INCARNATION],
    uint64_t last_seq)
{
	if (replica > CACHE_REPLICA_MAX) {
		errno = EINVAL;
		return -1;
	}
	/* The second time in a new segment. */
	for (int tries = 0; tries < 2; tries++) {
		struct segment *s = enter(c, LOCK_PATIENT_MS);

		if (s != NULL && !segment_dead(s)) {
			admit(s, replica, incarnation, last_seq);
			leave(c);
			return 0;
		}
		if (s != NULL)
			leave(c);
		if (cache_reopen(c) != 0)
			return -1;
	}
	errno = EAGAIN;
	return -1;
}

bool
cache_joined(struct cache *c, unsigned replica, const uint8_t incarnation[CACHE_INCARNATION])
{
	struct segment *s;
	bool joined;

	if (replica > CACHE_REPLICA_MAX || !handle_alive(c))
		return false;
	s = enter(c, LOCK_BRIEF_MS);
	if (s == NULL)
		return !is_dead(c); /* not to be known now */
	joined = (s->head->joined >> replica & 1) != 0 && same_incarnation(s, incarnation);
	leave(c);
	return joined;
}

/* ---- Removing by hand, counting ---- */

struct names {
	char *at;
	size_t size;
	size_t used;
};

static void
note_name(void *arg, const struct entry *e)
{
	struct names *names = arg;
	size_t len = strnlen(e->key, CACHE_KEY_MAX);

	if (len >= names->size - names->used)
		return;
	memcpy(names->at + names->used, e->key, len);
	names->at[names->used + len] = '\0';
	names->used += len + 1;
}

int
cache_invalidate(struct cache *c, uint64_t floor_key, char *names, size_t size, size_t *used)
{
	struct names list = {.at = names, .size = size};
	struct segment *s = enter(c, LOCK_PATIENT_MS);
	uint32_t removed;

	*used = 0;
	if (s == NULL)
		return is_dead(c) ? 0 : -1;
	removed = table_remove_key(s, floor_key, UINT64_MAX, note_name, &list);
	s->head->counters.invalidations += removed;
	leave(c);
	*used = list.used;
	return (int)removed;
}

int
cache_clear(struct cache *c, char *names, size_t size, size_t *used)
{
	struct names list = {.at = names, .size = size};
	struct segment *s = enter(c, LOCK_PATIENT_MS);
	uint32_t removed;

	*used = 0;
	if (s == NULL)
		return is_dead(c) ? 0 : -1;
	removed = table_remove_all(s, note_name, &list);
	s->head->counters.invalidations += removed;
	leave(c);
	*used = list.used;
	return (int)removed;
}

int
cache_stats(struct cache *c, uint64_t now_ms, struct cache_stats *out)
{
	struct segment *s = enter(c, LOCK_PATIENT_MS);
	bool dead;

	if (s == NULL)
		return -1;
	*out = s->head->counters;
	out->entries = s->head->used;
	out->max_entries = s->geometry.entries;
	out->bytes = (uint64_t)(s->geometry.blocks - s->head->free_blocks) * s->geometry.block_size;
	out->max_bytes = (uint64_t)s->geometry.blocks * s->geometry.block_size;
	out->ready = segment_ready(s);
	out->leased = segment_leased(s, now_ms);
	dead = segment_dead(s);
	leave(c);
	return dead ? -1 : 0;
}
