#include "fcgi/reads.h"

#include "fcgi/paging.h"
#include "fcgi/service.h"

bool
read_begin(struct call *c, uint64_t key, uint64_t *seq)
{
	if (replica_read(c->worker->replica, key) != 0) {
		problem(c->r, c->q, PROBLEM_OVERLOADED,
		    "This replica cannot vouch for its data right now; try again.");
		return false;
	}
	*seq = store_read_begin(c->worker->store);
	return true;
}

const struct view *
read_view(const struct call *c)
{
	return store_view(c->worker->store);
}

void
read_end(const struct call *c)
{
	store_read_end(c->worker->store);
}

bool
read_number(struct call *c, const char *name, uint64_t *number)
{
	if (page_number(c->q, name, number))
		return true;
	problem(c->r, c->q, PROBLEM_BAD_REQUEST,
	    "The parameter %s must be a number without sign and leading zeros.", name);
	return false;
}

bool
read_limit(struct call *c, size_t *limit)
{
	uint64_t number;
	if (page_limit(c->q, limit))
		return true;
	if (read_number(c, "limit", &number))
		problem(c->r, c->q, PROBLEM_BAD_REQUEST, "The parameter limit must be 1 to %d.",
		    PAGE_MAX);
	return false;
}
