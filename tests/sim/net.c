/* The network: every message is encoded, and may be lost, doubled, late, or told to be lost. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/sim.h"

static struct packet *
make_packet(const struct message *m)
{
	struct buf bytes = {0};
	message_encode(m, &bytes);
	struct packet *p = xmalloc(sizeof(*p) + bytes.len);
	*p = (struct packet){.references = 1, .from = m->from, .to = m->to, .len = bytes.len};
	p->request = message_is_answer(m) ? 0 : m->request;
	memcpy(p->bytes, bytes.data, bytes.len);
	buf_free(&bytes);
	return p;
}

void
net_release(struct packet *p)
{
	if (--p->references == 0)
		free(p);
}

static uint64_t
travel_time(struct world *w)
{
	if (random_chance(&w->random, w->mood.late))
		return random_between(&w->random, 0, 4000) * SIM_MS;
	return w->mood.delay_us / 4 + random_below(&w->random, 2ul * w->mood.delay_us);
}

/* Who sent a request may learn that it will not be answered, or not. */
static void
lose(struct world *w, const struct packet *p)
{
	w->totals->lost++;
	if (p->request != 0 && random_chance(&w->random, 600))
		world_at(w, travel_time(w),
		    (struct event){.kind = EV_SEND_FAILED,
			.index = p->from,
			.peer = p->to,
			.boot = world_node(w, p->from)->boot,
			.request = p->request});
}

static void
travel(struct world *w, struct packet *p)
{
	p->references++;
	world_at(w, travel_time(w), (struct event){.kind = EV_DELIVER, .packet = p});
}

void
net_send(struct world *w, const struct message *m)
{
	struct packet *p = make_packet(m);
	if (w->cut[p->from][p->to] || random_chance(&w->random, w->mood.loss))
		lose(w, p);
	else
		travel(w, p);
	while (random_chance(&w->random, w->mood.twice))
		travel(w, p);
	net_release(p);
}

void
net_deliver(struct world *w, struct packet *p)
{
	struct node *to = world_node(w, p->to);
	if (to->core == NULL || to->inbox_count == SIM_INBOX) {
		lose(w, p);
		net_release(p);
		return;
	}
	node_input(to, (struct input){.kind = INPUT_MESSAGE, .packet = p});
}
