#include "fcgi/response.h"

#include <string.h>

void
response_reset(struct response *r)
{
	r->status = 200;
	r->type = "application/json";
	r->etag[0] = '\0';
	r->from_cache = r->no_body = r->degraded = r->page = false;
	buf_clear(&r->head);
	buf_clear(&r->body);
}

void
response_free(struct response *r)
{
	buf_free(&r->head);
	buf_free(&r->body);
}

void
response_header(struct response *r, const char *name, const char *value)
{
	buf_add(&r->head, name, strlen(name));
	buf_add(&r->head, ": ", 2);
	buf_add(&r->head, value, strlen(value));
	buf_add(&r->head, "\r\n", 2);
}

struct jsonw
response_success(struct response *r, const char *message)
{
	struct jsonw w = jsonw_start(&r->body);
	jsonw_open(&w, NULL, '{');
	jsonw_bool(&w, "success", true);
	if (message != NULL)
		jsonw_text(&w, "message", message);
	if (r->degraded)
		jsonw_bool(&w, "degraded", true);
	return w;
}

const char *
response_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"},
	    {304, "Not Modified"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
	    {404, "Not Found"}, {405, "Method Not Allowed"}, {409, "Conflict"},
	    {412, "Precondition Failed"}, {413, "Content Too Large"},
	    {415, "Unsupported Media Type"}, {421, "Misdirected Request"},
	    {422, "Unprocessable Content"}, {503, "Service Unavailable"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "Unknown";
}

void
response_etag(struct response *r, uint64_t hash)
{
	static const char hex[] = "0123456789abcdef";
	char *to = r->etag;
	*to++ = '"';
	for (int shift = 60; shift >= 0; shift -= 4)
		*to++ = hex[(hash >> shift) & 15];
	*to++ = '"';
	*to = '\0';
}

bool
etag_next(const char **list, const char **tag, size_t *len, bool *weak)
{
	const char *at = *list + strspn(*list, " \t,");
	*weak = strncmp(at, "W/", 2) == 0;
	if (*weak)
		at += 2;
	const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
	if (end == NULL)
		return false;
	*tag = at;
	*len = (size_t)(end + 1 - at);
	*list = end + 1;
	return true;
}

bool
etag_listed(const char *if_none_match, const char *etag)
{
	const char *list = if_none_match, *tag;
	size_t len;
	bool weak;
	if (strcmp(list + strspn(list, " \t"), "*") == 0)
		return true;
	while (etag_next(&list, &tag, &len, &weak))
		if (len == strlen(etag) && memcmp(tag, etag, len) == 0)
			return true;
	return false;
}
