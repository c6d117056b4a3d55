#include "fcgi/writes.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/guard.h"
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

/* ---- Failures ---- */

void
write_failed(struct call *c, enum core_result result)
{
	/* This call changed nothing, but one before it with the same key may have. */
	if (result == CORE_OVERLOADED && c->key != NULL)
		result = CORE_UNKNOWN;
	switch (result) {
	case CORE_NOT_PRIMARY:
		problem(c->r, c->q, PROBLEM_NOT_PRIMARY,
		    "This replica takes no writes; ask the service's own address.");
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
		    "Not every replica can be reached. Nothing was changed; try again in a "
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
	replica_status(c->worker->replica, &core);
	return core.role == CORE_BACKUP || core.last.seq > 0;
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
	if (decided)
		buf_add(answer, got.bytes.data, got.bytes.len);
	else
		write_failed(c, got.result);
	buf_free(&got.bytes);
	return decided;
}
