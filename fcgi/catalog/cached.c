#include "fcgi/catalog/cached.h"

#include "fcgi/base/clock.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"

/* A hit needs the open gate too: behind a closed one, floors may be missing. */
static bool
look_up(struct call *c, const struct question *k, struct cache_hit *hit)
{
	struct buf *body = &c->r->body;
	if (c->worker->cache == NULL || !replica_serving(c->worker->replica))
		return false;
	buf_reserve(body, CACHE_VALUE_MAX);
	return cache_get(c->worker->cache, k->key, k->floor_key, clock_ms(), body->data, body->cap,
		   hit) == CACHE_HIT;
}

static bool
keep(struct call *c, const struct question *k, uint64_t seq)
{
	return c->worker->cache != NULL && c->r->status == 200 &&
	       cache_put(c->worker->cache, k->key, k->floor_key, seq, c->r->body.data,
		   c->r->body.len) == 0;
}

void
cached_read(struct call *c, const struct question *k, cached_make make, void *arg)
{
	uint64_t seq;
	struct cache_hit hit;
	if (look_up(c, k, &hit)) {
		question_hit(c->r, &hit);
		return;
	}
	buf_clear(&c->r->body);
	response_header(c->r, "X-Cache", "MISS");
	if (!read_begin(c, k->floor_key, &seq))
		return;
	bool worth = make(c, read_view(c), arg);
	read_end(c);
	bool kept = worth && keep(c, k, seq);
	response_header(c->r, "Cache-Status", kept ? "bazar; fwd=miss; stored" : "bazar; fwd=miss");
}
