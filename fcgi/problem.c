#include "fcgi/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "fcgi/page.h"

#define DETAIL_MAX 501
#define INSTANCE_MAX 256

const struct problem_row problem_rows[PROBLEM_COUNT] = {
#define PROBLEM(kind, name, status, outcome, title) {name, status, outcome, title},
#include "fcgi/problem.def"
#undef PROBLEM
};

/* The path as it was sent; bytes that a URI reference cannot hold are shown as `?`. */
static void
instance(const struct request *q, char out[INSTANCE_MAX])
{
	size_t n = 0;
	for (; n < q->path_len && n < INSTANCE_MAX - 1; n++)
		out[n] = q->target[n] > ' ' && q->target[n] <= '~' ? q->target[n] : '?';
	out[n] = '\0';
}

static void
set_status(struct response *r, int status)
{
	r->status = status;
	r->etag[0] = '\0';
	if (status == 503)
		response_header(r, "Retry-After", "1");
}

/* Writes all but the end of the object. */
static struct jsonw
render(struct response *r, const struct request *q, enum problem kind, const char *detail)
{
	const struct problem_row *row = &problem_rows[kind];
	char type[64], path[INSTANCE_MAX];
	snprintf(type, sizeof(type), "/problems/%s", row->name);
	instance(q, path);

	set_status(r, row->status);
	r->type = "application/problem+json";
	buf_clear(&r->body);
	struct jsonw w = jsonw_start(&r->body);
	jsonw_open(&w, NULL, '{');
	jsonw_text(&w, "type", type);
	jsonw_text(&w, "title", row->title);
	jsonw_int(&w, "status", row->status);
	jsonw_text(&w, "detail", detail);
	jsonw_text(&w, "instance", path);
	jsonw_bool(&w, "success", false);
	jsonw_text(&w, "message", detail);
	if (row->outcome != NULL)
		jsonw_text(&w, "outcome", row->outcome);
	return w;
}

static void
render_page(struct response *r, enum problem kind, const char *detail)
{
	const struct problem_row *row = &problem_rows[kind];
	set_status(r, row->status);
	page_start(r, row->title, "");
	page_add(r, "<h1>%s</h1>\n<p>", row->title);
	page_text(r, detail);
	page_add(r, "</p>\n<p><a href=\"/?plain\">All topics</a></p>\n");
	page_end(r);
}

void
problem(struct response *r, const struct request *q, enum problem kind, const char *format, ...)
{
	char detail[DETAIL_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	if (r->page) {
		render_page(r, kind, detail);
		return;
	}
	struct jsonw w = render(r, q, kind, detail);
	jsonw_close(&w);
}

struct jsonw
problem_open(
    struct response *r, const struct request *q, enum problem kind, const char *format, ...)
{
	char detail[DETAIL_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	return render(r, q, kind, detail);
}
