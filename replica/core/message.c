#include "replica/core/message.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"

#define MESSAGE_VERSION 2

bool
message_is_answer(const struct message *m)
{
	return m->kind % 2 == 0;
}

static void
put_set(const struct set *s, struct buf *out)
{
	struct buf bytes = {0};

	if (s->count > 0)
		set_encode(s, &bytes);
	buf_bytes(out, bytes.data, bytes.len);
	buf_free(&bytes);
}

void
message_encode(const struct message *m, struct buf *out)
{
	buf_u8(out, MESSAGE_VERSION);
	buf_u8(out, (uint8_t)m->kind);
	buf_u8(out, (uint8_t)m->verdict);
	buf_u32(out, m->from);
	buf_u32(out, m->to);
	epoch_put(out, m->epoch);
	buf_u8(out, m->promotion);
	buf_add(out, m->incarnation.bytes, sizeof(m->incarnation.bytes));
	buf_add(out, m->formerly.bytes, sizeof(m->formerly.bytes));
	buf_u64(out, m->boot);
	buf_u64(out, m->peer_boot);
	buf_u64(out, m->request);
	position_put(out, m->prev);
	position_put(out, m->last);
	position_put(out, m->commit);
	buf_u64(out, m->granted);
	buf_u32(out, m->chunk);
	buf_u64(out, m->until);
	put_set(&m->set, out);
	buf_bytes(out, m->rows, m->rows_len);
	buf_u32(out, (uint32_t)m->entry_count);
	for (size_t i = 0; i < m->entry_count; i++)
		buf_bytes(out, m->entries[i]->bytes, m->entries[i]->bytes_len);
}

static void
get_uuid(struct cur *c, struct uuid *id)
{
	const uint8_t *bytes = cur_take(c, sizeof(id->bytes));
	if (bytes != NULL)
		memcpy(id->bytes, bytes, sizeof(id->bytes));
}

static void
get_set(struct cur *c, struct set *s)
{
	size_t len;
	const uint8_t *bytes = cur_bytes(c, &len);

	if (bytes != NULL && len > 0)
		c->bad |= set_decode(bytes, len, s) != 0;
}

static void
get_header(struct cur *c, struct message *m)
{
	c->bad |= cur_u8(c) != MESSAGE_VERSION;
	m->kind = cur_u8(c);
	m->verdict = cur_u8(c);
	m->from = cur_u32(c);
	m->to = cur_u32(c);
	m->epoch = epoch_get(c);
	uint8_t promotion = cur_u8(c);
	c->bad |= promotion > 1;
	m->promotion = promotion == 1;
	get_uuid(c, &m->incarnation);
	get_uuid(c, &m->formerly);
	m->boot = cur_u64(c);
	m->peer_boot = cur_u64(c);
	m->request = cur_u64(c);
	m->prev = position_get(c);
	m->last = position_get(c);
	m->commit = position_get(c);
	m->granted = cur_u64(c);
	m->chunk = cur_u32(c);
	m->until = cur_u64(c);
	get_set(c, &m->set);
	const uint8_t *rows = cur_bytes(c, &m->rows_len);
	if (m->rows_len > 0) {
		m->rows = xcalloc(1, m->rows_len);
		memcpy(m->rows, rows, m->rows_len);
	}
}

static bool
header_valid(const struct message *m)
{
	if (m->kind < MSG_PROMISE || m->kind > MSG_HANDED)
		return false;
	if (m->verdict > (message_is_answer(m) ? VERDICT_SUPERSEDED : VERDICT_OK))
		return false;
	if ((m->rows_len > 0 || m->until != 0) && m->kind != MSG_LOAD)
		return false;
	return m->from != 0 && m->to != 0 && m->boot != 0 && m->request != 0;
}

/* Entries follow .prev and each other without a gap. False: not so, or more than may be. */
static bool
get_entries(struct cur *c, struct message *m)
{
	uint32_t count = cur_u32(c);
	bool may_carry = m->kind == MSG_APPEND || m->kind == MSG_FETCHED;

	if (!cur_ok(c) || count > (may_carry ? MESSAGE_ENTRIES_MAX : 0))
		return false;
	m->entries = count > 0 ? xcalloc(count, sizeof(struct entry *)) : NULL;
	struct position prev = m->prev;
	for (uint32_t i = 0; i < count; i++) {
		size_t len;
		const uint8_t *bytes = cur_bytes(c, &len);
		struct entry *e = bytes != NULL ? entry_decode(bytes, len) : NULL;
		if (e == NULL)
			return false;
		m->entries[m->entry_count++] = e;
		if (!position_equal(e->prev, prev))
			return false;
		prev = e->at;
	}
	return true;
}

int
message_decode(const void *bytes, size_t len, struct message *m)
{
	*m = (struct message){0};
	if (len > MESSAGE_BYTES_MAX)
		return -1;
	struct cur c = cur_make(bytes, len);
	get_header(&c, m);
	if (cur_ok(&c) && header_valid(m) && get_entries(&c, m) && cur_end(&c))
		return 0;
	message_clear(m);
	return -1;
}

void
message_clear(struct message *m)
{
	for (size_t i = 0; i < m->entry_count; i++)
		entry_free(m->entries[i]);
	free(m->entries);
	free(m->rows);
	*m = (struct message){0};
}
