#include "fcgi/seeder.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "fcgi/service.h"

#define LOOK_MS 20

struct seeder {
	const struct worker *worker;
	pthread_t thread;
	atomic_bool stopping;
};

bool
seeder_done(const struct worker *w)
{
	static atomic_bool done; /* they never go away again */
	if (atomic_load_explicit(&done, memory_order_relaxed))
		return true;
	store_read_begin(w->store);
	bool found = service_seeded(store_view(w->store));
	store_read_end(w->store);
	if (found)
		atomic_store_explicit(&done, true, memory_order_relaxed);
	return found;
}

/* One attempt. The id is always the same, so that it is decided once however often it is tried. */
static void
submit(const struct worker *w)
{
	struct buf args = {0};
	uint8_t kind;
	if (service_seed(w, &args, &kind) != 0)
		log_fatal("the first contents cannot be read");
	struct uuid none = {{0}};
	struct op *op = op_new(uuid_named(&none, "seed", 4), 0, kind, &args);
	buf_free(&args);
	struct replica_answer answer = {0};
	replica_write(w->replica, &op, &answer, 1);
	buf_free(&answer.bytes);
	if (answer.result == CORE_DECIDED)
		log_info("wrote the first contents");
}

static void *
seed(void *arg)
{
	struct seeder *s = arg;
	struct core_status core;
	struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	while (!atomic_load(&s->stopping) && !seeder_done(s->worker)) {
		replica_status(s->worker->replica, &core);
		if (core.phase == CORE_ACTIVE)
			submit(s->worker);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

struct seeder *
seeder_start(const struct worker *w)
{
	struct seeder *s = xcalloc(1, sizeof(*s));
	s->worker = w;
	errno = pthread_create(&s->thread, NULL, seed, s);
	if (errno == 0)
		return s;
	free(s);
	return NULL;
}

void
seeder_stop(struct seeder *s)
{
	atomic_store(&s->stopping, true);
	pthread_join(s->thread, NULL);
	free(s);
}
