/*
 * What handlers of writes share: an identity for the operation, and one way through the replica to
 * an answer or to a failure that tells the truth about what became of it.
 */
#ifndef BAZAR_WRITES_H
#define BAZAR_WRITES_H

#include "fcgi/dispatch.h"
#include "replica/core/core.h"

struct write_op {
	struct uuid id;
	uint64_t fingerprint; /* not 0 */
	bool keep;            /* the client can repeat it, so its answer is kept */
	bool replayed;        /* set by write_run: decided by an earlier request with this id */
};

/*
 * With an Idempotency-Key the id follows from `space`, the caller's token and the key, else it is
 * random. `format` prints what makes this request this one: method, path, canonical body.
 */
struct write_op write_identify(const struct call *c, const struct uuid *space, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* True: go on, this replica is the primary, or nobody but itself can say that it is not (its own
 * address was asked). False: the shop's address was asked, and c->r sends nginx on to whoever is
 * primary, or says that nobody is (503). Waits at most 2 s. */
bool write_here(struct call *c);

/* False at a primary whose tables have no first contents yet (seeder.h). A backup has its own word
 * for writes. */
bool write_ready(const struct call *c);

/* Something was decided: a success says so when fewer replicas have it than there are members. */
void write_decided(struct call *c);

/*
 * Runs operation `kind` with `args` (freed). True: the machine's answer was appended to *answer.
 * False: a failure is in c->r (409 request-in-progress while the same key is being handled here,
 * 421, 503).
 */
bool write_run(
    struct call *c, struct write_op *op, uint8_t kind, struct buf *args, struct buf *answer);

/* The failures a write has when it was not decided, or decided for another request. */
void write_failed(struct call *c, enum core_result result);
void write_in_progress(struct call *c);
void write_key_reused(struct call *c);

/* Says in the answer that it is a repetition. */
void write_replayed(struct call *c);

#endif
