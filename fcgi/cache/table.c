#include "fcgi/cache/table.h"

#include <string.h>

/* ---- Indices ---- */

static uint32_t
end_of(const struct segment *s)
{
	return s->geometry.entries;
}

struct entry *
table_entry(struct segment *s, uint32_t i)
{
	if (i > end_of(s)) {
		s->broken = true;
		i = end_of(s);
	}
	return &s->entries[i];
}

static uint32_t *
bucket_of(struct segment *s, uint64_t floor_key)
{
	return &s->buckets[floor_key & s->bucket_mask];
}

/* For loops over entries: false at the end of the list, and when it is longer than possible. */
static bool
walking(struct segment *s, uint32_t i, uint32_t *steps)
{
	if (i == end_of(s))
		return false;
	if (i > end_of(s) || ++*steps > s->geometry.entries) {
		s->broken = true;
		return false;
	}
	return true;
}

/* ---- The LRU ring ---- */

static void
ring_leave(struct segment *s, uint32_t i)
{
	const struct entry *e = table_entry(s, i);

	table_entry(s, e->prev)->next = e->next;
	CACHE_STEP();
	table_entry(s, e->next)->prev = e->prev;
	CACHE_STEP();
}

static void
ring_enter(struct segment *s, uint32_t i)
{
	struct entry *e = table_entry(s, i), *ring = table_entry(s, end_of(s));

	e->prev = end_of(s);
	CACHE_STEP();
	e->next = ring->next;
	CACHE_STEP();
	table_entry(s, ring->next)->prev = i;
	CACHE_STEP();
	ring->next = i;
	CACHE_STEP();
}

void
table_touch(struct segment *s, uint32_t i)
{
	if (table_entry(s, end_of(s))->next == i)
		return;
	ring_leave(s, i);
	ring_enter(s, i);
}

/* ---- Blocks ---- */

static uint32_t
blocks_for(const struct segment *s, uint32_t len)
{
	return (len + s->geometry.block_size - 1) / s->geometry.block_size;
}

static bool
is_block(struct segment *s, uint32_t b)
{
	if (b < s->geometry.blocks)
		return true;
	s->broken = true;
	return false;
}

/* Take blocks from the free list one by one and fill them. */
static void
chain_write(struct segment *s, struct entry *e, const uint8_t *value)
{
	uint32_t size = s->geometry.block_size, *link = &e->block;

	for (uint32_t done = 0; done < e->item.len; done += size) {
		uint32_t b = s->head->free_block;
		uint32_t part = e->item.len - done < size ? e->item.len - done : size;

		if (!is_block(s, b) || s->head->free_blocks == 0) {
			s->broken = true;
			return;
		}
		s->head->free_block = s->next[b];
		CACHE_STEP();
		s->head->free_blocks--;
		CACHE_STEP();
		memcpy(s->blocks + (size_t)b * size, value + done, part);
		CACHE_STEP();
		*link = b;
		CACHE_STEP();
		link = &s->next[b];
	}
}

bool
table_read(struct segment *s, const struct entry *e, void *out, size_t size)
{
	uint32_t block_size = s->geometry.block_size, b = e->block, len = e->item.len;

	if (len > size)
		return false;
	for (uint32_t done = 0; done < len; done += block_size) {
		uint32_t part = len - done < block_size ? len - done : block_size;

		if (!is_block(s, b))
			return false;
		memcpy((uint8_t *)out + done, s->blocks + (size_t)b * block_size, part);
		b = s->next[b];
	}
	return true;
}

static void
chain_free(struct segment *s, const struct entry *e)
{
	uint32_t count = blocks_for(s, e->item.len), last = e->block;

	if (e->item.len == 0)
		return;
	if (e->item.len > s->geometry.value_max || !is_block(s, last)) {
		s->broken = true;
		return;
	}
	for (uint32_t i = 1; i < count; i++) {
		last = s->next[last];
		if (!is_block(s, last))
			return;
	}
	s->next[last] = s->head->free_block;
	CACHE_STEP();
	s->head->free_block = e->block;
	CACHE_STEP();
	s->head->free_blocks += count;
	CACHE_STEP();
}

/* ---- Look-up ---- */

uint32_t
table_find(struct segment *s, const char *key, size_t key_len, uint64_t floor_key)
{
	uint32_t i = *bucket_of(s, floor_key), steps = 0;

	for (; walking(s, i, &steps); i = s->entries[i].chain) {
		const struct entry *e = &s->entries[i];

		if (e->item.floor_key == floor_key && e->item.key_len == key_len &&
		    key_len <= CACHE_KEY_MAX && memcmp(e->key, key, key_len) == 0)
			return i;
	}
	return end_of(s);
}

/* ---- Changes ---- */

void
table_flush(struct segment *s)
{
	uint32_t n = end_of(s);

	s->broken = false;
	s->entries[n].prev = s->entries[n].next = n;
	CACHE_STEP();
	for (uint32_t i = 0; i < n; i++)
		s->entries[i].chain = i + 1;
	CACHE_STEP();
	for (uint32_t i = 0; i <= s->bucket_mask; i++)
		s->buckets[i] = n;
	CACHE_STEP();
	for (uint32_t i = 0; i < s->geometry.blocks; i++)
		s->next[i] = i + 1;
	CACHE_STEP();
	s->head->free_entry = 0;
	s->head->free_block = 0;
	CACHE_STEP();
	s->head->free_blocks = s->geometry.blocks;
	s->head->used = 0;
}

void
table_recover(struct segment *s)
{
	table_flush(s);
	CACHE_STEP();
	s->head->counters.recoveries++;
}

void
table_remove(struct segment *s, uint32_t i)
{
	struct entry *e = table_entry(s, i);
	uint32_t *link = bucket_of(s, e->item.floor_key), steps = 0;

	while (*link != i && walking(s, *link, &steps))
		link = &s->entries[*link].chain;
	if (*link != i || i >= end_of(s)) {
		s->broken = true;
		return;
	}
	*link = e->chain;
	CACHE_STEP();
	ring_leave(s, i);
	chain_free(s, e);
	e->chain = s->head->free_entry;
	CACHE_STEP();
	s->head->free_entry = i;
	CACHE_STEP();
	s->head->used--;
	CACHE_STEP();
}

static void
show_and_remove(struct segment *s, uint32_t i, table_visit visit, void *arg)
{
	if (visit != NULL)
		visit(arg, &s->entries[i]);
	table_remove(s, i);
}

uint32_t
table_remove_key(
    struct segment *s, uint64_t floor_key, uint64_t below, table_visit visit, void *arg)
{
	uint32_t i = *bucket_of(s, floor_key), steps = 0, removed = 0, chain;

	for (; walking(s, i, &steps); i = chain) {
		const struct entry *e = &s->entries[i];

		chain = e->chain;
		if (e->item.floor_key != floor_key || e->item.seq >= below)
			continue;
		show_and_remove(s, i, visit, arg);
		removed++;
	}
	return removed;
}

uint32_t
table_remove_all(struct segment *s, table_visit visit, void *arg)
{
	uint32_t i = table_entry(s, end_of(s))->next, steps = 0, removed = 0, next;

	for (; walking(s, i, &steps); i = next) {
		next = s->entries[i].next;
		show_and_remove(s, i, visit, arg);
		removed++;
	}
	return removed;
}

static void
make_place(struct segment *s, uint32_t blocks)
{
	const struct entry *ring = table_entry(s, end_of(s));

	while (!s->broken && (s->head->used >= end_of(s) || s->head->free_blocks < blocks)) {
		/* An empty ring with something still taken is impossible, and so refused here. */
		table_remove(s, ring->prev);
		s->head->counters.evictions++;
		CACHE_STEP();
	}
}

void
table_add(struct segment *s, const struct item *item, const char *key, const void *value)
{
	uint32_t i, *bucket = bucket_of(s, item->floor_key);
	struct entry *e;

	make_place(s, blocks_for(s, item->len));
	i = s->head->free_entry;
	e = table_entry(s, i);
	if (s->broken || i == end_of(s)) {
		s->broken = true;
		return;
	}
	s->head->free_entry = e->chain;
	CACHE_STEP();
	e->item = *item;
	CACHE_STEP();
	memcpy(e->key, key, item->key_len);
	e->key[item->key_len] = '\0';
	CACHE_STEP();
	chain_write(s, e, value);
	e->chain = *bucket;
	CACHE_STEP();
	*bucket = i;
	CACHE_STEP();
	ring_enter(s, i);
	s->head->used++;
	CACHE_STEP();
}
