#include "fcgi/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/text.h"
#include "fcgi/base/trace.h"
#include "fcgi/fcgi.h"
#include "fcgi/finish.h"
#include "fcgi/guard.h"
#include "fcgi/log.h"
#include "fcgi/metrics.h"
#include "fcgi/service.h"
#include "fcgi/writes.h"

#define KEY_MAX 255

/* ---- Finding the row ---- */

/* The next segment of a pattern: its bytes, and the rest in *pattern. */
static const char *
pattern_segment(const char **pattern, size_t *len)
{
	const char *segment = *pattern + 1; /* behind the slash */
	*len = strcspn(segment, "/");
	*pattern = segment + *len;
	return segment;
}

static bool
matches(const char *pattern, const struct request *q)
{
	size_t len;
	for (size_t i = 0; i < q->segment_count; i++) {
		if (*pattern == '\0' || i == REQUEST_SEGMENTS)
			return false;
		const char *want = pattern_segment(&pattern, &len), *got = q->segment[i];
		if (*want == '{' ? *got == '\0' : strlen(got) != len || memcmp(want, got, len) != 0)
			return false;
	}
	return *pattern == '\0';
}

/* What the tables know of a path. */
struct match {
	const struct route *route; /* for the method asked for; NULL: none */
	unsigned slot;
	unsigned allowed; /* bits of the methods that have rows */
	bool shared;      /* GET is */
};

static struct match
find(const struct router *router, const struct request *q)
{
	enum method method = q->method == METHOD_HEAD ? METHOD_GET : q->method;
	struct match m = {.slot = METRICS_OTHER};
	for (size_t t = 0; t < ROUTER_TABLES; t++) {
		const struct route *table = router->tables[t];
		for (size_t i = 0; table != NULL && table[i].handler != NULL; i++) {
			if (!matches(table[i].path, q))
				continue;
			m.allowed |= 1u << table[i].method;
			m.shared |= (table[i].flags & ROUTE_SHARED) != 0;
			if (table[i].method == method) {
				m.route = &table[i];
				m.slot = router->slots[t] + (unsigned)i;
			}
		}
	}
	return m;
}

static void
add_allow(struct response *r, unsigned allowed)
{
	static const enum method order[] = {
	    METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_DELETE};
	if (allowed & 1u << METHOD_GET)
		allowed |= 1u << METHOD_HEAD;
	buf_printf(&r->head, "Allow: ");
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (allowed & 1u << order[i])
			buf_printf(&r->head, "%s, ", request_method_name(order[i]));
	buf_printf(&r->head, "OPTIONS\r\n");
}

/* A browser asks this before a read with headers of its own. */
static void
add_preflight(struct response *r)
{
	response_header(r, "Access-Control-Allow-Origin", "*");
	response_header(r, "Access-Control-Allow-Methods", "GET, HEAD");
	response_header(r, "Access-Control-Allow-Headers", "If-None-Match, Traceparent");
	response_header(r, "Access-Control-Max-Age", "86400");
}

/* No row for the method: 404, 405, or the answer to OPTIONS. */
static void
answer_without_row(struct call *c, const struct match *m)
{
	if (m->allowed == 0) {
		problem(c->r, c->q, PROBLEM_NOT_FOUND, "There is nothing at this address.");
		return;
	}
	add_allow(c->r, m->allowed);
	if (c->q->method != METHOD_OPTIONS) {
		problem(c->r, c->q, PROBLEM_METHOD, "This address does not know that method.");
		return;
	}
	if (m->shared)
		add_preflight(c->r);
	c->r->status = 204;
}

/* ---- What a row asks for. Each check returns false when it has answered. ---- */

static bool
check_origin(struct call *c)
{
	const struct request_headers *h = &c->q->header;
	if (!(c->route->flags & (ROUTE_WRITE | ROUTE_ADMIN)))
		return true;
	bool foreign = (c->route->flags & ROUTE_WRITE) &&
		       (!guard_origin(h->origin, h->host) || !guard_site(h->sec_fetch_site));
	if (!foreign && guard_host(c->worker->settings->hosts, h->host))
		return true;
	problem(c->r, c->q, PROBLEM_FORBIDDEN_ORIGIN,
	    foreign ? "Pages of other sites may not do this."
		    : "This server does not go by the name in the Host header.");
	return false;
}

static bool
check_permission(struct call *c)
{
	const struct request_headers *h = &c->q->header;
	const char *token = c->worker->settings->admin_token;
	bool refused = false;
	if (c->route->flags & ROUTE_INTERNAL)
		refused = !guard_equal(c->worker->secret, h->bazar_secret);
	else if ((c->route->flags & ROUTE_ADMIN) && *token != '\0')
		refused = !guard_equal(token, guard_bearer(h->authorization));
	if (!refused)
		return true;
	response_header(c->r, "WWW-Authenticate", "Bearer realm=\"bazar\"");
	problem(c->r, c->q, PROBLEM_UNAUTHORIZED, "This call needs a token that was not shown.");
	return false;
}

static bool
bind_segment(struct call *c, const char *name, const char *text)
{
	if (strncmp(name, "{id}", 4) == 0) {
		c->id = text_parse_id(text);
		if (c->id == 0)
			problem(c->r, c->q, PROBLEM_BAD_REQUEST,
			    "A book's id is a positive decimal number of at most 18 digits.");
		return c->id != 0;
	}
	if (strncmp(name, "{order}", 7) == 0) {
		bool good = uuid_parse_text(text, &c->order);
		if (!good)
			problem(c->r, c->q, PROBLEM_BAD_REQUEST, "An order's id is a UUID.");
		return good;
	}
	c->topic = text;
	return true;
}

static bool
check_path(struct call *c)
{
	const char *pattern = c->route->path;
	size_t len;
	for (size_t i = 0; *pattern != '\0'; i++) {
		const char *name = pattern_segment(&pattern, &len);
		if (*name == '{' && !bind_segment(c, name, c->q->segment[i]))
			return false;
	}
	return true;
}

static bool
check_params(struct call *c)
{
	const char *odd = request_odd_param(c->q, c->route->params);
	if (odd != NULL)
		problem(c->r, c->q, PROBLEM_BAD_REQUEST, "%s", odd);
	return odd == NULL;
}

static bool
check_key(struct call *c)
{
	const char *key = c->q->header.idempotency_key;
	if (key == NULL || !(c->route->flags & ROUTE_KEYED))
		return true;
	size_t len = strlen(key);
	bool good = len >= 1 && len <= KEY_MAX;
	for (size_t i = 0; good && i < len; i++)
		good = key[i] >= ' ' && key[i] <= '~';
	if (!good)
		problem(c->r, c->q, PROBLEM_BAD_REQUEST,
		    "An Idempotency-Key is 1 to 255 printable ASCII characters.");
	c->key = key;
	return good;
}

static bool
check_body(struct call *c)
{
	const struct request *q = c->q;
	if (c->route->body_max == 0)
		return true;
	if (q->body_too_large || q->body_len > c->route->body_max) {
		problem(c->r, q, PROBLEM_TOO_LARGE, "The body is longer than %zu bytes.",
		    c->route->body_max);
		return false;
	}
	if (q->body_len > 0 && !(c->route->flags & ROUTE_BINARY) &&
	    !request_is_json(q->header.content_type)) {
		problem(c->r, q, PROBLEM_UNSUPPORTED_TYPE, "The body must be application/json.");
		return false;
	}
	return true;
}

/* Only what is known by keys goes through the log. */
static bool
check_place(struct call *c)
{
	return !(c->route->flags & ROUTE_KEYED) || write_here(c);
}

/* A write that was not done is worth a line; nginx's log has the same id, and everything else. */
static void
log_failed_write(const struct call *c)
{
	const char *id = c->q->header.request_id;
	if (c->route != NULL && (c->route->flags & ROUTE_WRITE) && c->r->status >= 500)
		log_warn("request %s: %s %.*s: %d", id != NULL ? id : "-",
		    request_method_name(c->q->method), (int)c->q->path_len, c->q->target,
		    c->r->status);
}

/* A slow one too, with the time in each stage: as far as the handler came by itself, what it then
 * waited for (its disk, others'), and the answer. */
static void
log_slow(const struct call *c, uint64_t now)
{
	const char *id = c->q->header.request_id;
	double ms = (double)(now - c->began_ns) / 1e6;
	char stages[100] = "";
	if (ms < (double)c->worker->settings->slow_ms)
		return;
	if (c->resumed_ns != 0)
		snprintf(stages, sizeof(stages), ": %.1f until it waited, %.1f waiting, %.1f since",
		    (double)(c->kept_ns - c->began_ns) / 1e6,
		    (double)(c->resumed_ns - c->kept_ns) / 1e6,
		    (double)(now - c->resumed_ns) / 1e6);
	log_info("slow request %s: %s %.*s: %d after %.1f ms%s", id != NULL ? id : "-",
	    request_method_name(c->q->method), (int)c->q->path_len, c->q->target, c->r->status, ms,
	    stages);
}

/* ---- Dispatch ---- */

static void
answer(const struct router *router, struct call *c, struct request *q)
{
	const char *why;
	c->slot = METRICS_OTHER;
	if (request_parse(q, q->target, &why) != 0) {
		problem(c->r, q, PROBLEM_BAD_REQUEST, "%s", why);
		return;
	}
	struct match m = find(router, q);
	c->route = m.route;
	c->slot = m.slot;
	c->r->page = c->route != NULL && (c->route->flags & ROUTE_PAGE);
	if (c->route == NULL)
		answer_without_row(c, &m);
	else if (check_origin(c) && check_permission(c) && check_path(c) && check_params(c) &&
		 check_key(c) && check_body(c) && check_place(c))
		c->route->handler(c);
}

static void
complete(struct call *c)
{
	answer_finish(
	    c->r, c->q, c->route != NULL ? c->route->flags : ROUTE_WRITE, c->worker->node->name);
	log_failed_write(c);
	uint64_t now = clock_ns();
	log_slow(c, now);
	metrics_count(c->worker->metrics, c->slot, c->r->status, now - c->began_ns);
}

bool
router_answer(void *arg, struct request *q, struct response *r)
{
	const struct router *router = arg;
	struct call c = {.worker = router->worker, .q = q, .r = r, .began_ns = clock_ns()};
	trace_enter(q->header.traceparent);
	answer(router, &c, q);
	if (!c.later) /* else q and r may be gone */
		complete(&c);
	trace_enter(NULL);
	return !c.later;
}

void
call_keep(struct call *c, struct call *kept)
{
	*kept = *c;
	kept->kept_ns = clock_ns();
	c->later = true;
}

static void
resumed(void *arg)
{
	struct call *kept = arg, c = *kept;
	trace_enter(c.q->header.traceparent);
	c.resumed_ns = clock_ns();
	c.answer(kept);
	complete(&c);
	trace_enter(NULL);
}

void
call_resume(struct call *kept, void (*answer_kept)(struct call *kept))
{
	kept->answer = answer_kept;
	fcgi_resume(kept->r, resumed, kept);
}

static unsigned
count_rows(struct metrics *m, const struct route *table)
{
	unsigned first = METRICS_OTHER;
	for (size_t i = 0; table[i].handler != NULL; i++) {
		unsigned slot =
		    metrics_route(m, request_method_name(table[i].method), table[i].path);
		if (i == 0)
			first = slot;
	}
	return first;
}

void
router_init(
    struct router *router, struct worker *w, const struct route *first, const struct route *second)
{
	*router = (struct router){.worker = w, .tables = {first, second}};
	for (size_t t = 0; t < ROUTER_TABLES; t++)
		if (router->tables[t] != NULL)
			router->slots[t] = count_rows(w->metrics, router->tables[t]);
}
