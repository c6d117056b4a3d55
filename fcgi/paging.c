#include "fcgi/paging.h"

#include <string.h>

#include "fcgi/base/text.h"

bool
page_number(const struct request *q, const char *name, uint64_t *number)
{
	const char *text = request_param(q, name);
	*number = text != NULL ? text_parse_id(text) : 0;
	return text == NULL || *number != 0 || strcmp(text, "0") == 0;
}

bool
page_limit(const struct request *q, size_t *limit)
{
	uint64_t number;
	if (!page_number(q, "limit", &number))
		return false;
	if (request_param(q, "limit") == NULL)
		number = PAGE_DEFAULT;
	*limit = (size_t)number;
	return number >= 1 && number <= PAGE_MAX;
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
page_link_next(struct response *r, const struct request *q, size_t limit, const char *after)
{
	struct buf *head = &r->head;
	buf_printf(head, "Link: <");
	add_path(head, q);
	buf_printf(head, "?");
	if (limit != PAGE_DEFAULT)
		buf_printf(head, "limit=%zu&", limit);
	for (size_t i = 0; i < q->param_count; i++)
		if (!request_listed("limit after", q->param[i].name))
			add_param(head, q->param[i].name, q->param[i].value);
	buf_printf(head, "after=%s>; rel=\"next\"\r\n", after);
}
