/*
 * The order of a linearizable read (rule R4), as a little step machine, so that the workers and the
 * simulator follow the very same one:
 *
 *     READ_CHECK -> (READ_WAIT ->) READ_ROWS -> READ_DONE
 *                \-> READ_REFUSED
 *
 *     struct read r;
 *     read_start(&r);
 *     for (;;) switch (read_next(&r)) {
 *     case READ_CHECK: verdict = gate_check(gate, key, &wait_for); read_checked(&r, verdict,
 * wait_for); break; case READ_WAIT:  wait until gate_applied >= r.wait_for, at most 2 s;
 * read_waited(&r, reached); break; case READ_ROWS:  seq = applied_seq; rows...; read_rows_done(&r,
 * seq); break;   (seq read before the rows) case READ_DONE:  may be cached with r.seq case
 * READ_REFUSED: 503, another replica is asked
 *     }
 */
#ifndef BAZAR_CORE_READ_H
#define BAZAR_CORE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/core/gate.h"

enum read_step { READ_CHECK, READ_WAIT, READ_ROWS, READ_DONE, READ_REFUSED };

struct read {
	enum read_step step;
	uint64_t wait_for;
	uint64_t seq;
};

void read_start(struct read *r);
enum read_step read_next(const struct read *r);
void read_checked(struct read *r, enum gate_verdict verdict, uint64_t wait_for);
void read_waited(struct read *r, bool reached);
void read_rows_done(struct read *r, uint64_t seq);

#endif
