#include "replica/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "replica/replicator.h"

#define STOP_MS 3000

/* ---- The machine as the core calls it: the service's rules, and the store's log ---- */

static bool
machine_decided(void *ctx, const struct op *op, struct buf *answer)
{
	const struct machine *rules = ((struct replica *)ctx)->rules;
	return rules->decided(rules->ctx, op, answer);
}

static void
machine_begin(void *ctx)
{
	const struct machine *rules = ((struct replica *)ctx)->rules;
	rules->begin(rules->ctx);
}

static void
machine_execute(void *ctx, const struct op *op, uint64_t time_ms, struct outcome *out)
{
	const struct machine *rules = ((struct replica *)ctx)->rules;
	rules->execute(rules->ctx, op, time_ms, out);
}

static struct entry *
machine_log_read(void *ctx, uint64_t seq)
{
	return store_entry(((struct replica *)ctx)->store, seq);
}

static uint64_t
machine_log_first(void *ctx)
{
	return store_log_first(((struct replica *)ctx)->store);
}

static bool
machine_dump(void *ctx, struct buf *cursor, size_t max, struct buf *rows)
{
	return store_dump(((struct replica *)ctx)->store, cursor, max, rows);
}

/* ---- Starting, stopping ---- */

static uint64_t
random_boot(void)
{
	uint64_t boot = 0;
	while (boot == 0) {
		struct uuid random = uuid_random();
		memcpy(&boot, random.bytes, sizeof(boot));
	}
	return boot;
}

/* Every replica of our service is a member and in sync. */
static void
make_first_set(struct set *set, const struct nodes *nodes, enum node_service service)
{
	for (size_t i = 0; i < nodes->count; i++) {
		const struct node *n = &nodes->node[i];
		if (n->service != service)
			continue;
		if (set->count == SET_MEMBERS_MAX)
			log_fatal("the node file has more than %d replicas of a service",
			    SET_MEMBERS_MAX);
		struct set_member *m = &set->member[set->count++];
		m->id = n->id;
		m->in_sync = true;
		snprintf(m->address, sizeof(m->address), "%s", n->address);
		if (n->primary)
			set->primary = n->id;
	}
	set->min = set->count;
}

static struct core *
make_core(struct replica *r, const struct nodes *nodes, const struct node *self)
{
	struct core_config config = {
	    .self = self->id,
	    .boot = random_boot(),
	    .incarnation_if_new = uuid_random(),
	    .machine = &r->machine,
	};
	struct core_durable durable;

	make_first_set(&config.first, nodes, self->service);
	store_load(r->store, &durable);
	r->incarnation = durable.pledge.incarnation;
	r->last_seq = durable.last.seq;
	reads_applied(r, durable.applied.seq);
	return core_new(&config, &durable);
}

static void
wake(void *client)
{
	peer_client_wake(client);
}

struct replica *
replica_start(const struct replica_config *config)
{
	const struct node *self = nodes_find(config->nodes, config->name);
	if (self == NULL)
		log_fatal("the node file has no replica %s", config->name);

	struct replica *r = xcalloc(1, sizeof(*r));
	r->self = self->id;
	r->store = config->store;
	r->cache = config->cache;
	r->rules = config->machine;
	r->log_keep = config->log_keep;
	r->machine = (struct machine){
	    .ctx = r,
	    .decided = machine_decided,
	    .begin = machine_begin,
	    .execute = machine_execute,
	    .log_read = machine_log_read,
	    .log_first = machine_log_first,
	    .dump = machine_dump,
	};
	r->client = peer_client_new(config->secret);
	inbox_init(&r->inbox, wake, r->client);
	submissions_init(&r->submitted);
	pthread_mutex_init(&r->status_lock, NULL);
	reads_init(r);
	r->core = make_core(r, config->nodes, self);
	core_status(r->core, &r->status);
	perform_join_cache(r);
	if (pthread_create(&r->thread, NULL, replicator_main, r) != 0)
		log_fatal("no thread for the replicator");
	return r;
}

void
replica_stop(struct replica *r)
{
	inbox_close(&r->inbox);
	atomic_store(&r->stop_by, clock_ms() + STOP_MS);
	peer_client_wake(r->client);
	pthread_join(r->thread, NULL);
	core_free(r->core);
	reads_destroy(r);
	pthread_mutex_destroy(&r->status_lock);
	inbox_destroy(&r->inbox);
	peer_client_free(r->client);
	free(r);
}

/* ---- Writing ---- */

static struct submission *
submission_new(struct op *op, replica_done done, void *arg)
{
	struct submission *s = xcalloc(1, sizeof(*s));
	*s = (struct submission){.op = op, .done = done, .arg = arg};
	strcpy(s->trace, trace_here());
	op->ticket = (uintptr_t)s;
	return s;
}

static void
refuse(struct submission_list *l)
{
	for (struct submission *s; (s = l->first) != NULL;) {
		struct replica_answer answer = {.result = CORE_OVERLOADED};
		submissions_remove(l, s);
		op_free(s->op);
		s->done(s->arg, &answer);
		free(s);
	}
}

void
replica_submit(struct replica *r, struct op **ops, void **args, size_t count, replica_done done)
{
	struct submission_list l;

	submissions_init(&l);
	for (size_t i = 0; i < count; i++)
		submissions_push(&l, submission_new(ops[i], done, args[i]));
	if (!inbox_submit(&r->inbox, &l))
		refuse(&l);
}

/* A thread waiting for all of its operations. */
struct writer {
	pthread_mutex_t lock;
	pthread_cond_t ready;
	size_t left;
};

struct written {
	struct writer *writer;
	struct replica_answer *answer;
};

static void
note_written(void *arg, struct replica_answer *answer)
{
	struct written *w = arg;
	struct writer *writer = w->writer;

	*w->answer = *answer;
	answer->bytes = (struct buf){0};
	pthread_mutex_lock(&writer->lock);
	if (--writer->left == 0)
		pthread_cond_signal(&writer->ready);
	pthread_mutex_unlock(&writer->lock);
}

void
replica_write(struct replica *r, struct op **ops, struct replica_answer *answers, size_t count)
{
	struct writer writer = {.left = count};
	struct written *written = xcalloc(count, sizeof(*written));
	void **args = xcalloc(count, sizeof(*args));

	pthread_mutex_init(&writer.lock, NULL);
	pthread_cond_init(&writer.ready, NULL);
	for (size_t i = 0; i < count; i++) {
		written[i] = (struct written){&writer, &answers[i]};
		args[i] = &written[i];
	}
	replica_submit(r, ops, args, count, note_written);
	pthread_mutex_lock(&writer.lock);
	while (writer.left > 0)
		pthread_cond_wait(&writer.ready, &writer.lock);
	pthread_mutex_unlock(&writer.lock);
	pthread_cond_destroy(&writer.ready);
	pthread_mutex_destroy(&writer.lock);
	free(args);
	free(written);
}

/* ---- Peers, status ---- */

int
replica_receive(struct replica *r, const void *body, size_t len, struct buf *answer)
{
	struct message m;

	if (message_decode(body, len, &m) != 0)
		return 400;
	return inbox_ask(&r->inbox, &m, answer);
}

void
replica_status(struct replica *r, struct core_status *out)
{
	pthread_mutex_lock(&r->status_lock);
	*out = r->status;
	pthread_mutex_unlock(&r->status_lock);
}

uint64_t
replica_seen_ms(struct replica *r)
{
	return atomic_load_explicit(&r->seen_ms, memory_order_relaxed);
}

const struct replica_meters *
replica_meters(const struct replica *r)
{
	return &r->meters;
}

enum core_told
replica_command(struct replica *r, const struct core_command *command)
{
	return inbox_command(&r->inbox, command);
}
