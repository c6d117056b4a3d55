#include "fcgi/request.h"

#include <string.h>
#include <strings.h>

#include "fcgi/base/text.h"

static const char *const method_names[] = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "OTHER"};

enum method
request_method(const char *name)
{
	for (int m = METHOD_GET; m < METHOD_OTHER; m++)
		if (strcmp(name, method_names[m]) == 0)
			return (enum method)m;
	return METHOD_OTHER;
}

const char *
request_method_name(enum method method)
{
	return method_names[method];
}

static int
hex_digit(char c)
{
	return text_hex(c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c);
}

/* Decodes the percent-encoding of from[0..len) to *to, adds a NUL and moves *to behind it. The
 * result is never longer than the input. `plus` is what a plus stands for. -1 with *why. */
static int
decode(const char *from, size_t len, char plus, char **to, const char **why)
{
	char *start = *to, *out = *to;
	for (size_t i = 0; i < len; i++) {
		if (from[i] != '%') {
			*out++ = from[i] == '+' ? plus : from[i];
			continue;
		}
		int high = len - i > 2 ? hex_digit(from[i + 1]) : -1;
		int low = len - i > 2 ? hex_digit(from[i + 2]) : -1;
		if (high < 0 || low < 0) {
			*why =
			    "The address has a % that is not followed by two hexadecimal digits.";
			return -1;
		}
		*out++ = (char)(high * 16 + low);
		i += 2;
	}
	if (!text_is_clean(start, (size_t)(out - start))) {
		*why = "The address is not UTF-8 text, or has control characters.";
		return -1;
	}
	*out++ = '\0';
	*to = out;
	return 0;
}

static int
parse_path(struct request *q, char **to, const char **why)
{
	const char *at = q->target, *end = q->target + q->path_len;
	while (at < end) {
		at++; /* the slash before each segment */
		const char *slash = memchr(at, '/', (size_t)(end - at));
		const char *stop = slash != NULL ? slash : end;
		char *text = *to;
		if (decode(at, (size_t)(stop - at), '+', to, why) != 0)
			return -1;
		if (q->segment_count < REQUEST_SEGMENTS)
			q->segment[q->segment_count++] = text;
		else
			q->segment_count = REQUEST_SEGMENTS + 1;
		at = stop;
	}
	return 0;
}

static int
parse_param(struct request *q, const char *at, const char *stop, char **to, const char **why)
{
	if (q->param_count == REQUEST_PARAMS) {
		*why = "There are too many query parameters.";
		return -1;
	}
	const char *equals = memchr(at, '=', (size_t)(stop - at));
	const char *name_end = equals != NULL ? equals : stop;
	const char *value = equals != NULL ? equals + 1 : stop;
	q->param[q->param_count].name = *to;
	if (decode(at, (size_t)(name_end - at), ' ', to, why) != 0)
		return -1;
	q->param[q->param_count].value = *to;
	if (decode(value, (size_t)(stop - value), ' ', to, why) != 0)
		return -1;
	q->param_count++;
	return 0;
}

static int
parse_query(struct request *q, const char *query, char **to, const char **why)
{
	while (*query != '\0') {
		const char *stop = strchrnul(query, '&');
		if (parse_param(q, query, stop, to, why) != 0)
			return -1;
		query = *stop == '&' ? stop + 1 : stop;
	}
	return 0;
}

int
request_parse(struct request *q, const char *target, const char **why)
{
	q->target = target;
	q->segment_count = q->param_count = 0;
	q->path_len = strcspn(target, "?");
	if (target[0] != '/' || strlen(target) > REQUEST_TARGET_MAX) {
		*why = "The address does not start with / or is too long.";
		return -1;
	}
	char *to = q->decoded;
	const char *query = target + q->path_len;
	if (parse_path(q, &to, why) != 0)
		return -1;
	return *query == '?' ? parse_query(q, query + 1, &to, why) : 0;
}

const char *
request_param(const struct request *q, const char *name)
{
	for (size_t i = 0; i < q->param_count; i++)
		if (strcmp(q->param[i].name, name) == 0)
			return q->param[i].value;
	return NULL;
}

const char *
request_odd_param(const struct request *q, const char *known)
{
	for (size_t i = 0; i < q->param_count; i++) {
		const char *name = q->param[i].name;
		if (known == NULL || !request_listed(known, name))
			return "This address does not know that query parameter.";
		if (request_param(q, name) != q->param[i].value)
			return "A query parameter stands there twice.";
	}
	return NULL;
}

bool
request_listed(const char *list, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = list; len > 0 && *at != '\0'; at += strspn(at, " ")) {
		size_t here = strcspn(at, " ");
		if (here == len && memcmp(at, word, len) == 0)
			return true;
		at += here;
	}
	return false;
}

bool
request_is_json(const char *content_type)
{
	static const char json[] = "application/json";
	if (content_type == NULL || strncasecmp(content_type, json, sizeof(json) - 1) != 0)
		return false;
	const char *rest = content_type + sizeof(json) - 1;
	rest += strspn(rest, " \t");
	return *rest == '\0' || *rest == ';';
}
