#include "replica/core/set.h"

#include <string.h>

#define SET_VERSION 1

struct set_member *
set_find(const struct set *s, uint32_t id)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->member[i].id == id)
			return (struct set_member *)&s->member[i];
	}
	return NULL;
}

bool
set_equal(const struct set *a, const struct set *b)
{
	if (a->primary != b->primary || a->wanted != b->wanted || a->min != b->min ||
	    a->forced != b->forced || a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct set_member *m = &a->member[i], *n = &b->member[i];
		if (m->id != n->id || m->in_sync != n->in_sync ||
		    strcmp(m->address, n->address) != 0)
			return false;
	}
	return true;
}

bool
set_in_sync(const struct set *s, uint32_t id)
{
	const struct set_member *m = set_find(s, id);
	return m != NULL && m->in_sync;
}

uint32_t
set_count_in_sync(const struct set *s)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < s->count; i++)
		count += s->member[i].in_sync;
	return count;
}

bool
set_degraded(const struct set *s)
{
	return set_count_in_sync(s) < s->count;
}

bool
set_needs_leases(const struct set *s)
{
	return s->min < s->count;
}

uint32_t
set_quorum(const struct set *s)
{
	return s->count - s->min + 1;
}

bool
set_weaker(const struct set *next, const struct set *before)
{
	uint32_t added = 0;
	for (uint32_t i = 0; i < next->count; i++)
		added += set_find(before, next->member[i].id) == NULL;
	return next->min < before->min + added;
}

void
set_raise_min(struct set *s)
{
	uint32_t in_sync = set_count_in_sync(s);
	uint32_t wanted = s->wanted == 0 || s->wanted > s->count ? s->count : s->wanted;
	uint32_t possible = wanted < in_sync ? wanted : in_sync;

	if (s->min < possible)
		s->min = possible;
}

void
set_encode(const struct set *s, struct buf *out)
{
	buf_u8(out, SET_VERSION);
	buf_u32(out, s->primary);
	buf_u32(out, s->wanted);
	buf_u32(out, s->min);
	buf_u8(out, s->forced);
	buf_u32(out, s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct set_member *m = &s->member[i];
		buf_u32(out, m->id);
		buf_u8(out, m->in_sync);
		buf_bytes(out, m->address, strlen(m->address));
	}
}

static bool
get_member(struct cur *c, struct set *s)
{
	struct set_member *m = &s->member[s->count];

	m->id = cur_u32(c);
	m->in_sync = cur_u8(c) != 0;
	cur_str(c, m->address, sizeof(m->address));
	if (!cur_ok(c) || m->id == 0 || m->id > SET_ID_MAX || set_find(s, m->id) != NULL)
		return false;
	s->count++;
	return true;
}

int
set_decode(const void *bytes, size_t len, struct set *s)
{
	struct cur c = cur_make(bytes, len);

	*s = (struct set){0};
	c.bad |= cur_u8(&c) != SET_VERSION;
	s->primary = cur_u32(&c);
	s->wanted = cur_u32(&c);
	s->min = cur_u32(&c);
	s->forced = cur_u8(&c) != 0;
	uint32_t count = cur_u32(&c);
	if (!cur_ok(&c) || count == 0 || count > SET_MEMBERS_MAX)
		return -1;
	while (s->count < count) {
		if (!get_member(&c, s))
			return -1;
	}
	bool valid = set_in_sync(s, s->primary) && s->min >= 1 && s->min <= set_count_in_sync(s);
	return cur_end(&c) && valid ? 0 : -1;
}
