#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/core_internal.h"

struct core_action *
act(struct core *c, enum core_action_kind kind)
{
	struct core_actions *a = &c->actions;

	if (a->count == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 16;
		a->list = xrealloc(a->list, a->cap * sizeof(*a->list));
	}
	struct core_action *action = &a->list[a->count++];
	*action = (struct core_action){.kind = kind};
	return action;
}

/* The array is copied, because the tail it comes from moves; the entries stay. */
void
act_entries(struct core *c, enum core_action_kind kind, struct entry *const *entries, size_t count)
{
	if (count == 0)
		return;
	struct entry **copy = keep(c, xcalloc(count, sizeof(struct entry *)));
	for (size_t i = 0; i < count; i++)
		copy[i] = entries[i];
	struct core_action *a = act(c, kind);
	a->entries = copy;
	a->count = count;
}

void
act_save(struct core *c)
{
	act(c, ACT_SAVE)->save = c->pledge;
}

void
act_peer(struct core *c, uint32_t id, const char *address)
{
	size_t size = strlen(address) + 1;
	char *copy = keep(c, xcalloc(1, size));

	memcpy(copy, address, size);
	struct core_action *a = act(c, ACT_PEER);
	a->peer.id = id;
	a->peer.address = copy;
}

void
act_abandon(struct core *c)
{
	c->abandoned = true;
	act(c, ACT_ABANDON);
}

void
act_answer(struct core *c, uint64_t ticket, enum core_result result, const uint8_t *answer,
    size_t answer_len)
{
	struct core_action *a = act(c, ACT_ANSWER);
	a->ticket = ticket;
	a->result = result;
	a->answer = answer;
	a->answer_len = answer_len;
}

void
act_floor_all(struct core *c)
{
	act(c, ACT_FLOOR_ALL)->seq = c->last.seq;
}

struct message *
act_send(struct core *c, enum message_kind kind, uint32_t to)
{
	struct message *m = &act(c, ACT_SEND)->message;
	m->kind = kind;
	m->from = c->self;
	m->to = to;
	m->epoch = c->pledge.promised;
	m->promotion = c->promotion.active;
	if (!empty_is(c))
		m->incarnation = c->pledge.incarnation;
	m->formerly = c->pledge.formerly;
	m->boot = c->boot;
	m->last = c->last;
	m->commit = c->applied;
	return m;
}

struct message *
act_reply(struct core *c, const struct message *request, enum message_verdict verdict)
{
	struct message *m = act_send(c, request->kind + 1, request->from);
	m->verdict = verdict;
	m->peer_boot = request->boot;
	m->request = request->request;
	m->chunk = request->chunk;
	return m;
}

void *
keep(struct core *c, void *memory)
{
	if (c->kept_count == c->kept_cap) {
		c->kept_cap = c->kept_cap ? 2 * c->kept_cap : 16;
		c->kept = xrealloc(c->kept, c->kept_cap * sizeof(*c->kept));
	}
	c->kept[c->kept_count++] = memory;
	return memory;
}

void
actions_reset(struct core *c)
{
	for (size_t i = 0; i < c->kept_count; i++)
		free(c->kept[i]);
	c->kept_count = 0;
	c->actions.count = 0;
}
