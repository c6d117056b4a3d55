/* A disk with one write-ahead log: what was not flushed may survive a crash, but only in order. */
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/sim.h"

static void
write_to(struct store *s, const struct record *r)
{
	switch (r->kind) {
	case REC_SAVE:
		s->pledge = r->save;
		break;
	case REC_APPEND:
		s->log[r->seq - 1] = r->entry;
		s->log_len = r->seq;
		if (s->log_first == 0)
			s->log_first = r->seq;
		break;
	case REC_TRUNCATE:
		s->log_len = r->seq - 1;
		break;
	case REC_APPLY:
		shop_apply(&s->table, r->entry);
		s->applied = r->seq;
		if (s->applied >= s->partial_until)
			s->partial_until = 0;
		break;
	case REC_PRUNE:
		s->log_first = r->seq;
		break;
	case REC_LOAD:
		shop_load(&s->table, r->rows, r->rows_len);
		s->partial_until = UINT64_MAX;
		break;
	case REC_LOADED:
		s->base = r->base;
		s->log_len = s->applied = r->base.seq;
		s->log_first = r->base.seq + 1;
		s->partial_until = r->seq > s->applied ? r->seq : 0;
		memcpy(&s->table.set, r->set, sizeof(s->table.set));
		break;
	}
}

void
disk_write(struct disk *d, struct record r)
{
	if (d->pending_count == SIM_PENDING)
		disk_flush(d); /* a disk may do that whenever it likes */
	write_to(&d->live, &r);
	d->pending[d->pending_count++] = r;
}

void
disk_flush(struct disk *d)
{
	for (size_t i = 0; i < d->pending_count; i++)
		write_to(&d->durable, &d->pending[i]);
	d->pending_count = 0;
}

void
disk_crash(struct disk *d, struct random *r)
{
	if (d->pending_count == 0)
		return;
	size_t survive = random_chance(r, 500) ? 0 : random_below(r, d->pending_count + 1);
	for (size_t i = 0; i < survive; i++)
		write_to(&d->durable, &d->pending[i]);
	d->pending_count = 0;
	d->live = d->durable;
}

void
disk_wipe(struct disk *d)
{
	memset(d, 0, sizeof(*d));
}

static struct position
position_at(const struct store *s, uint64_t seq)
{
	if (seq == 0 || seq == s->base.seq)
		return s->base;
	return s->log[seq - 1]->at;
}

struct position
disk_end(const struct store *s)
{
	return s->log_len > 0 ? position_at(s, s->log_len) : (struct position){0};
}

const struct set *
disk_set(const struct store *s, struct set *space)
{
	for (uint64_t seq = s->log_len; seq > s->applied; seq--) {
		const struct entry *e = s->log[seq - 1];
		if (e->kind == ENTRY_SET && set_decode(e->effects, e->effects_len, space) == 0)
			return space;
	}
	return s->table.set.count > 0 ? &s->table.set : NULL;
}

void
disk_load(const struct disk *d, struct core_durable *out)
{
	const struct store *s = &d->durable;
	*out = (struct core_durable){
	    .pledge = s->pledge,
	    .last = disk_end(s),
	    .partial_until = s->partial_until,
	    .tail_count = s->log_len - s->applied,
	};
	out->set = s->table.set;
	if (s->applied > 0)
		out->applied = position_at(s, s->applied);
	out->tail = xcalloc(out->tail_count + 1, sizeof(struct entry *));
	for (size_t i = 0; i < out->tail_count; i++)
		out->tail[i] = entry_copy(s->log[s->applied + i]);
}
