/*
 * Whole tables, for a replica that needs what the log no longer has. The primary reads them chunk
 * by chunk, each as they are at that moment, while it goes on writing; then the log from `base`,
 * where it began, follows as usual. Entries carry resulting rows, so replaying them over this fuzzy
 * copy gives the exact tables once all is applied that was applied when the last chunk was read.
 * (The idea is that of a fuzzy checkpoint: Gray & Reuter, Transaction Processing, ch. 11.)
 * Until then the store counts as empty (`until`), and while it lacks anything that may have been
 * committed before: the set at `base`, which is all it knows, may have had this replica in sync by
 * a log that it has lost since.
 */
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/core_internal.h"

/* ---- Giving ---- */

/* Whoever holds something has to give it up for this, so never one that the committed set counts
 * on. */
bool
load_needed(const struct core *c, const struct peer *p)
{
	bool counted_on = p->whole && set_in_sync(&c->applied_set, p->id);

	return p->heard && !counted_on && (p->load.active || !log_reaches(c, p->match.seq));
}

void
load_stop(struct peer *p)
{
	buf_free(&p->load.cursor);
	buf_free(&p->load.rows);
	p->load = (struct load){0};
}

static void
read_chunk(struct core *c, struct load *l)
{
	buf_clear(&l->rows);
	if (!c->machine->dump(c->machine->ctx, &l->cursor, CORE_LOAD_BYTES, &l->rows))
		l->until = c->phase == CORE_TAIL ? c->last.seq : c->applied.seq;
	l->chunk++;
}

struct message *
load_request(struct core *c, struct peer *p)
{
	struct load *l = &p->load;

	if (!l->active && c->applying)
		return NULL; /* the tables are not yet what .base would say */
	if (!l->active) {
		l->active = true;
		l->base = c->applied;
		l->set = c->applied_set;
		read_chunk(c, l);
	}
	struct message *m = act_send(c, MSG_LOAD, p->id);
	m->prev = l->base;
	m->set = l->set;
	m->chunk = l->chunk;
	m->until = l->until;
	m->rows = l->rows.data;
	m->rows_len = l->rows.len;
	m->granted = p->last.seq;
	return m;
}

/* It begins anew when the other side does, or when the log has been pruned beyond its base. */
void
load_answer(struct core *c, struct peer *p, const struct message *m)
{
	struct load *l = &p->load;

	if (!l->active || m->chunk != l->chunk)
		return;
	p->due = c->now;
	if (m->verdict != VERDICT_OK || !log_reaches(c, l->base.seq)) {
		load_stop(p);
	} else if (l->until != 0) {
		p->match = l->base;
		load_stop(p);
	} else if (!c->applying) {
		read_chunk(c, l);
	} /* else the chunk is sent again, and acknowledged again, when the tables are there */
}

/* ---- Taking ---- */

static void
take_chunk(struct core *c, const struct message *m)
{
	/* A copy: the message may be gone before the action is carried out. */
	uint8_t *rows = keep(c, xcalloc(1, m->rows_len + 1));
	if (m->rows_len > 0)
		memcpy(rows, m->rows, m->rows_len);
	struct core_action *a = act(c, ACT_LOAD);
	a->rows = rows;
	a->rows_len = m->rows_len;
	c->loaded = m->chunk;
	c->load_base = m->prev;
	c->load_boot = m->boot;
	c->phase = CORE_LOADING;
	if (m->until !=
	    0) { /* the history's name first: with rows, but without it, it is no store */
		c->pledge.incarnation = m->incarnation;
		c->pledge.formerly = m->formerly;
		c->pledge.began = (struct epoch){0};
		act_save(c);
		log_begin(c, m->prev, &m->set, m->until);
		act_floor_all(c);
		if (c->partial_until == 0)
			c->phase = CORE_JOINING;
	}
	act(c, ACT_FLUSH);
}

/* Into an empty store only: one that holds anything is set aside first, if the primary knows what
 * it holds. */
void
load_take(struct core *c, const struct message *m)
{
	bool begun = c->loaded != 0 || c->last.seq != 0;
	bool known = m->granted == c->last.seq && !lease_overtaken(c, m);
	bool same = c->loaded != 0 && position_equal(c->load_base, m->prev);
	bool next = m->chunk == c->loaded + 1 && (same || !begun) && c->last.seq == 0;

	if (m->peer_boot != c->boot || !empty_may_join(c))
		next = same = begun = false; /* it may be meant for what was here before */
	if (same && m->chunk == c->loaded) {
		act_reply(c, m, VERDICT_OK);
	} else if (m->chunk == 1 && begun && known) {
		act_abandon(c);
	} else if (next) {
		take_chunk(c, m);
		act_reply(c, m, VERDICT_OK);
	} else {
		act_reply(c, m, VERDICT_GAP);
	}
}
