/*
 * A hash table from key to the last seq that touches it, open addressing with linear probing.
 * A key is dirty while that seq is above the applied one, so applying costs nothing: stale slots
 * are dropped when the table next grows.
 */
#include "replica/core/gate.h"

#include <stdlib.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/plant.h"

#define GATE_SLOTS_MIN 64 /* a power of two */

struct slot {
	uint64_t key;
	uint64_t seq; /* 0: free */
};

struct gate {
	uint64_t open_until; /* 0: closed */
	uint64_t applied;
	struct slot *slots;
	size_t slot_count; /* a power of two */
	size_t used;       /* stale ones included; at most half */
};

struct gate *
gate_new(void)
{
	struct gate *g = xcalloc(1, sizeof(*g));
	g->slot_count = GATE_SLOTS_MIN;
	g->slots = xcalloc(g->slot_count, sizeof(*g->slots));
	return g;
}

void
gate_free(struct gate *g)
{
	if (g == NULL)
		return;
	free(g->slots);
	free(g);
}

void
gate_set_open(struct gate *g, bool open, uint64_t until)
{
	g->open_until = open ? until : 0;
}

/* Where `key` is, or the free slot where it would be. Keys are hashes: their low bits will do. */
static struct slot *
find_slot(const struct gate *g, uint64_t key)
{
	size_t mask = g->slot_count - 1;
	size_t i = key & mask;

	while (g->slots[i].seq != 0 && g->slots[i].key != key)
		i = (i + 1) & mask;
	return &g->slots[i];
}

/* A new table with the dirty keys only, at most a quarter full. */
static void
rebuild(struct gate *g)
{
	struct slot *old = g->slots;
	size_t old_count = g->slot_count;
	size_t dirty = 0;

	for (size_t i = 0; i < old_count; i++)
		dirty += old[i].seq > g->applied;
	g->slot_count = GATE_SLOTS_MIN;
	while (g->slot_count < 4 * dirty)
		g->slot_count *= 2;
	g->slots = xcalloc(g->slot_count, sizeof(*g->slots));
	g->used = 0;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].seq > g->applied) {
			*find_slot(g, old[i].key) = old[i];
			g->used++;
		}
	}
	free(old);
}

static void
mark(struct gate *g, uint64_t key, uint64_t seq)
{
	struct slot *s = find_slot(g, key);

	if (s->seq == 0) {
		if (2 * (g->used + 1) > g->slot_count) {
			rebuild(g);
			s = find_slot(g, key);
		}
		g->used++;
		s->key = key;
	}
	if (s->seq < seq)
		s->seq = seq;
}

void
gate_mark(struct gate *g, const uint64_t *keys, size_t count, uint64_t seq)
{
	if (seq <= g->applied)
		return;
	for (size_t i = 0; i < count; i++)
		mark(g, keys[i], seq);
}

void
gate_set_applied(struct gate *g, uint64_t seq)
{
	if (g->applied < seq)
		g->applied = seq;
}

/* An earlier entry may have touched the key too; its seq is not remembered, so the key stays dirty
 * up to the entry before the cut, which is never too little. */
void
gate_truncate(struct gate *g, uint64_t from_seq)
{
	bool all = from_seq <= 1;

	for (size_t i = 0; i < g->slot_count; i++) {
		if (g->slots[i].seq >= from_seq)
			g->slots[i].seq = all ? 0 : from_seq - 1;
	}
	if (all)
		g->used = 0;
}

uint64_t
gate_applied(const struct gate *g)
{
	return g->applied;
}

uint64_t
gate_open_until(const struct gate *g)
{
	return g->open_until;
}

enum gate_verdict
gate_check(const struct gate *g, uint64_t now, uint64_t key, uint64_t *wait_for)
{
	bool open = PLANTED(R9) ? g->open_until != 0 : now < g->open_until;

	if (!open)
		return GATE_CLOSED;
	const struct slot *s = find_slot(g, key);
	if (s->seq <= g->applied || PLANTED(R5))
		return GATE_CLEAN;
	*wait_for = s->seq;
	return GATE_DIRTY;
}
