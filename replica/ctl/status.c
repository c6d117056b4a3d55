/* bazarctl status: every process of the stack on one line, for people or as JSON. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "replica/ctl/ctl.h"
#include "replica/ctl/operate.h"
#include "replica/ctl/report.h"

#define PROCESSES_MAX (NODES_MAX + 2)
#define SERVICES 2

/* One line. Text is "-" where it does not apply or nobody answered. */
struct process {
	char name[NODE_NAME];
	long pid; /* 0: none */
	char role[16];
	char phase[16];
	char epoch[32];           /* counter.replica */
	json_int_t last, applied; /* seqs; -1: not known */
	json_int_t lag;           /* entries the primary has and this one has not applied */
	char sync[16];            /* yes, no, "loading 12": of its tables, chunks */
	char lease[24];     /* milliseconds it may read; "-": as long as it likes, or not at all */
	bool drained;       /* nginx sends it no reads */
	const char *health; /* "ok", or what is wrong */
	const struct node *node; /* NULL: no replica */
};

/* A replica set, as its primary has it; without one, as somebody else does. */
struct set_line {
	enum node_service service;
	bool known, degraded;
	char primary[NODE_NAME];
	json_int_t members, in_sync, min, wanted;
};

struct stack {
	struct set_line set[SERVICES];
	struct process process[PROCESSES_MAX];
	size_t count;
	bool managed; /* by systemd, which knows the processes; here only replicas are looked at */
	bool healthy;
};

/* The pid that RUN/pids has for `name`; 0 when there is none. */
static long
find_pid(const char *run, const char *name)
{
	char path[512], line[128];
	size_t len = strlen(name);
	long found = 0;
	snprintf(path, sizeof(path), "%s/pids", run);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			found = strtol(line + len, NULL, 10);
	fclose(file);
	return found;
}

/* State letter of proc(5): R, S, T (stopped), Z (dead) ...; Z for no process. */
static char
process_state(long pid)
{
	char path[64], line[512], state = 'Z';
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	FILE *file = pid > 0 ? fopen(path, "re") : NULL;
	if (file == NULL)
		return 'Z';
	const char *after_name =
	    fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
	if (after_name != NULL && after_name[1] == ' ')
		state = after_name[2];
	fclose(file);
	return state;
}

static bool
is_managed(const char *run)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/managed", run);
	return access(path, F_OK) == 0;
}

static struct process *
add_process(struct ctl *ctl, struct stack *s, const char *name, const char *role)
{
	struct process *p = &s->process[s->count++];
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->role, sizeof(p->role), "%s", role);
	strcpy(p->phase, "-");
	strcpy(p->epoch, "-");
	strcpy(p->sync, "-");
	strcpy(p->lease, "-");
	p->last = p->applied = p->lag = -1;
	p->pid = find_pid(ctl->run, name);
	char state = s->managed ? 'S' : process_state(p->pid);
	if (state == 'Z')
		p->pid = 0; /* a killed supervisor leaves RUN/pids as it was */
	p->health = state == 'Z' ? "not running" : state == 'T' ? "stopped" : "ok";
	return p;
}

/* Who of the set it is, as the primary sees it. */
static void
take_peers(struct stack *s, const struct node *primary, const struct report *r)
{
	const json_t *peers = json_object_get(r->data, "peers"), *peer;
	for (size_t k = 0; k < s->count; k++) {
		struct process *p = &s->process[k];
		if (p->node == NULL || p->node->service != primary->service)
			continue;
		const json_t *member = report_member(r, p->node->id);
		const char *word = json_is_true(json_object_get(member, "in_sync")) ? "yes" : "no";
		snprintf(p->sync, sizeof(p->sync), "%s", word);
		for (size_t i = 0; i < json_array_size(peers); i++) {
			peer = json_array_get(peers, i);
			if (json_integer_value(json_object_get(peer, "id")) == p->node->id &&
			    json_is_true(json_object_get(peer, "loading")))
				snprintf(p->sync, sizeof(p->sync), "loading %" JSON_INTEGER_FORMAT,
				    json_integer_value(json_object_get(peer, "chunk")));
		}
		if (p->applied >= 0)
			p->lag = r->last > p->applied ? r->last - p->applied : 0;
	}
}

static void
take_set(struct stack *s, const struct node *node, const struct report *r)
{
	struct set_line *line = &s->set[node->service];
	if (report_set_number(r, "min_insync") == 0 || (line->known && !r->active))
		return;
	line->known = true;
	line->degraded = json_is_true(json_object_get(r->data, "degraded"));
	line->members = (json_int_t)json_array_size(json_object_get(r->set, "members"));
	line->in_sync = report_set_number(r, "in_sync");
	line->min = report_set_number(r, "min_insync");
	line->wanted = report_set_number(r, "wanted");
	if (r->active)
		snprintf(line->primary, sizeof(line->primary), "%s", node->name);
}

static void
take_report(struct process *p, const struct report *r)
{
	const json_t *lease = json_object_get(r->data, "lease_ms");
	snprintf(p->role, sizeof(p->role), "%s", r->role);
	snprintf(p->phase, sizeof(p->phase), "%s", r->phase);
	snprintf(p->epoch, sizeof(p->epoch), "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT,
	    r->counter, r->replica);
	if (json_integer_value(lease) > 0)
		snprintf(p->lease, sizeof(p->lease), "%" JSON_INTEGER_FORMAT " ms",
		    json_integer_value(lease));
	p->last = r->last;
	p->applied = r->applied;
	if (p->pid == 0)
		p->pid = (long)json_integer_value(json_object_get(r->data, "pid"));
}

/* What the replica says of itself. */
static void
ask_replica(struct ctl *ctl, struct stack *s, struct process *p, struct report *r)
{
	struct http_answer a = {0};
	int status = http_get(ctl->http, p->node, "/readyz", HTTP_GLANCE_MS, &a);
	buf_free(&a.body);
	if (status == 503)
		p->health = "not ready";
	else if (status != 200 && strcmp(p->health, "ok") == 0)
		p->health = "no answer"; /* though it runs */
	/* Who did not answer once need not be waited for twice. */
	*r = (struct report){0};
	if (status == 0)
		return;
	*r = report_get(ctl, p->node);
	if (r->data == NULL)
		return;
	take_report(p, r);
	take_set(s, p->node, r);
}

/* The primaries say how far the others are. */
static void
look_at_replicas(struct ctl *ctl, struct stack *s)
{
	struct report reports[NODES_MAX];
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		const struct node *node = &ctl->nodes.node[i];
		struct process *p =
		    add_process(ctl, s, node->name, node->primary ? "primary" : "backup");
		p->node = node;
		p->drained = operate_is_drained(ctl, node);
		ask_replica(ctl, s, p, &reports[i]);
	}
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		if (reports[i].active)
			take_peers(s, &ctl->nodes.node[i], &reports[i]);
		report_free(&reports[i]);
	}
}

static void
look(struct ctl *ctl, struct stack *s)
{
	for (enum node_service service = NODE_CATALOG; service <= NODE_ORDER; service++)
		s->set[service].service = service;
	s->managed = is_managed(ctl->run);
	if (!s->managed) {
		add_process(ctl, s, "bazar-run", "supervisor");
		add_process(ctl, s, "nginx", "front");
	}
	look_at_replicas(ctl, s);
	s->healthy = true;
	for (size_t i = 0; i < s->count; i++)
		s->healthy &= strcmp(s->process[i].health, "ok") == 0;
}

static void
print_number(json_int_t value, int width)
{
	if (value < 0)
		printf(" %*s", width, "-");
	else
		printf(" %*" JSON_INTEGER_FORMAT, width, value);
}

static void
print_set(const struct set_line *l)
{
	const char *service = node_service_name(l->service);
	if (!l->known) {
		printf("%s: nobody knows the replica set\n", service);
		return;
	}
	printf("%s: %s is primary; %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
	       " replicas in sync%s; %" JSON_INTEGER_FORMAT " must have a write",
	    service, *l->primary != '\0' ? l->primary : "nobody", l->in_sync, l->members,
	    l->degraded ? " (degraded)" : "", l->min);
	json_int_t wanted = l->wanted == 0 ? l->members : l->wanted;
	if (wanted != l->min)
		printf(", as soon as possible %" JSON_INTEGER_FORMAT, wanted);
	putchar('\n');
}

static void
print_table(const struct stack *s)
{
	printf("%-12s %8s  %-10s %-10s %-8s %10s %10s %6s %-10s %-8s %s\n", "NAME", "PID", "ROLE",
	    "PHASE", "EPOCH", "LAST", "APPLIED", "LAG", "IN SYNC", "LEASE", "HEALTH");
	for (size_t i = 0; i < s->count; i++) {
		const struct process *p = &s->process[i];
		printf("%-12s", p->name);
		print_number(p->pid > 0 ? p->pid : -1, 8);
		printf("  %-10s %-10s %-8s", p->role, p->phase, p->epoch);
		print_number(p->last, 10);
		print_number(p->applied, 10);
		print_number(p->lag, 6);
		printf(" %-10s %-8s %s%s\n", p->sync, p->lease, p->health,
		    p->drained ? " (drained)" : "");
	}
	for (size_t i = 0; i < SERVICES; i++)
		print_set(&s->set[i]);
}

/* A number that is not known is null. */
static json_t *
number_or_null(json_int_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *
process_json(const struct process *p)
{
	return json_pack("{s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:b, s:s}", "name",
	    p->name, "pid", number_or_null(p->pid > 0 ? p->pid : -1), "role", p->role, "phase",
	    p->phase, "epoch", p->epoch, "last", number_or_null(p->last), "applied",
	    number_or_null(p->applied), "lag", number_or_null(p->lag), "in_sync", p->sync, "lease",
	    p->lease, "drained", p->drained, "health", p->health);
}

static json_t *
set_json(const struct set_line *l)
{
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:b}", "service",
	    node_service_name(l->service), "primary",
	    *l->primary != '\0' ? json_string(l->primary) : json_null(), "members", l->members,
	    "in_sync", l->in_sync, "min_insync", l->min, "wanted", l->wanted, "degraded",
	    l->degraded);
}

static void
print_json(const struct stack *s)
{
	json_t *processes = json_array(), *sets = json_array();
	for (size_t i = 0; i < s->count; i++)
		json_array_append_new(processes, process_json(&s->process[i]));
	for (size_t i = 0; i < SERVICES; i++)
		json_array_append_new(sets, set_json(&s->set[i]));
	json_t *all = json_pack(
	    "{s:b, s:o, s:o}", "healthy", s->healthy, "processes", processes, "services", sets);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

int
command_status(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	struct stack stack = {0};
	bool json = false;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'j')
			return ctl_usage(argv[0]);
		json = true;
	}
	if (optind != argc)
		return ctl_usage(argv[0]);
	look(ctl, &stack);
	if (json)
		print_json(&stack);
	else
		print_table(&stack);
	return stack.healthy ? CTL_OK : CTL_FAILED;
}

/* ---- The same again and again ---- */

#define TOP_MS 1000
#define TOP_MAX 1000000000

/* Entries a second, from one look to the next, where they are made. */
static void
print_rates(const struct stack *now, const struct stack *before, double seconds)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct process *p = &now->process[i], *q = &before->process[i];
		if (p->node == NULL || strcmp(p->phase, "active") != 0 || p->last < q->last ||
		    q->last < 0)
			continue;
		printf(
		    "%s: %.0f writes a second\n", p->name, (double)(p->last - q->last) / seconds);
	}
}

int
command_top(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"count", required_argument, NULL, 'c'}, {0}};
	static const char clear[] = "\033[H\033[2J";
	unsigned long count = TOP_MAX;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		char *end = NULL;
		if (option != 'c')
			return ctl_usage(argv[0]);
		count = strtoul(optarg, &end, 10);
		if (*optarg < '1' || *optarg > '9' || *end != '\0' || count > TOP_MAX)
			return ctl_usage(argv[0]);
	}
	if (optind != argc)
		return ctl_usage(argv[0]);
	struct stack before = {0};
	uint64_t looked_at = 0;
	for (unsigned long i = 0; i < count && !ferror(stdout); i++) {
		struct stack now = {0};
		if (i > 0)
			ctl_sleep_ms(TOP_MS);
		look(ctl, &now);
		uint64_t at = clock_ms();
		fputs(isatty(STDOUT_FILENO) ? clear : "", stdout);
		print_table(&now);
		if (i > 0)
			print_rates(&now, &before, (double)(at - looked_at) / 1e3);
		fflush(stdout);
		before = now;
		looked_at = at;
	}
	return before.healthy ? CTL_OK : CTL_FAILED;
}
