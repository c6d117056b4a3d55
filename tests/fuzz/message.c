/*
 * Messages between replicas and the entries in them. Checksums are mended first, else hardly any
 * input would get past them. What is taken is written again as the very same bytes.
 * fuzzes: replica/core/message.c replica/core/entry.c
 */
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "replica/core/message.h"
#include "tests/fuzz/fuzz.h"

#define HEADER 144 /* bytes before the set, which is followed by rows and entries */
#define CHECKSUM 8

static void
mend(uint8_t *bytes, size_t size)
{
	struct cur c = cur_make(bytes, size);
	size_t skipped;
	cur_take(&c, HEADER);
	cur_bytes(&c, &skipped);
	cur_bytes(&c, &skipped);
	for (uint32_t count = cur_u32(&c); count > 0 && cur_ok(&c); count--) {
		size_t len;
		const uint8_t *entry = cur_bytes(&c, &len);
		if (entry == NULL || len < CHECKSUM)
			return;
		uint64_t sum = hash64(entry, len - CHECKSUM);
		uint8_t *at = bytes + (entry - bytes) + len;
		for (size_t i = 0; i < CHECKSUM; i++, sum >>= 8)
			*--at = (uint8_t)sum;
	}
}

static void
check_entries(const struct message *m)
{
	struct position prev = m->prev;
	for (size_t i = 0; i < m->entry_count; i++) {
		const struct entry *e = m->entries[i];
		assert(position_equal(e->prev, prev));
		assert(e->key_count <= ENTRY_KEYS_MAX && e->bytes_len <= ENTRY_BYTES_MAX);
		struct entry *copy = entry_copy(e);
		assert(copy->bytes_len == e->bytes_len && copy->crc == e->crc &&
		       memcmp(copy->bytes, e->bytes, e->bytes_len) == 0);
		entry_free(copy);
		prev = e->at;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message m;
	struct buf bytes = {0}, again = {0};
	buf_add(&bytes, data, size);
	mend(bytes.data, bytes.len);
	if (message_decode(bytes.data, bytes.len, &m) == 0) {
		assert(m.entry_count <= MESSAGE_ENTRIES_MAX);
		check_entries(&m);
		message_encode(&m, &again);
		assert(again.len == bytes.len && memcmp(again.data, bytes.data, bytes.len) == 0);
		message_clear(&m);
	}
	buf_free(&bytes);
	buf_free(&again);
	return 0;
}
