#include "fcgi/writes.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/hash.h"
#include "fcgi/guard.h"
#include "fcgi/seeder.h"
#include "fcgi/service.h"

/* ---- Keys being handled in this process right now ---- */

#define IN_FLIGHT_MAX 1024 /* as many as there can be threads */

static struct {
	pthread_mutex_t lock;
	struct uuid ids[IN_FLIGHT_MAX];
	size_t count;
} in_flight = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* False: somebody else has this id. */
static bool
claim(const struct uuid *id)
{
	bool is_free = true;
	pthread_mutex_lock(&in_flight.lock);
	for (size_t i = 0; is_free && i < in_flight.count; i++)
		is_free = !uuid_equal(&in_flight.ids[i], id);
	is_free = is_free && in_flight.count < IN_FLIGHT_MAX;
	if (is_free)
		in_flight.ids[in_flight.count++] = *id;
	pthread_mutex_unlock(&in_flight.lock);
	return is_free;
}

static void
release(const struct uuid *id)
{
	pthread_mutex_lock(&in_flight.lock);
	size_t i = 0;
	while (!uuid_equal(&in_flight.ids[i], id))
		i++;
	in_flight.ids[i] = in_flight.ids[--in_flight.count];
	pthread_mutex_unlock(&in_flight.lock);
}

/* ---- Identity ---- */

struct write_op
write_identify(const struct call *c, const struct uuid *space, const char *format, ...)
{
	struct buf text = {0};
	va_list args;
	char request[512];
	va_start(args, format);
	vsnprintf(request, sizeof(request), format, args);
	va_end(args);
	struct write_op op = {.fingerprint = hash64(request, strlen(request))};
	if (op.fingerprint == 0)
		op.fingerprint = 1;
	op.keep = c->key != NULL;
	if (c->key == NULL) {
		op.id = uuid_random();
		return op;
	}
	const char *token = guard_bearer(c->q->header.authorization);
	buf_str(&text, token != NULL ? token : "");
	buf_str(&text, c->key);
	op.id = uuid_named(space, text.data, text.len);
	buf_free(&text);
	return op;
}

/* ---- The primary's place ---- */

#define LOOK_MS 5
#define TURN_MS 400 /* a request that was sent on waits this long for its turn to come here ... */
#define NOBODY_MS 2000    /* ... and as long as this while nobody is known who could take it */
#define UNDER_WAY_MS 3000 /* one that has been sent around for so long is answered */

/* Who takes writes, as far as this replica knows; 0: nobody. Whoever it has promised to is, or is
 * about to be, primary. */
static uint32_t
find_primary(const struct call *c)
{
	struct core_status core;
	uint32_t self = c->worker->node->id;
	replica_status(c->worker->replica, &core);
	if (core.role == CORE_PRIMARY)
		return self;
	if (core.epoch.replica != 0 && core.epoch.replica != self)
		return core.epoch.replica;
	return core.set.count > 0 && core.set.primary != self ? core.set.primary : 0;
}

static void
look_again(void)
{
	struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	nanosleep(&pause, NULL);
}

static uint32_t
wait_for_primary(const struct call *c)
{
	uint64_t end = clock_ms() + NOBODY_MS;
	uint32_t id;
	while ((id = find_primary(c)) == 0 && clock_ms() < end)
		look_again();
	return id;
}

/* nginx asks that replica instead, with the same method and body, and the client sees none of it.
 */
static void
send_on(struct call *c, uint32_t id)
{
	char place[64];
	snprintf(place, sizeof(place), "@%s/%u", node_service_name(c->worker->node->service), id);
	response_header(c->r, "X-Accel-Redirect", place);
}

static void
answer_not_primary(struct call *c)
{
	bool front = c->q->header.front != NULL;
	uint32_t primary = front && c->q->elapsed_ms < UNDER_WAY_MS ? wait_for_primary(c) : 0;
	if (!front || primary != 0) {
		problem(c->r, c->q, PROBLEM_NOT_PRIMARY,
		    "This replica takes no writes; ask the service's own address.");
		if (front)
			send_on(c, primary);
	} else if (c->key != NULL) {
		problem(c->r, c->q, PROBLEM_OUTCOME_UNKNOWN,
		    "No replica takes writes right now. Repeat the request with the same "
		    "Idempotency-Key to learn its outcome.");
	} else {
		problem(c->r, c->q, PROBLEM_NOT_APPLIED,
		    "No replica takes writes right now. Nothing was changed; try again in a "
		    "moment.");
	}
}

bool
write_here(struct call *c)
{
	const char *front = c->q->header.front;
	uint32_t self = c->worker->node->id;
	if (front == NULL)
		return true;
	uint64_t end = clock_ms() + (strcmp(front, "again") == 0 ? TURN_MS : 0);
	while (find_primary(c) != self) {
		if (clock_ms() >= end) {
			answer_not_primary(c);
			return false;
		}
		look_again();
	}
	return true;
}

/* ---- Failures ---- */

void
write_failed(struct call *c, enum core_result result)
{
	/* This call changed nothing, but one before it with the same key may have. */
	if (result == CORE_OVERLOADED && c->key != NULL)
		result = CORE_UNKNOWN;
	switch (result) {
	case CORE_NOT_PRIMARY:
		answer_not_primary(c);
		break;
	case CORE_UNKNOWN:
		problem(c->r, c->q, PROBLEM_OUTCOME_UNKNOWN,
		    "This cannot be confirmed yet. What was begun will be completed; repeat the "
		    "request with the same Idempotency-Key to learn its outcome.");
		break;
	case CORE_OVERLOADED:
		problem(c->r, c->q, PROBLEM_OVERLOADED,
		    "Too many writes are waiting. Nothing was changed; try again in a moment.");
		break;
	default:
		problem(c->r, c->q, PROBLEM_NOT_APPLIED,
		    "Not enough replicas can be reached. Nothing was changed; try again in a "
		    "moment.");
	}
}

void
write_in_progress(struct call *c)
{
	problem(c->r, c->q, PROBLEM_IN_PROGRESS,
	    "A request with this Idempotency-Key is being handled right now.");
}

void
write_key_reused(struct call *c)
{
	problem(c->r, c->q, PROBLEM_KEY_REUSED, "This Idempotency-Key belongs to another request.");
}

void
write_replayed(struct call *c)
{
	response_header(c->r, "Idempotent-Replayed", "true");
}

/* ---- The way through ---- */

bool
write_ready(const struct call *c)
{
	struct core_status core;
	if (seeder_done(c->worker))
		return true;
	replica_status(c->worker->replica, &core);
	return core.role == CORE_BACKUP;
}

void
write_decided(struct call *c)
{
	struct core_status core;
	replica_status(c->worker->replica, &core);
	c->r->degraded = set_degraded(&core.set);
}

bool
write_run(struct call *c, struct write_op *op, uint8_t kind, struct buf *args, struct buf *answer)
{
	struct op *operation = op_new(op->id, 0, kind, args);
	buf_free(args);
	if (!write_ready(c)) {
		op_free(operation);
		/* A store that was lost may have known the key, and the others still do. */
		write_failed(c, op->keep ? CORE_UNKNOWN : CORE_NOT_APPLIED);
		return false;
	}
	if (op->keep && !claim(&op->id)) {
		op_free(operation);
		write_in_progress(c);
		return false;
	}
	struct replica_answer got = {0};
	replica_write(c->worker->replica, &operation, &got, 1);
	if (op->keep)
		release(&op->id);
	op->replayed = op->keep && got.result == CORE_REPLAYED;
	bool decided = got.result == CORE_DECIDED || got.result == CORE_REPLAYED;
	if (decided) {
		write_decided(c);
		buf_add(answer, got.bytes.data, got.bytes.len);
	} else {
		write_failed(c, got.result);
	}
	buf_free(&got.bytes);
	return decided;
}
