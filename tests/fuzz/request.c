/*
 * What nginx passes on of a request: target, then headers, one a line; the rest is a body that was
 * found in the cache.
 * fuzzes: fcgi/request.c fcgi/guard.c fcgi/response.c fcgi/paging.c fcgi/finish.c
 * fcgi/catalog/question.c
 */
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/text.h"
#include "fcgi/catalog/question.h"
#include "fcgi/finish.h"
#include "fcgi/guard.h"
#include "fcgi/request.h"
#include "fcgi/response.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 16384

static struct request q;

static bool
check_target(const char *target)
{
	const char *why = NULL;
	memset(&q, 0, sizeof(q));
	if (request_parse(&q, target, &why) != 0) {
		assert(why != NULL);
		return false;
	}
	assert(q.path_len <= strlen(target));
	assert(q.segment_count <= REQUEST_SEGMENTS + 1);
	assert(q.param_count <= REQUEST_PARAMS);
	for (size_t i = 0; i < q.segment_count && i < REQUEST_SEGMENTS; i++)
		assert(text_is_clean(q.segment[i], strlen(q.segment[i])));
	for (size_t i = 0; i < q.param_count; i++) {
		assert(text_is_clean(q.param[i].value, strlen(q.param[i].value)));
		assert(request_param(&q, q.param[i].name) != NULL);
	}
	return true;
}

/* Nothing but header lines, whatever the target and the body. */
static void
check_head(const struct buf *head)
{
	const uint8_t *at = head->data, *end = at + head->len;
	while (at < end) {
		const uint8_t *stop = memchr(at, '\r', (size_t)(end - at));
		assert(stop != NULL && end - stop >= 2 && stop[1] == '\n');
		assert(memmem(at, (size_t)(stop - at), ": ", 2) != NULL);
		for (; at < stop; at++)
			assert(*at >= ' ' && *at <= '~');
		at += 2;
	}
}

/* What nginx's module does with a request and a hit. */
static void
check_hit(const char *condition, const char *body)
{
	static struct question k;
	static struct response r;
	q.method = METHOD_GET;
	if (!question_of(&q, &k))
		return;
	assert(strlen(k.key) <= CACHE_KEY_MAX);
	assert(strncmp(k.key, k.limit == 0 ? "info:" : "search", k.limit == 0 ? 5 : 6) == 0);
	q.header.if_none_match = *condition != '\0' ? condition : NULL;
	response_reset(&r);
	buf_add(&r.body, body, strlen(body));
	struct cache_hit hit = {.len = r.body.len, .hash = hash64(r.body.data, r.body.len)};
	question_hit(&r, &hit);
	question_link(&r, &q, &k);
	answer_finish(&r, &q, QUESTION_FLAGS, NULL);
	assert(r.status == 200 || (r.status == 304 && *condition != '\0'));
	check_head(&r.head);
}

static void
check_tags(const char *list)
{
	const char *end = list + strlen(list), *tag;
	size_t len;
	bool weak;
	etag_listed(list, "\"0123456789abcdef\"");
	for (const char *at = list, *before = at; etag_next(&at, &tag, &len, &weak); before = at) {
		assert(at > before && at <= end);
		assert(tag >= before && len >= 2 && tag + len <= end);
		assert(tag[0] == '"' && tag[len - 1] == '"');
	}
}

/* The line before `*rest`, which goes on to the next one. */
static const char *
take_line(char **rest)
{
	char *line = strsep(rest, "\n");
	return line != NULL ? line : "";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX + 1], *rest = text;
	if (size > TEXT_MAX)
		return -1;
	memcpy(text, data, size);
	text[size] = '\0';

	bool parsed = check_target(take_line(&rest));
	const char *host = take_line(&rest);
	guard_host("localhost 127.0.0.1 [::1]", host);
	guard_origin(take_line(&rest), host);
	const char *token = guard_bearer(take_line(&rest));
	assert(!guard_equal("secret", token) || strcmp(token, "secret") == 0);
	request_is_json(take_line(&rest));
	const char *condition = take_line(&rest);
	check_tags(condition);
	if (parsed)
		check_hit(condition, rest != NULL ? rest : "");
	return 0;
}
