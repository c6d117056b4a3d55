/*
 * bazarctl trace: what the logs of this host say of one request: nginx's line, those of the
 * requests that replicas made for it, and what replicas said themselves. A request id leads to its
 * trace, if it had a traceparent, and so to every replica that had a part in it.
 */
#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "fcgi/base/trace.h"
#include "fcgi/base/xalloc.h"
#include "replica/ctl/ctl.h"

#define PATH_BYTES 4096
#define LINES_MAX 10000
#define ID_LEAST 8

/* One line of a log, to be shown. */
struct line {
	int64_t ms; /* since 1970 */
	json_t *json;
};

struct search {
	struct ctl *ctl;
	const char *id;
	char trace[TRACE_ID + 1]; /* "": not known */
	struct line lines[LINES_MAX];
	size_t count;
	bool collects; /* else it looks for the trace */
};

static const char *
text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text != NULL ? text : "";
}

/* "2026-01-31T12:00:00.123Z", or "2026-01-31T13:00:00+01:00", which is nginx's and has no part of a
 * second: what it logs was over then. */
static int64_t
read_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest == NULL)
		return 0;
	long ms = *rest == '.' ? strtol(rest + 1, NULL, 10) : 999;
	struct tm zone = {0};
	if (*rest != '.' && strptime(rest + 1, "%H:%M", &zone) == NULL)
		return 0;
	int64_t offset = (zone.tm_hour * 60 + zone.tm_min) * 60 * (*rest == '-' ? -1 : 1);
	return ((int64_t)timegm(&tm) - offset) * 1000 + ms;
}

static bool
concerns(const struct search *s, const char *line)
{
	return strstr(line, s->id) != NULL || (*s->trace != '\0' && strstr(line, s->trace) != NULL);
}

static void
take_line(struct search *s, const char *line)
{
	if (!concerns(s, line))
		return;
	json_t *json = json_loads(line, 0, NULL);
	const char *traceparent = text_of(json, "traceparent");
	if (!s->collects && *s->trace == '\0' && strcmp(text_of(json, "request_id"), s->id) == 0 &&
	    strlen(traceparent) >= TRACE_SIZE - 1)
		snprintf(s->trace, sizeof(s->trace), "%.*s", TRACE_ID, traceparent + 3);
	if (s->collects && json != NULL && s->count < LINES_MAX) {
		s->lines[s->count++] = (struct line){read_time(text_of(json, "time")), json};
		return;
	}
	json_decref(json);
}

static void
read_log(struct search *s, const char *path)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "re");
	while (file != NULL && getline(&line, &size, file) > 0)
		take_line(s, line);
	free(line);
	if (file != NULL)
		fclose(file);
}

static void
read_logs(struct search *s)
{
	char pattern[PATH_BYTES];
	glob_t found;
	snprintf(pattern, sizeof(pattern), "%s/log/*.log*", s->ctl->run);
	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		read_log(s, found.gl_pathv[i]);
	globfree(&found);
}

static int
compare(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	return x->ms < y->ms ? -1 : x->ms > y->ms;
}

/* Whose address nginx was asked at. */
static const char *
server_of(const struct search *s, const json_t *json)
{
	unsigned long port = strtoul(text_of(json, "port"), NULL, 10);
	for (size_t i = 0; i < s->ctl->nodes.count; i++)
		if (node_port(&s->ctl->nodes.node[i]) == port)
			return s->ctl->nodes.node[i].name;
	return "front";
}

static void
print_line(const struct search *s, const struct line *l)
{
	const json_t *json = l->json;
	const char *uri = text_of(json, "uri"), *by = text_of(json, "served_by");
	if (*uri == '\0') {
		printf("%s  %-10s %s: %s\n", text_of(json, "time"), text_of(json, "name"),
		    text_of(json, "level"), text_of(json, "msg"));
		return;
	}
	printf("%s  %-10s %s %s: %s in %s s", text_of(json, "time"), server_of(s, json),
	    text_of(json, "method"), uri, text_of(json, "status"), text_of(json, "seconds"));
	if (*by != '\0')
		printf(", by %s in %s s", by, text_of(json, "upstream_seconds"));
	putchar('\n');
}

static int
print_all(struct search *s)
{
	qsort(s->lines, s->count, sizeof(*s->lines), compare);
	for (size_t i = 0; i < s->count; i++) {
		print_line(s, &s->lines[i]);
		json_decref(s->lines[i].json);
	}
	return s->count > 0 ? CTL_OK
			    : ctl_fail("no log in %s/log speaks of %s", s->ctl->run, s->id);
}

static bool
is_id(const char *text)
{
	return strlen(text) >= ID_LEAST &&
	       text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

int
command_trace(struct ctl *ctl, int argc, char **argv)
{
	if (!ctl_takes(argc, argv, 1))
		return CTL_USAGE;
	if (!is_id(argv[optind]))
		return ctl_fail("%s is no id of a request, a trace or an order", argv[optind]);
	struct search *s = xcalloc(1, sizeof(*s));
	s->ctl = ctl;
	s->id = argv[optind];
	read_logs(s);
	s->collects = true;
	read_logs(s);
	int result = print_all(s);
	free(s);
	return result;
}
