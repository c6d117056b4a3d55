#include "fcgi/reads.h"

#include <inttypes.h>
#include <string.h>

#include "fcgi/base/text.h"
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
	const char *text = request_param(c->q, name);
	*number = text != NULL ? text_parse_id(text) : 0;
	if (text == NULL || *number != 0 || strcmp(text, "0") == 0)
		return true;
	problem(c->r, c->q, PROBLEM_BAD_REQUEST,
	    "The parameter %s must be a number without sign and leading zeros.", name);
	return false;
}

bool
read_limit(struct call *c, size_t *limit)
{
	uint64_t number;
	if (!read_number(c, "limit", &number))
		return false;
	if (request_param(c->q, "limit") == NULL)
		number = PAGE_DEFAULT;
	if (number < 1 || number > PAGE_MAX) {
		problem(c->r, c->q, PROBLEM_BAD_REQUEST, "The parameter limit must be 1 to %d.",
		    PAGE_MAX);
		return false;
	}
	*limit = (size_t)number;
	return true;
}

/* The path as it was sent, but without what a URI reference or a header may not hold. */
static void
add_path(struct buf *head, const struct request *q)
{
	for (size_t i = 0; i < q->path_len; i++) {
		char c = q->target[i];
		if (c > ' ' && c <= '~' && c != '<' && c != '>' && c != '"')
			buf_u8(head, (uint8_t)c);
		else
			buf_printf(head, "%%%02X", (unsigned char)c);
	}
}

/* A parameter as it was sent, but escaped anew. */
static void
add_param(struct buf *head, const char *name, const char *value)
{
	buf_printf(head, "%s=", name);
	text_percent(value, head);
	buf_printf(head, "&");
}

void
read_link_next(struct call *c, size_t limit, const char *after)
{
	struct buf *head = &c->r->head;
	buf_printf(head, "Link: <");
	add_path(head, c->q);
	buf_printf(head, "?");
	if (limit != PAGE_DEFAULT)
		buf_printf(head, "limit=%zu&", limit);
	for (size_t i = 0; i < c->q->param_count; i++)
		if (!request_listed("limit after", c->q->param[i].name))
			add_param(head, c->q->param[i].name, c->q->param[i].value);
	buf_printf(head, "after=%s>; rel=\"next\"\r\n", after);
}
