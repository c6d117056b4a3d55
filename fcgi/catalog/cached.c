#include "fcgi/catalog/cached.h"

#include "fcgi/base/clock.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"

/* A hit needs the open gate too: behind a closed one, floors may be missing. */
static bool
look_up(struct call *c, const struct question *k, struct cache_hit *hit)
{
	struct buf *body = &c->r->body;
	if (!replica_serving(c->worker->replica))
		return false;
	buf_reserve(body, CACHE_VALUE_MAX);
	return cache_get(c->worker->cache, k->key, k->floor_key, clock_ms(), body->data, body->cap,
		   hit) == CACHE_HIT;
}

/* False: it is to be made here, under a claim where *claim is not 0. Whoever has waited for
 * somebody in vain does not wait again: what is written all the time is made by everybody for
 * himself. */
static bool
look_up_or_claim(struct call *c, const struct question *k, struct cache_hit *hit, uint64_t *claim)
{
	struct cache *cache = c->worker->cache;
	*claim = 0;
	if (cache == NULL)
		return false;
	bool waited = cache_await(cache, k->key);
	if (look_up(c, k, hit))
		return true;
	if (waited)
		return false;
	*claim = cache_claim(cache, k->key);
	return *claim == 0 && cache_await(cache, k->key) && look_up(c, k, hit);
}

static bool
keep(struct call *c, const struct question *k, uint64_t seq)
{
	return c->worker->cache != NULL && c->r->status == 200 &&
	       cache_put(c->worker->cache, k->key, k->floor_key, seq, c->r->body.data,
		   c->r->body.len) == 0;
}

/* From the tables. */
static void
make_anew(struct call *c, const struct question *k, cached_make make, void *arg)
{
	uint64_t seq;
	buf_clear(&c->r->body);
	response_header(c->r, "X-Cache", "MISS");
	if (!read_begin(c, k->floor_key, &seq))
		return;
	bool worth = make(c, read_view(c), arg);
	read_end(c);
	bool kept = worth && keep(c, k, seq);
	response_header(c->r, "Cache-Status", kept ? "bazar; fwd=miss; stored" : "bazar; fwd=miss");
}

void
cached_read(struct call *c, const struct question *k, cached_make make, void *arg)
{
	struct cache_hit hit;
	uint64_t claim;
	if (look_up_or_claim(c, k, &hit, &claim)) {
		question_hit(c->r, &hit);
		return;
	}
	make_anew(c, k, make, arg);
	if (claim != 0)
		cache_release(c->worker->cache, k->key, claim);
}
