/*
 * A request as handlers see it: method, path segments and query parameters decoded exactly once,
 * the few headers we know, the whole body. No FastCGI here; everything is a function of bytes.
 */
#ifndef BAZAR_REQUEST_H
#define BAZAR_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_TARGET_MAX 8192 /* bytes of path and query as sent */
#define REQUEST_SEGMENTS 4      /* more than any route has; a longer path is nobody's */
#define REQUEST_PARAMS 8

/* OTHER is any method that no route has. */
enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_OTHER
};

/* NULL: absent, or empty (but an empty idempotency key is a mistake, and shown). The bytes belong
 * to the front and live as long as the request. */
struct request_headers {
	const char *host;
	const char *origin;
	const char *sec_fetch_site;
	const char *authorization;
	const char *content_type;
	const char *idempotency_key;
	const char *if_match;
	const char *if_none_match;
	const char *bazar_secret;
	const char *request_id;
	const char *traceparent;
	/* nginx's own word, not the client's: the shop's address was asked ("first"), and another
	 * replica has already sent the request on ("again"). */
	const char *front;
};

struct request {
	enum method method;
	const char *target; /* as sent: path and query */
	size_t path_len;    /* bytes of target before the query */

	const char *segment[REQUEST_SEGMENTS]; /* decoded, valid clean UTF-8 */
	size_t segment_count;                  /* REQUEST_SEGMENTS + 1: there are more */
	struct {
		const char *name, *value;
	} param[REQUEST_PARAMS];
	size_t param_count;

	struct request_headers header;
	uint64_t elapsed_ms; /* since nginx began to read it, as far as nginx says */

	const uint8_t *body;
	size_t body_len;
	bool body_too_large; /* more than the pool takes; body is empty then */

	char decoded[REQUEST_TARGET_MAX + 8]; /* what segments and parameters point into */
};

enum method request_method(const char *name);
const char *request_method_name(enum method method); /* "OTHER" has none of its own */

/*
 * Splits and decodes `target` (must outlive the request): fills everything from target to
 * param_count; in parameters a plus is a blank, as forms send it. -1 with a sentence for people in
 * *why: not starting with `/`, too long, bad percent-encoding, not UTF-8, control characters, too
 * many parameters.
 */
int request_parse(struct request *q, const char *target, const char **why);

/* The value of a query parameter; NULL when it was not sent. */
const char *request_param(const struct request *q, const char *name);

/* A sentence for people when a query parameter stands there twice, or is none of those listed in
 * `known` (NULL: none is); NULL when all is well. */
const char *request_odd_param(const struct request *q, const char *known);

/* Whether `word` is one of the words of `list`, which are separated by one blank each. */
bool request_listed(const char *list, const char *word);

/* Whether it is the media type of JSON: "application/json", parameters allowed. NULL is none. */
bool request_is_json(const char *content_type);

#endif
