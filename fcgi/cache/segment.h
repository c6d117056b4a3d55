/*
 * Inside a segment: its layout, its lock, and what makes it believed or dead. For fcgi/cache/ only.
 *
 *   header | floors[stripes] | entries[entries + 1] | buckets[] | next[blocks] | blocks
 *
 * Everything refers to everything by index. The segment may have been scribbled over, so sizes come
 * from this process's own view (checked when it was attached) and every index is checked on use.
 */
#ifndef BAZAR_CACHE_SEGMENT_H
#define BAZAR_CACHE_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "fcgi/cache/cache.h"

#define SEGMENT_CLAIMS 64

#define LOCK_BRIEF_MS 2
#define LOCK_PATIENT_MS 1000 /* then the segment is marked dead */

/* A place where a test may kill or stop the process: between any two stores. The three are defined
 * only with CACHE_FAILPOINTS. */
extern _Atomic int cache_fail_at; /* the how-manieth step from now; 0: none */
extern int cache_fail_signal;
void cache_fail_step(void);
#ifdef CACHE_FAILPOINTS
#define CACHE_STEP() cache_fail_step()
#else
#define CACHE_STEP() ((void)0)
#endif

struct header {
	_Atomic uint64_t magic; /* written last */
	_Atomic uint32_t dead;  /* set once, never cleared; stays in this place in any layout */
	struct cache_geometry geometry;
	uint64_t check; /* hash of the geometry and of this layout */

	_Atomic uint64_t floor_all;   /* a floor under all floors */
	_Atomic uint64_t lease;       /* ms of CLOCK_BOOTTIME: no hit from then on */
	_Atomic uint64_t stuck_since; /* ms: one waits for the lock, and none got it since; 0: no */

	pthread_mutex_t mutex; /* guards all that follows, and everything behind the floors */
	uint8_t incarnation[CACHE_INCARNATION];
	uint32_t joined; /* bit per replica */
	uint32_t used;   /* entries */
	uint32_t free_entry;
	uint32_t free_block;
	uint32_t free_blocks;
	struct cache_stats counters; /* the counting members only */

	/* Keys that somebody fills right now, without the lock: see claims.c. */
	_Atomic uint64_t claims[SEGMENT_CLAIMS];
};

/* What is known of a value. */
struct item {
	uint64_t floor_key;
	uint64_t seq;
	uint64_t check; /* hash of value, key, floor key and seq */
	uint32_t len;
	uint32_t key_len;
};

/* entries[geometry.entries] is the head of the LRU ring: its `next` is the most recently used. Its
 * index also ends every chain of entries. */
struct entry {
	struct item item;
	uint32_t block; /* the first of its value */
	uint32_t prev, next;
	uint32_t chain; /* next of the bucket, or next free entry */
	char key[CACHE_KEY_MAX + 1];
};

/* One process's view of a segment. */
struct segment {
	struct header *head; /* NULL: none */
	_Atomic uint64_t *floors;
	struct entry *entries;
	uint32_t *buckets;
	uint32_t *next; /* of each block in its chain */
	uint8_t *blocks;
	struct cache_geometry geometry; /* our copy */
	uint32_t bucket_mask;
	size_t size;
	bool broken; /* under the lock: something impossible was met; unlocking empties */
};

/* Bytes, or 0 when the geometry is impossible. */
size_t segment_size(const struct cache_geometry *g);

/* Make a new segment in `mem` of segment_size(g) bytes, or attach to the one found in it.
 * 0, or -1: the lock cannot be made; what is found there is no segment of `size` bytes of ours. */
int segment_format(struct segment *s, void *mem, const struct cache_geometry *g);
int segment_attach(struct segment *s, void *mem, size_t size);

/* 0, or -1: not within the time. A holder's death is repaired on the way. After -1 with
 * LOCK_PATIENT_MS the segment is dead. It may also be dead after 0. */
int segment_lock(struct segment *s, unsigned patience_ms);
void segment_unlock(struct segment *s);

void segment_kill(struct segment *s);
bool segment_dead(const struct segment *s); /* also when there is none */

/* Before a hit or fill (under the lock): every expected replica has joined. */
bool segment_ready(const struct segment *s);

/* The lease: atomic, no lock needed. Ended only for another incarnation. */
bool segment_leased(const struct segment *s, uint64_t now_ms);
void segment_extend(struct segment *s, uint64_t until_ms);
void segment_end_lease(struct segment *s);

/* Floors: atomic, no lock needed. */
uint64_t segment_floor(const struct segment *s, uint64_t floor_key);
void segment_raise(struct segment *s, uint64_t floor_key, uint64_t seq);
void segment_raise_all(struct segment *s, uint64_t seq);

#endif
