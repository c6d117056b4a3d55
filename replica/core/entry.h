/*
 * A log entry: one decided operation, or a change of the replica set. `{kind, at, prev, time, op
 * id, keys, effects, answer, crc}`.
 *
 * Effects are resulting rows, not commands, so applying an entry twice, or on any replica, gives
 * the same tables. Keys are the 64-bit hashes (hash64 of "info:12", "search:nature", "order:<id>",
 * ...) of everything a reader could see change; they drive dirty keys and cache floors. An entry
 * never changes once made: same (epoch, seq), same bytes, everywhere (invariant I3).
 */
#ifndef BAZAR_CORE_ENTRY_H
#define BAZAR_CORE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/uuid.h"

#define ENTRY_BYTES_MAX (1u << 20) /* encoded size of one entry */
#define ENTRY_KEYS_MAX 8192

/* Numbered terms of office of a primary: ordered by counter, then by replica id. {0,0} is none. */
struct epoch {
	uint32_t counter;
	uint32_t replica;
};

/* A place in the log. seq counts from 1; {.seq = 0} is before the first entry. */
struct position {
	struct epoch epoch;
	uint64_t seq;
};

int epoch_compare(struct epoch a, struct epoch b); /* <0, 0, >0 */
bool position_equal(struct position a, struct position b);
int position_compare(struct position a, struct position b); /* by epoch, then seq */

/* The one encoding of both, in entries, messages and the store's own rows. */
void epoch_put(struct buf *b, struct epoch e);
struct epoch epoch_get(struct cur *c);
void position_put(struct buf *b, struct position p);
struct position position_get(struct cur *c);

enum entry_kind {
	ENTRY_OPERATION, /* decided by the machine */
	ENTRY_SET        /* effects: an encoded replica set (set.h); no keys, no answer */
};

struct entry {
	enum entry_kind kind;
	struct position at;
	struct position prev; /* prev.seq == at.seq - 1 */
	uint64_t time_ms;     /* the primary's wall clock, never going back along the log */
	struct uuid op_id;
	const uint64_t *keys; /* host byte order */
	size_t key_count;
	const uint8_t *effects;
	size_t effects_len;
	const uint8_t *answer; /* what the operation's caller is told, now and on every repeat */
	size_t answer_len;
	const uint8_t *bytes; /* the encoded entry, crc included */
	size_t bytes_len;
	uint64_t crc;
};

/* What entry_new is made of; the caller keeps ownership of everything pointed to. */
struct entry_parts {
	enum entry_kind kind;
	struct position at, prev;
	uint64_t time_ms;
	struct uuid op_id;
	const uint64_t *keys;
	size_t key_count;
	const uint8_t *effects;
	size_t effects_len;
	const uint8_t *answer;
	size_t answer_len;
};

/* One allocation each; free with entry_free. entry_decode: NULL for anything but one whole entry
 * with a right crc, prev.seq + 1 == at.seq, and sizes within the limits above. */
struct entry *entry_new(const struct entry_parts *parts);
struct entry *entry_decode(const void *bytes, size_t len);
struct entry *entry_copy(const struct entry *e);
void entry_free(struct entry *e);

#endif
