#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"
#include "replica/core/entry.h"
#include "replica/core/set.h"

int
epoch_compare(struct epoch a, struct epoch b)
{
	if (a.counter != b.counter)
		return a.counter < b.counter ? -1 : 1;
	return a.replica == b.replica ? 0 : a.replica < b.replica ? -1 : 1;
}

bool
position_equal(struct position a, struct position b)
{
	return a.seq == b.seq && epoch_compare(a.epoch, b.epoch) == 0;
}

int
position_compare(struct position a, struct position b)
{
	int order = epoch_compare(a.epoch, b.epoch);
	if (order != 0)
		return order;
	return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

void
epoch_put(struct buf *b, struct epoch e)
{
	buf_u32(b, e.counter);
	buf_u32(b, e.replica);
}

struct epoch
epoch_get(struct cur *c)
{
	struct epoch e;
	e.counter = cur_u32(c);
	e.replica = cur_u32(c);
	return e;
}

void
position_put(struct buf *b, struct position p)
{
	epoch_put(b, p.epoch);
	buf_u64(b, p.seq);
}

struct position
position_get(struct cur *c)
{
	struct position p;
	p.epoch = epoch_get(c);
	p.seq = cur_u64(c);
	return p;
}

/* The entry's bytes as they go over the wire and to disk; the checksum is over all before it. */
static void
encode(const struct entry_parts *parts, struct buf *out)
{
	buf_u8(out, (uint8_t)parts->kind);
	position_put(out, parts->at);
	position_put(out, parts->prev);
	buf_u64(out, parts->time_ms);
	buf_add(out, parts->op_id.bytes, sizeof parts->op_id.bytes);
	buf_u32(out, (uint32_t)parts->key_count);
	for (size_t i = 0; i < parts->key_count; i++)
		buf_u64(out, parts->keys[i]);
	buf_bytes(out, parts->effects, parts->effects_len);
	buf_bytes(out, parts->answer, parts->answer_len);
	buf_u64(out, hash64(out->data, out->len));
}

/* Struct, keys and bytes share one allocation, in this order (keys stay aligned). */
static struct entry *
allocate(const uint8_t *bytes, size_t len, size_t key_count, uint64_t **keys, uint8_t **copy)
{
	struct entry *e = xcalloc(1, sizeof *e + key_count * sizeof **keys + len);
	*keys = (uint64_t *)(e + 1);
	*copy = (uint8_t *)(*keys + key_count);
	memcpy(*copy, bytes, len);
	e->keys = *keys;
	e->key_count = key_count;
	e->bytes = *copy;
	e->bytes_len = len;
	return e;
}

/* Offset of the key count: the kind, two positions, the time, the operation id. */
enum { KEY_COUNT_AT = 1 + 16 + 16 + 8 + 16, CHECKSUM_SIZE = 8 };

static size_t
peek_key_count(const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	cur_take(&c, KEY_COUNT_AT);
	uint32_t count = cur_u32(&c);
	return cur_ok(&c) && count <= ENTRY_KEYS_MAX ? count : SIZE_MAX;
}

static bool
kind_valid(const struct entry *e)
{
	struct set set;
	return e->kind == ENTRY_OPERATION ||
	       (e->kind == ENTRY_SET && set_decode(e->effects, e->effects_len, &set) == 0);
}

struct entry *
entry_decode(const void *bytes, size_t len)
{
	if (len > ENTRY_BYTES_MAX || len < CHECKSUM_SIZE)
		return NULL;
	size_t key_count = peek_key_count(bytes, len);
	if (key_count == SIZE_MAX)
		return NULL;
	uint64_t *keys;
	uint8_t *copy;
	struct entry *e = allocate(bytes, len, key_count, &keys, &copy);
	struct cur c = cur_make(copy, len);
	e->kind = cur_u8(&c);
	e->at = position_get(&c);
	e->prev = position_get(&c);
	e->time_ms = cur_u64(&c);
	const uint8_t *id = cur_take(&c, sizeof e->op_id.bytes);
	cur_u32(&c);
	for (size_t i = 0; i < key_count; i++)
		keys[i] = cur_u64(&c);
	e->effects = cur_bytes(&c, &e->effects_len);
	e->answer = cur_bytes(&c, &e->answer_len);
	e->crc = cur_u64(&c);
	if (!cur_end(&c) || !kind_valid(e) || e->prev.seq + 1 != e->at.seq || e->at.seq == 0 ||
	    e->crc != hash64(copy, len - CHECKSUM_SIZE)) {
		free(e);
		return NULL;
	}
	memcpy(e->op_id.bytes, id, sizeof e->op_id.bytes);
	return e;
}

struct entry *
entry_new(const struct entry_parts *parts)
{
	if (parts->key_count > ENTRY_KEYS_MAX || parts->effects_len > ENTRY_BYTES_MAX ||
	    parts->answer_len > ENTRY_BYTES_MAX)
		return NULL;
	struct buf bytes = {0};
	encode(parts, &bytes);
	struct entry *e = entry_decode(bytes.data, bytes.len);
	buf_free(&bytes);
	return e;
}

struct entry *
entry_copy(const struct entry *e)
{
	uint64_t *keys;
	uint8_t *bytes;
	struct entry *copy = allocate(e->bytes, e->bytes_len, e->key_count, &keys, &bytes);
	memcpy(keys, e->keys, e->key_count * sizeof *keys);
	copy->kind = e->kind;
	copy->at = e->at;
	copy->prev = e->prev;
	copy->time_ms = e->time_ms;
	copy->op_id = e->op_id;
	copy->effects = bytes + (e->effects - e->bytes);
	copy->effects_len = e->effects_len;
	copy->answer = bytes + (e->answer - e->bytes);
	copy->answer_len = e->answer_len;
	copy->crc = e->crc;
	return copy;
}

void
entry_free(struct entry *e)
{
	free(e);
}
