#include "fcgi/finish.h"

#include "fcgi/base/hash.h"

/* Pages of other sites may read what everybody may, and nothing else. */
static void
add_shared(struct response *r)
{
	response_header(r, "Access-Control-Allow-Origin", "*");
	response_header(r, "Access-Control-Expose-Headers",
	    "ETag, Link, Retry-After, X-Cache, X-Request-Id, X-Served-By");
}

static void
add_etag(struct response *r, const struct request *q)
{
	const char *condition = q->header.if_none_match;
	bool reads = q->method == METHOD_GET || q->method == METHOD_HEAD;
	if (r->etag[0] == '\0')
		response_etag(r, hash64(r->body.data, r->body.len));
	response_header(r, "ETag", r->etag);
	if (reads && condition != NULL && etag_listed(condition, r->etag))
		r->status = 304;
}

void
answer_finish(struct response *r, const struct request *q, unsigned flags, const char *served_by)
{
	/* nginx keeps this one, and would add the next replica's to it. */
	if (r->status != 421 || q->header.front == NULL)
		response_header(r, "Cache-Control", flags & ROUTE_WRITE ? "no-store" : "no-cache");
	if (!r->from_cache)
		response_header(r, "X-Served-By", served_by);
	if (flags & ROUTE_SHARED)
		add_shared(r);
	if ((flags & ROUTE_ETAG) && r->status == 200)
		add_etag(r, q);
	r->no_body = q->method == METHOD_HEAD;
}
