#include "fcgi/catalog/cache_calls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/catalog/bodies.h"
#include "fcgi/service.h"

#define HOST_BYTES 256

/* Without a cache all counts are 0. */
static void
read_stats(const struct call *c, struct cache_stats *s)
{
	if (c->worker->cache == NULL || cache_stats(c->worker->cache, clock_ms(), s) != 0)
		*s = (struct cache_stats){.max_entries = c->worker->settings->cache_entries};
}

/* Hits of a hundred requests, in hundredths, rounded half up. */
static int64_t
hit_rate(const struct cache_stats *s)
{
	uint64_t total = s->hits + s->misses;
	return total == 0 ? 0 : (int64_t)((s->hits * 20000 + total) / (2 * total));
}

void
get_cache_stats(struct call *c)
{
	struct cache_stats s;
	char host[HOST_BYTES] = "";
	read_stats(c, &s);
	gethostname(host, sizeof(host) - 1);
	struct jsonw w = response_success(c->r, NULL);
	jsonw_open(&w, "data", '{');
	jsonw_int(&w, "hits", s.hits);
	jsonw_int(&w, "misses", s.misses);
	jsonw_int(&w, "invalidations", s.invalidations);
	jsonw_int(&w, "total_requests", s.hits + s.misses);
	jsonw_cents(&w, "hit_rate_percent", hit_rate(&s));
	jsonw_int(&w, "cache_size", s.entries);
	jsonw_int(&w, "max_cache_size", s.max_entries);
	jsonw_int(&w, "evictions", s.evictions);
	jsonw_int(&w, "bytes", s.bytes);
	jsonw_int(&w, "max_bytes", s.max_bytes);
	jsonw_bool(&w, "ready", s.ready);
	jsonw_text(&w, "host", host);
	jsonw_close(&w);
	jsonw_close(&w);
}

/* ---- Removing ---- */

/* The names of removed entries, one after the other with their NULs. */
struct removed {
	char *names;
	size_t size, used;
	bool failed;
};

static void
remove_key(const struct call *c, struct removed *r, uint64_t floor_key)
{
	size_t used = 0;
	int count = cache_invalidate(
	    c->worker->cache, floor_key, r->names + r->used, r->size - r->used, &used);
	r->used += count > 0 ? used : 0;
	r->failed = r->failed || count < 0;
}

static void
remove_entries(const struct call *c, const struct invalidation *what, struct removed *r)
{
	if (c->worker->cache == NULL)
		return;
	if (what->all)
		r->failed = cache_clear(c->worker->cache, r->names, r->size, &r->used) < 0;
	if (what->book != 0)
		remove_key(c, r, catalog_key_book(what->book));
	for (size_t i = 0; i < what->topic_count; i++)
		remove_key(c, r, catalog_key_topic(what->topics[i]));
}

static void
answer_removed(struct call *c, const struct removed *r)
{
	if (r->failed) {
		problem(c->r, c->q, PROBLEM_OVERLOADED, "The cache is busy; try again.");
		return;
	}
	struct jsonw w = response_success(c->r, "The cache was invalidated.");
	jsonw_open(&w, "invalidated_keys", '[');
	for (size_t at = 0; at < r->used; at += strlen(r->names + at) + 1)
		jsonw_text(&w, NULL, r->names + at);
	jsonw_close(&w);
	jsonw_close(&w);
}

void
post_invalidate(struct call *c)
{
	struct invalidation *what = xmalloc(sizeof(*what));
	const char *why = NULL;
	if (body_check(c, body_invalidation(c->q->body, c->q->body_len, what, &why), &why)) {
		struct removed r = {
		    .size = c->worker->settings->cache_entries * (CACHE_KEY_MAX + 1)};
		r.names = xmalloc(r.size);
		remove_entries(c, what, &r);
		answer_removed(c, &r);
		free(r.names);
	}
	free(what);
}
