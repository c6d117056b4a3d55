/*
 * HTTP to the replicas of a stack (curl, kept connections). One thread.
 */
#ifndef BAZAR_CTL_HTTP_H
#define BAZAR_CTL_HTTP_H

#include <stdbool.h>

#include <jansson.h>

#include "fcgi/base/buf.h"
#include "fcgi/nodes.h"

struct http;

/* `secret` is sent as X-Bazar-Secret; it is copied. */
struct http *http_new(const char *secret);
void http_free(struct http *h);

struct http_answer {
	int status;      /* 0: none came */
	bool replayed;   /* Idempotent-Replayed: true */
	struct buf body; /* kept from call to call; the caller frees it */
};

#define HTTP_TIMEOUT_MS 15000 /* for what may have to wait for other replicas */
#define HTTP_GLANCE_MS 2000   /* for asking whether somebody is well */

/* One request. Returns the status; 0 when no answer came in time (http_error says why). */
int http_get(struct http *h, const struct node *node, const char *path, unsigned timeout_ms,
    struct http_answer *a);
/* A JSON body; `key`: Idempotency-Key, NULL for none. */
int http_post(struct http *h, const struct node *node, const char *path, const char *key,
    const struct buf *body, struct http_answer *a);

/* One sentence about why the last call was not answered, or not by 200. */
const char *http_error(const struct http *h);

#define HTTP_PATIENCE_MS 15000 /* a replica that was killed is back by then */

/*
 * GET until it is answered 200, with growing pauses, for at most HTTP_PATIENCE_MS. Returns the
 * answer, an object with a member `data`; the caller decrefs. NULL after saying why on stderr.
 */
json_t *http_fetch(struct http *h, const struct node *node, const char *path);

/*
 * All rows of a table that comes in pages: the member `next` of each is given back as parameter
 * `cursor`, which begins as `from` (NULL: at the first row). `visit` ends the walk by returning
 * false. Returns 0, or -1 after saying why on stderr.
 */
typedef bool (*http_visit)(void *arg, json_t *row);
int http_walk(struct http *h, const struct node *node, const char *path, const char *cursor,
    const char *from, http_visit visit, void *arg);

/* Whether asking again may help: nobody was there, or not able to answer yet. */
bool http_again(int status);
/* The pause before try number `attempt` (from 1): 0.1 s, doubled each time up to 2 s. */
unsigned http_pause_ms(unsigned attempt);

#endif
