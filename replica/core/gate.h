/*
 * The gate in front of every read of a replica: is it open, and is this key clean?
 *
 * A key is dirty while an entry touching it is in the log but not applied: its fate may already be
 * decided elsewhere. A reader that finds it dirty waits until applied_seq reaches the seq it was
 * told, then reads; that read is linearizable, because entries committed before the check were
 * prepared here before the check (I1), and any entry later than those it sees commits after it
 * began.
 *
 * Plain data without a lock: the worker wraps it in a mutex, the simulator uses it as it is.
 */
#ifndef BAZAR_CORE_GATE_H
#define BAZAR_CORE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate;

enum gate_verdict {
	GATE_CLEAN,
	GATE_DIRTY, /* wait until applied_seq >= *wait_for */
	GATE_CLOSED /* this replica serves no reads now, or its lease is over */
};

struct gate *gate_new(void); /* closed, nothing dirty, applied 0 */
void gate_free(struct gate *g);
/* Open for reads that are checked before `until`; UINT64_MAX: without end. */
void gate_set_open(struct gate *g, bool open, uint64_t until);
void gate_mark(struct gate *g, const uint64_t *keys, size_t count, uint64_t seq);
void gate_set_applied(struct gate *g, uint64_t seq);   /* keys dirty up to seq become clean */
void gate_truncate(struct gate *g, uint64_t from_seq); /* entries >= from_seq were dropped */
uint64_t gate_applied(const struct gate *g);
/* Until when it is open; 0: it is not. */
uint64_t gate_open_until(const struct gate *g);
/* `now`: as the core's. The read is linearized here (R4, R9). */
enum gate_verdict gate_check(const struct gate *g, uint64_t now, uint64_t key, uint64_t *wait_for);

#endif
