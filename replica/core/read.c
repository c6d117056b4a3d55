#include "replica/core/read.h"

#include "replica/core/plant.h"

void
read_start(struct read *r)
{
	*r = (struct read){.step = PLANTED(R4) ? READ_ROWS : READ_CHECK};
}

enum read_step
read_next(const struct read *r)
{
	return r->step;
}

void
read_checked(struct read *r, enum gate_verdict verdict, uint64_t wait_for)
{
	enum read_step checked = PLANTED(R4) ? READ_DONE : READ_ROWS;

	switch (verdict) {
	case GATE_CLEAN:
		r->step = checked;
		break;
	case GATE_DIRTY:
		r->step = READ_WAIT;
		r->wait_for = wait_for;
		break;
	case GATE_CLOSED:
		r->step = READ_REFUSED;
		break;
	}
}

/* No second check: the read is linearized at the first one, and what it waited for is applied. */
void
read_waited(struct read *r, bool reached)
{
	r->step = reached ? READ_ROWS : READ_REFUSED;
}

void
read_rows_done(struct read *r, uint64_t seq)
{
	bool waited = r->wait_for != 0;

	r->seq = seq;
	r->step = PLANTED(R4) && !waited ? READ_CHECK : READ_DONE;
}
