/*
 * A cache segment that somebody scribbles over while it is used, by a replica and by a front
 * (nginx's module) that finds it at any moment: nothing may be touched outside of it, everything
 * must come to an end, and no value may be given that was not put. The lock and the word that says
 * dead are spared: what a damaged lock does is up to the C library. fuzzes: fcgi/cache/table.c
 * fcgi/cache/cache.c fcgi/cache/segment.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/hash.h"
#include "fcgi/cache/handle.h"
#include "tests/fuzz/fuzz.h"

#define STEPS_MAX 64
#define LEASE 128 /* of the times 0 to 255 */
#define VALUE_MAX 300
#define NAMES 4096

struct place {
	uint8_t *mem;
	size_t size;
	struct cache *cache;
	struct cache *front;
};

/* The value that belongs to key and seq, so that any other is known to be wrong. */
static size_t
make_value(unsigned key, uint64_t seq, uint8_t out[VALUE_MAX])
{
	size_t len = (37 * (uint64_t)key + 11 * seq) % VALUE_MAX;
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(key + seq + i);
	return len;
}

static void
get(struct cache *c, unsigned key, const char *name, uint64_t floor_key, uint64_t now)
{
	uint8_t got[VALUE_MAX], want[VALUE_MAX];
	struct cache_hit hit;
	if (cache_get(c, name, floor_key, now, got, sizeof(got), &hit) != CACHE_HIT)
		return;
	assert(now < LEASE);
	assert(hit.len == make_value(key, hit.seq, want) && memcmp(got, want, hit.len) == 0);
	assert(hit.hash == hash64(want, hit.len));
}

static void
put(struct cache *c, unsigned key, const char *name, uint64_t floor_key, uint64_t seq)
{
	uint8_t value[VALUE_MAX];
	size_t len = make_value(key, seq, value);
	cache_put(c, name, floor_key, seq, value, len);
}

/* One byte or word anywhere behind the lock. */
static void
scribble(uint8_t *mem, size_t size, struct cur *in)
{
	size_t first = offsetof(struct header, incarnation);
	size_t at = first + (4 * (size_t)cur_u16(in)) % (size - first - 4);
	uint32_t word = cur_u8(in) % 2 == 0 ? cur_u8(in) % 16 : cur_u32(in);
	memcpy(mem + at / 4 * 4, &word, sizeof(word));
}

/* What a front does that has found the segment, in whatever state it is by now. */
static void
attach(struct place *p)
{
	if (segment_attach(&p->front->segment, p->mem, p->size) == 0)
		assert(segment_size(&p->front->segment.geometry) == p->size);
	else
		p->front->segment.head = NULL;
}

static void
step(struct place *p, struct cur *in)
{
	struct cache *c = p->cache;
	static char names[NAMES];
	size_t used;
	struct cache_stats stats;
	uint8_t what = cur_u8(in), byte = cur_u8(in);
	unsigned key = byte % 6;
	uint64_t floor_key = key / 2, seq = byte / 6;
	char name[16];
	snprintf(name, sizeof(name), "key:%u", key);
	switch (what % 11) {
	case 0:
	case 1:
		put(c, key, name, floor_key, seq);
		break;
	case 2:
		get(c, key, name, floor_key, cur_u8(in));
		break;
	case 3:
		cache_raise(c, &floor_key, 1, seq);
		break;
	case 4:
		if (cache_invalidate(c, floor_key, names, sizeof(names), &used) >= 0)
			assert(used <= sizeof(names));
		break;
	case 5:
		if (cache_stats(c, 0, &stats) == 0 && byte == 0)
			cache_clear(c, names, sizeof(names), &used);
		break;
	case 6:
		get(p->front, key, name, floor_key, cur_u8(in));
		break;
	case 7:
		attach(p);
		break;
	case 8:
		cache_release(c, name, cache_claim(c, name));
		cache_claim(c, name);
		break;
	default:
		scribble(p->mem, p->size, in);
	}
}

/* What is found in a segment's file is believed only if it is one. */
static void
attach_garbage(const uint8_t *data, size_t size)
{
	struct segment s;
	uint8_t *mem = malloc(size > 0 ? size : 1);
	assert(mem != NULL);
	if (size > 0)
		memcpy(mem, data, size);
	if (segment_attach(&s, mem, size) == 0)
		assert(segment_size(&s.geometry) == size);
	free(mem);
}

static struct cache_geometry
make_geometry(struct cur *in)
{
	struct cache_geometry g = {.entries = 1 + cur_u8(in) % 6,
	    .stripes = 1 + cur_u8(in) % 8,
	    .block_size = 16 + cur_u8(in) % 64,
	    .blocks = 1 + cur_u8(in) % 16};
	uint32_t all = g.blocks * g.block_size;
	g.value_max = all < VALUE_MAX ? all : VALUE_MAX;
	return g;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur in = cur_make(data, size);
	struct cache_geometry geometry = make_geometry(&in);
	struct place p = {.size = cache_size(&geometry)};
	p.mem = aligned_alloc(64, (p.size + 63) / 64 * 64);
	assert(p.mem != NULL);
	p.cache = cache_format(p.mem, p.size, &geometry);
	p.front = cache_front("/bazar-nowhere");
	assert(p.cache != NULL && p.front != NULL);
	cache_extend(p.cache, LEASE);
	for (int i = 0; i < STEPS_MAX && in.at < in.end; i++)
		step(&p, &in);
	p.front->segment.head = NULL; /* it is not mapped */
	cache_close(p.front);
	cache_close(p.cache);
	free(p.mem);
	attach_garbage(data, size);
	return 0;
}
