#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/core_internal.h"

#define HEADER_ROOM 4096 /* of a message, beside its entries */

struct entry *
log_tail_at(const struct core *c, uint64_t seq)
{
	if (seq <= c->applied.seq || seq > c->last.seq)
		return NULL;
	return c->tail[seq - c->applied.seq - 1];
}

/* False: this place of the log can't be read (beyond its end, or pruned). */
static bool
position_at(const struct core *c, uint64_t seq, struct position *out)
{
	*out = (struct position){.seq = seq};
	if (seq == 0)
		return true;
	if (seq == c->applied.seq) {
		*out = c->applied;
		return true;
	}
	if (seq > c->last.seq)
		return false;
	struct entry *in_tail = log_tail_at(c, seq);
	if (in_tail != NULL) {
		*out = in_tail->at;
		return true;
	}
	struct entry *e = c->machine->log_read(c->machine->ctx, seq);
	if (e == NULL)
		return false;
	*out = e->at;
	entry_free(e);
	return true;
}

bool
log_holds(const struct core *c, struct position at)
{
	struct position own;
	return position_at(c, at.seq, &own) && position_equal(own, at);
}

bool
log_reaches(const struct core *c, uint64_t seq)
{
	uint64_t first = c->machine->log_first(c->machine->ctx);
	return seq >= c->applied.seq || (first != 0 && first <= seq + 1);
}

uint64_t
log_time(const struct core *c)
{
	return c->wall > c->last_time ? c->wall : c->last_time;
}

void
log_find_sets(struct core *c)
{
	c->set = c->applied_set;
	c->leases = set_needs_leases(&c->set);
	for (size_t i = 0; i < c->tail_count; i++) {
		const struct entry *e = c->tail[i];
		if (e->kind != ENTRY_SET)
			continue;
		set_decode(e->effects, e->effects_len, &c->set); /* was checked with the entry */
		c->leases |= set_needs_leases(&c->set);
	}
	members_learn_peers(c);
	lease_restrict(c);
}

void
log_push(struct core *c, struct entry *e)
{
	if (c->tail_count == c->tail_cap) {
		c->tail_cap = c->tail_cap ? 2 * c->tail_cap : 64;
		c->tail = xrealloc(c->tail, c->tail_cap * sizeof(struct entry *));
	}
	c->tail[c->tail_count++] = e;
	c->last = e->at;
	c->last_time = e->time_ms;
	if (e->kind == ENTRY_SET)
		log_find_sets(c);
}

/* Is this very entry here already? Applied entries are committed, so any primary's are the same. */
static bool
held(const struct core *c, const struct entry *e)
{
	if (e->at.seq <= c->applied.seq)
		return true;
	if (PLANTED(R7))
		return false;
	const struct entry *own = log_tail_at(c, e->at.seq);
	return own != NULL && position_equal(own->at, e->at) && own->crc == e->crc;
}

static void
truncate_tail(struct core *c, uint64_t from_seq)
{
	size_t left = (size_t)(from_seq - c->applied.seq - 1);

	act(c, ACT_TRUNCATE)->seq = from_seq;
	for (size_t i = left; i < c->tail_count; i++)
		keep(c, c->tail[i]);
	c->tail_count = left;
	c->last = left > 0 ? c->tail[left - 1]->at : c->applied;
	log_find_sets(c);
}

/* Makes room for an entry that is not held. R7: an applied entry never goes, nor one made in the
 * epoch we are in, for that one came from the primary that is sending now. */
static bool
make_room(struct core *c, uint64_t seq)
{
	const struct entry *in_the_way = log_tail_at(c, seq);

	if (in_the_way == NULL)
		return seq == c->last.seq + 1;
	if (!PLANTED(R7) && epoch_compare(in_the_way->at.epoch, c->pledge.promised) >= 0)
		return false;
	truncate_tail(c, seq);
	return true;
}

static void
mark_and_floor(struct core *c, uint64_t from_seq, uint64_t to_seq)
{
	if (from_seq <= c->applied.seq)
		from_seq = c->applied.seq + 1;
	if (from_seq > to_seq)
		return;
	struct entry **from = c->tail + (from_seq - c->applied.seq - 1);
	size_t count = (size_t)(to_seq - from_seq + 1);
	act_entries(c, ACT_MARK, from, count);
	if (!PLANTED(FLOORS))
		act_entries(c, ACT_FLOOR, from, count);
}

bool
log_place(struct core *c, struct entry *const *entries, size_t count)
{
	size_t known = 0;

	if (count == 0)
		return true;
	while (known < count && held(c, entries[known]))
		known++;
	size_t added = count - known;
	if (added > 0) {
		/* What is applied was skipped unread: a sender of another past shows here at the
		 * latest. */
		if (!PLANTED(PREV) && !log_holds(c, entries[known]->prev))
			return false;
		if (!make_room(c, entries[known]->at.seq))
			return false;
		for (size_t i = known; i < count; i++)
			log_push(c, entry_copy(entries[i]));
		act_entries(c, ACT_APPEND, c->tail + c->tail_count - added, added);
		if (!PLANTED(FLUSH) || c->role == CORE_PRIMARY)
			act(c, ACT_FLUSH);
	}
	mark_and_floor(c, entries[0]->at.seq, entries[count - 1]->at.seq); /* known ones too (C1) */
	return true;
}

void
log_apply(struct core *c, uint64_t seq)
{
	size_t count = (size_t)(seq - c->applied.seq);
	bool sets = false;

	if (count == 0)
		return;
	act_entries(c, ACT_APPLY, c->tail, count);
	for (size_t i = 0; i < count; i++) {
		const struct entry *e = keep(c, c->tail[i]);
		if (e->kind == ENTRY_SET)
			sets = set_decode(e->effects, e->effects_len, &c->applied_set) == 0;
	}
	c->applied = c->tail[count - 1]->at;
	c->tail_count -= count;
	memmove(c->tail, c->tail + count, c->tail_count * sizeof(struct entry *));
	c->applying = true;
	if (c->applied.seq >= c->partial_until)
		c->partial_until = 0;
	if (sets)
		log_find_sets(c);
	members_applied(c);
}

void
log_begin(struct core *c, struct position base, const struct set *set, uint64_t until)
{
	c->applied = c->last = base;
	c->applied_set = *set;
	c->partial_until = until > base.seq ? until : 0;
	struct core_action *a = act(c, ACT_LOADED);
	a->loaded.base = base;
	a->loaded.until = c->partial_until;
	a->loaded.set = &c->applied_set;
	log_find_sets(c);
}

void
log_commit(struct core *c, struct position commit)
{
	if (PLANTED(R6) && commit.seq > c->last.seq)
		commit.seq = c->last.seq;
	const struct entry *own = log_tail_at(c, commit.seq);
	if (own != NULL && (PLANTED(R6) || position_equal(own->at, commit)))
		log_apply(c, commit.seq);
}

static struct entry *
read_entry(struct core *c, uint64_t seq)
{
	struct entry *e = log_tail_at(c, seq);

	if (e == NULL && (e = c->machine->log_read(c->machine->ctx, seq)) != NULL)
		keep(c, e);
	return e;
}

bool
log_fill(struct core *c, struct message *m, struct position prev)
{
	uint64_t left = c->last.seq - prev.seq;
	size_t max = left < MESSAGE_ENTRIES_MAX ? (size_t)left : MESSAGE_ENTRIES_MAX;
	size_t bytes = HEADER_ROOM;

	m->prev = prev;
	if (max == 0)
		return true;
	m->entries = keep(c, xcalloc(max, sizeof(struct entry *)));
	struct position end = prev;
	while (m->entry_count < max) {
		struct entry *e = read_entry(c, end.seq + 1);
		if (e == NULL)
			break;
		bytes += e->bytes_len + sizeof(uint32_t);
		if (bytes > MESSAGE_BYTES_MAX)
			break;
		m->entries[m->entry_count++] = e;
		end = e->at;
	}
	/* Said only as far as it can be compared, so that one far behind applies as it goes. */
	if (end.seq < m->commit.seq)
		m->commit = end;
	return m->entry_count > 0;
}
