/*
 * The cache of ready response bodies: one shared-memory segment per host, an exact LRU used by all
 * replicas (and by nginx) on that host. Offsets only, no logging, no exit, libc, pthreads and
 * xxhash only, so that any program can map it. Trouble here means slower, never wrong.
 *
 * KEYS. An entry has a full key ("search:nature|100|") and a floor key: the hash64 of the key
 * without paging (hash64 of "search:nature"), which is also what log entries list as touched.
 *
 * FLOORS. Every stripe of floor keys has a floor, a log sequence number that only grows. Preparing
 * log entry n raises the floors of what it touches to n before n is acknowledged. A value carries
 * the applied seq its reader saw *before* it read the rows. It is handed out only while its seq is
 * not below its floor, and this is asked at every get, after the value was copied.
 *
 * LEASE. A time (CLOCK_BOOTTIME, the same for all processes of the host) before which no write can
 * be committed without a replica that raises floors here. The replicas that may serve extend it;
 * each get asks for it before it looks anything up. A lost extension means misses.
 *
 * Why no stale hit. A get reads the clock (in its caller), then the lease, then copies, then loads
 * the floor. Let it read c from the clock and a lease L > c, for which a replica vouched at time v
 * (it looked at its own right to serve at v, for up to L). The get is linearized at p = max(c, v),
 * which lies within it: at c, unless the lease had run out and was given anew after c.
 * Since p < L, whatever was committed at p had been prepared by that replica, so its floors had
 * been raised; the get loads the floor after p, sees them, and gives nothing older. What is newer
 * was committed within the get. It does not matter how long the get, or the extension, was stopped
 * between its steps, or that the lease has run out since: only floors raised before p are needed,
 * and floors never fall. (With the floor loaded before the lease it would be wrong: everything
 * between the two, a write elsewhere and the return of the replica, would be missed.)
 * Floors and lease are atomic words, raised without the lock. So neither a late fill (stored or
 * refused, it is below the floor), nor a crash between two stores, nor a process stopped for ever
 * while it holds the lock can bring an old value back, or hold up a raise or an extension.
 *
 * LOCK. A robust process-shared mutex guards everything but the floors, only to copy memory. A get
 * or put waits for it 2 ms at most, counted from the moment the first one had to wait, so a stopped
 * holder does not slow everyone down. Its death empties the segment and keeps the floors. When
 * nobody has got it for 1 s the segment is marked dead, which every get asks after copying too: a
 * holder that wakes up later writes into memory nobody believes any more.
 *
 * REPLACEMENT. A new segment has no lease, gives no hit and takes no fill before each expected
 * replica has joined it, which raises all its floors to that replica's last log seq; from then on
 * the replica's raises go to that segment, until it is dead. The old one is marked dead before the
 * new one is made. So at most one segment gives hits, and it has every replica's raises. (If its
 * name was removed behind our backs, the old one is marked dead by the first cache_joined.)
 *
 * THREADS. Any thread of any process may call anything on a handle, except that the raises, joins
 * and extensions of one replica come from one thread, and close comes last.
 */
#ifndef BAZAR_CACHE_H
#define BAZAR_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_KEY_MAX 639 /* bytes of a full key, without the NUL */
#define CACHE_VALUE_MAX (256 * 1024)
#define CACHE_REPLICA_MAX 31 /* replica ids are 0 to this */
#define CACHE_INCARNATION 16 /* bytes: a UUID naming the stores' history */

struct cache;

/* `expected`: bit (1 << id) for each replica on this host; 0: usable without any join. */
struct cache_geometry {
	uint32_t entries;    /* 1 to 65,536 */
	uint32_t stripes;    /* floors; 1 to 1,048,576 */
	uint32_t block_size; /* bytes; values are kept in chains of blocks; 16 to 65,536 */
	uint32_t blocks;     /* all values together; 1 to 1,048,576 */
	uint32_t value_max;  /* bytes of one value; at most blocks * block_size, and 1 GiB */
	uint32_t expected;
};

#define CACHE_GEOMETRY_DEFAULT                                                                     \
	{                                                                                          \
		.entries = 100, .stripes = 16384, .block_size = 1024, .blocks = 4096,              \
		.value_max = CACHE_VALUE_MAX                                                       \
	}

/* ---- Segments and handles ---- */

/* Bytes a segment of this geometry takes; 0: the geometry is impossible. */
size_t cache_size(const struct cache_geometry *g);

/* A new, empty cache in the caller's memory (aligned for any type), which outlives the handle.
 * Costs time for entries, stripes and blocks, not for bytes. NULL: errno is EINVAL or ENOMEM. */
struct cache *cache_format(void *mem, size_t size, const struct cache_geometry *g);

/* A handle to the host's segment `name` ("/bazar-..."), without one yet: the cache is off until
 * cache_join or cache_reopen has found or made it. NULL: errno is EINVAL or ENOMEM. */
struct cache *cache_new(const char *name, const struct cache_geometry *g);

/*
 * The same for a front, which sends on what the cache does not answer, and must never wait: it
 * takes what is there and makes none, a lock that somebody holds is CACHE_TROUBLE at once, and its
 * misses are not counted, because whom it asks counts them. Only for get and reopen.
 */
struct cache *cache_front(const char *name);

/*
 * As cache_new, with the segment, mode 0600, made when there is none. One that is dead,
 * damaged, or of another geometry is marked dead and replaced; processes racing to make it get the
 * same one. With `g` NULL: only what is there, as it is. Waits 2 s at most for another opener.
 * NULL: errno says why; EACCES when the segment is not ours alone.
 */
struct cache *cache_open(const char *name, const struct cache_geometry *g);

/* Leaves a dead, or removed, segment for the current one, making it where cache_open would (but
 * taking a sound one whatever its geometry, unless it is the handle's first). Waits 50 ms at most
 * for another opener, a front not at all. 0: the handle has a live segment; -1: errno. A handle
 * from cache_format cannot. For users that never join; cache_join does this by itself. */
int cache_reopen(struct cache *c);

void cache_close(struct cache *c); /* frees the handle; the segment stays. NULL is fine */

/* Marks the segment dead for all who use it and removes its name. 0 also when there is none. */
int cache_unlink(const char *name);

/* ---- Reading and filling ---- */

enum cache_result {
	CACHE_HIT,
	CACHE_MISS,
	CACHE_OFF,    /* dead, out of lease, or not every expected replica has joined */
	CACHE_TROUBLE /* somebody keeps the lock */
};

struct cache_hit {
	size_t len;
	uint64_t seq;  /* as it was put */
	uint64_t hash; /* hash64 of the value */
};

/* On a hit copies the value to `out` and fills in *hit; a value above `size` is a miss. Both are
 * scratch otherwise. `now_ms`: the time, read after the question came in and before this call. */
enum cache_result cache_get(struct cache *c, const char *key, uint64_t floor_key, uint64_t now_ms,
    void *out, size_t size, struct cache_hit *hit);

/* `seq`: applied_seq as read before the rows the value was made from. Replaces the key's value, and
 * evicts the least recently used until it fits. -1: not stored, because seq is below the floor, the
 * key or value is too long, or the cache is off or in trouble. */
int cache_put(struct cache *c, const char *key, uint64_t floor_key, uint64_t seq, const void *value,
    size_t len);

/*
 * What many ask for at once, and is not there, shall be made once. Whoever gets nothing claims the
 * key, puts the value and releases the key; who comes meanwhile waits for that before looking. No
 * promise hangs on it: nobody waits longer than CACHE_CLAIM_MS, and a claim whose holder died, or
 * takes longer, is none.
 */
#define CACHE_CLAIM_MS 500
uint64_t cache_claim(struct cache *c, const char *key); /* 0: not to be had */
void cache_release(struct cache *c, const char *key, uint64_t claim);
bool cache_await(struct cache *c, const char *key); /* false, at once: nobody has claimed it */

/* ---- Replicas ---- */

/* When this returns, no get that begins later gives a value of these keys older than `seq`. Entries
 * of exactly these keys are removed (and counted as invalidations) when the lock can be had. */
void cache_raise(struct cache *c, const uint64_t *floor_keys, size_t count, uint64_t seq);
void cache_raise_all(struct cache *c, uint64_t seq); /* every stripe; entries go as they are met */

/* Hits may be given until `until_ms`; a longer lease stays. For a replica that serves and has
 * joined: until the end of its own right to serve, and at most 1 s after a time read *before* it
 * looked at that right. */
void cache_extend(struct cache *c, uint64_t until_ms);

/*
 * A replica on this host has started, caught up, or changed its history: raise all floors to the
 * last seq of its log and count it as present. Another incarnation than the segment's empties it,
 * ends its lease, resets its floors and asks every other replica to join again. Reopens a dead
 * segment. Waits up to 1 s for the lock.
 * -1 and errno: the cache is off until a later join succeeds; nothing wrong will be handed out.
 */
int cache_join(struct cache *c, unsigned replica, const uint8_t incarnation[CACHE_INCARNATION],
    uint64_t last_seq);

/* Whether that join still holds. False when the segment died, was removed, was replaced, or was
 * emptied for another incarnation: join again. To be asked every 100 ms or so. */
bool cache_joined(struct cache *c, unsigned replica, const uint8_t incarnation[CACHE_INCARNATION]);

/* ---- Removing by hand, counting ---- */

/* Remove the entries of a floor key, or all. Their keys go to `names`, each with its NUL, as long
 * as they fit (entries * (CACHE_KEY_MAX + 1) bytes always do); *used: bytes written. Floors stay.
 * Return how many were removed, 0 when the segment is dead or not there; -1: no lock in time. */
int cache_invalidate(struct cache *c, uint64_t floor_key, char *names, size_t size, size_t *used);
int cache_clear(struct cache *c, char *names, size_t size, size_t *used);

/* Counted in the segment since it was made, so they outlive a worker. */
struct cache_stats {
	uint64_t hits;
	uint64_t misses; /* gets that gave nothing, but not CACHE_TROUBLE or a dead segment */
	uint64_t invalidations; /* entries removed by raise, invalidate and clear */
	uint64_t evictions;     /* entries removed to make place */
	uint64_t refused;       /* fills refused */
	uint64_t stale;         /* misses that met an entry below its floor */
	uint64_t recoveries;    /* times emptied: a holder died, or damage was met */
	uint64_t entries, max_entries;
	uint64_t bytes, max_bytes; /* of blocks */
	bool ready;                /* every expected replica has joined */
	bool leased;               /* at the time given */
};

/* -1: dead, not there, or no lock within 1 s. */
int cache_stats(struct cache *c, uint64_t now_ms, struct cache_stats *out);

#endif
