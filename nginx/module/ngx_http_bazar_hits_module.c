/*
 * Cache hits answered by nginx itself: see README.md beside this file.
 *
 *   load_module .../ngx_http_bazar_hits_module.so;
 *   http { bazar_segment /bazar-0123456789abcdef; ... location /info { bazar_hits on; ... } }
 *
 * A worker process of nginx has one thread, so what lives from request to request is static here.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <sys/random.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/hash.h"
#include "fcgi/catalog/question.h"
#include "fcgi/finish.h"

#define REOPEN_MS 100 /* between two looks for a segment, when there is none to use */

struct main_conf {
	struct cache *cache;  /* NULL: no bazar_segment */
	ngx_int_t request_id; /* index of the variable */
};

struct location_conf {
	ngx_flag_t on;
};

ngx_module_t ngx_http_bazar_hits_module;

static struct request request;
static struct question question;
static struct response response;

/* ---- Asking ---- */

/* Whether the request is as plain as nearly all are. A worker knows what to do with any other. */
static bool
is_plain(const ngx_http_request_t *r)
{
	const ngx_http_headers_in_t *h = &r->headers_in;
	return r == r->main && !r->internal && (r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) &&
	       r->http_version >= NGX_HTTP_VERSION_10 && h->content_length_n <= 0 && !h->chunked &&
	       h->transfer_encoding == NULL && h->expect == NULL && h->upgrade == NULL &&
	       h->range == NULL && h->if_range == NULL && h->if_match == NULL &&
	       h->if_modified_since == NULL && h->if_unmodified_since == NULL;
}

/* Both are given to a worker in just these words; see params.conf and read.conf. */
static bool
take_question(const ngx_http_request_t *r)
{
	static char target[REQUEST_TARGET_MAX + 1];
	const ngx_table_elt_t *condition = r->headers_in.if_none_match;
	const char *why;
	if (r->unparsed_uri.len > REQUEST_TARGET_MAX)
		return false;
	memcpy(target, r->unparsed_uri.data, r->unparsed_uri.len);
	target[r->unparsed_uri.len] = '\0';
	request.method = r->method == NGX_HTTP_HEAD ? METHOD_HEAD : METHOD_GET;
	request.header.if_none_match = condition != NULL && condition->value.len > 0
					   ? (const char *)condition->value.data
					   : NULL;
	return request_parse(&request, target, &why) == 0 && question_of(&request, &question);
}

/* A segment that died, or was not there, is looked for now and then: this time a worker answers. */
static bool
look_up(struct cache *cache, struct cache_hit *hit)
{
	static uint64_t reopened;
	struct buf *body = &response.body;
	uint64_t now = clock_ms();
	response_reset(&response);
	buf_reserve(body, CACHE_VALUE_MAX);
	enum cache_result result =
	    cache_get(cache, question.key, question.floor_key, now, body->data, body->cap, hit);
	if (result == CACHE_OFF && now - reopened >= REOPEN_MS) {
		reopened = now;
		cache_reopen(cache);
	}
	return result == CACHE_HIT && hit->len > 0;
}

/* ---- Answering ---- */

/* $request_id, which nginx would draw from OpenSSL, at a fifth of what all the rest costs. It has
 * to be unique, not secret. */
static void
set_request_id(ngx_http_request_t *r, ngx_http_variable_value_t *id)
{
	static uint64_t seed, count;
	XXH128_hash_t hash;
	if (id->valid || (seed == 0 && getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0))
		return;
	count++;
	hash = XXH3_128bits_withSeed(&count, sizeof(count), seed);
	id->data = ngx_pnalloc(r->pool, 2 * sizeof(hash));
	if (id->data == NULL)
		return;
	id->len = 2 * sizeof(hash);
	ngx_hex_dump(id->data, (u_char *)&hash, sizeof(hash));
	id->valid = 1;
}

/* The lines of response.head, each "Name: value\r\n", which a worker would have sent. */
static ngx_int_t
add_headers(ngx_http_request_t *r)
{
	const struct buf *head = &response.head;
	u_char *at = ngx_pnalloc(r->pool, head->len);
	if (at == NULL)
		return NGX_ERROR;
	memcpy(at, head->data, head->len);
	for (u_char *end = at + head->len; at < end;) {
		u_char *colon = ngx_strlchr(at, end, ':'), *line_end = ngx_strlchr(at, end, '\r');
		ngx_table_elt_t *h = ngx_list_push(&r->headers_out.headers);
		if (h == NULL || colon == NULL || line_end == NULL)
			return NGX_ERROR;
		memset(h, 0, sizeof(*h));
		h->hash = 1;
		h->key = (ngx_str_t){(size_t)(colon - at), at};
		h->value = (ngx_str_t){(size_t)(line_end - colon) - 2, colon + 2};
		at = line_end + 2;
	}
	return NGX_OK;
}

static ngx_int_t
send_body(ngx_http_request_t *r)
{
	const struct buf *body = &response.body;
	ngx_buf_t *b = ngx_create_temp_buf(r->pool, body->len);
	if (b == NULL)
		return NGX_ERROR;
	b->last = ngx_cpymem(b->last, body->data, body->len);
	b->last_buf = b->last_in_chain = 1;
	ngx_chain_t out = {.buf = b};
	return ngx_http_output_filter(r, &out);
}

static ngx_int_t
send_answer(ngx_http_request_t *r)
{
	r->headers_out.status = (ngx_uint_t)response.status;
	r->disable_not_modified = 1; /* the condition has been looked at */
	if (response.status != NGX_HTTP_NOT_MODIFIED) {
		r->headers_out.content_length_n = (off_t)response.body.len;
		r->headers_out.content_type.data = (u_char *)response.type;
		r->headers_out.content_type.len = strlen(response.type);
		r->headers_out.content_type_len = r->headers_out.content_type.len;
	}
	if (add_headers(r) != NGX_OK)
		return NGX_ERROR;
	ngx_int_t rc = ngx_http_send_header(r);
	if (rc == NGX_ERROR || rc > NGX_OK || r->header_only)
		return rc;
	return send_body(r);
}

static ngx_int_t
handle(ngx_http_request_t *r)
{
	const struct main_conf *main = ngx_http_get_module_main_conf(r, ngx_http_bazar_hits_module);
	const struct location_conf *location =
	    ngx_http_get_module_loc_conf(r, ngx_http_bazar_hits_module);
	struct cache_hit hit;
	if (!location->on || main->cache == NULL || !is_plain(r) || !take_question(r) ||
	    !look_up(main->cache, &hit))
		return NGX_DECLINED;
	question_hit(&response, &hit);
	question_link(&response, &request, &question);
	answer_finish(&response, &request, QUESTION_FLAGS, NULL);
	set_request_id(r, &r->variables[main->request_id]);
	return send_answer(r);
}

/* ---- Configuration ---- */

static void
close_cache(void *cache)
{
	cache_close(cache);
}

/* `bazar_segment NAME`: only the handle is made here; each worker process finds the segment. */
static char *
set_segment(ngx_conf_t *cf, ngx_command_t *command, void *conf)
{
	struct main_conf *main = conf;
	const ngx_str_t *name = (const ngx_str_t *)cf->args->elts + 1;
	ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
	(void)command;
	if (main->cache != NULL)
		return "is duplicate";
	if (cleanup == NULL || (main->cache = cache_front((const char *)name->data)) == NULL)
		return NGX_CONF_ERROR;
	cleanup->handler = close_cache;
	cleanup->data = main->cache;
	return NGX_CONF_OK;
}

static void *
create_main(ngx_conf_t *cf)
{
	return ngx_pcalloc(cf->pool, sizeof(struct main_conf));
}

static void *
create_location(ngx_conf_t *cf)
{
	struct location_conf *location = ngx_pcalloc(cf->pool, sizeof(*location));
	if (location != NULL)
		location->on = NGX_CONF_UNSET;
	return location;
}

static char *
merge_location(ngx_conf_t *cf, void *parent, void *child)
{
	const struct location_conf *outer = parent;
	struct location_conf *inner = child;
	(void)cf;
	ngx_conf_merge_value(inner->on, outer->on, 0);
	return NGX_CONF_OK;
}

/* In the phase of `rewrite`, and before it: nginx asks the handlers of a phase in the reverse order
 * of their modules, and loaded modules come after its own. */
static ngx_int_t
enter_phase(ngx_conf_t *cf)
{
	struct main_conf *main = ngx_http_conf_get_module_main_conf(cf, ngx_http_bazar_hits_module);
	ngx_str_t name = ngx_string("request_id");
	ngx_http_core_main_conf_t *core =
	    ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
	ngx_http_handler_pt *h = ngx_array_push(&core->phases[NGX_HTTP_REWRITE_PHASE].handlers);
	if (h == NULL)
		return NGX_ERROR;
	*h = handle;
	main->request_id = ngx_http_get_variable_index(cf, &name);
	return main->request_id == NGX_ERROR ? NGX_ERROR : NGX_OK;
}

static ngx_command_t commands[] = {
    {ngx_string("bazar_segment"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_segment,
	NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL},
    {ngx_string("bazar_hits"),
	NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_FLAG,
	ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET, offsetof(struct location_conf, on), NULL},
    ngx_null_command,
};

static ngx_http_module_t context = {
    .postconfiguration = enter_phase,
    .create_main_conf = create_main,
    .create_loc_conf = create_location,
    .merge_loc_conf = merge_location,
};

ngx_module_t ngx_http_bazar_hits_module = {
    NGX_MODULE_V1,
    .ctx = &context,
    .commands = commands,
    .type = NGX_HTTP_MODULE,
};

/* What nginx looks for in the file; everything else in it is hidden. */
#pragma GCC visibility push(default)
ngx_module_t *ngx_modules[] = {&ngx_http_bazar_hits_module, NULL};
char *ngx_module_names[] = {"ngx_http_bazar_hits_module", NULL};
char *ngx_module_order[] = {NULL};
#pragma GCC visibility pop
