/* bazarctl status: every process of the stack on one line, for people or as JSON. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/ctl/ctl.h"

#define PROCESSES_MAX (NODES_MAX + 2)

/* One line. Text is "-" where it does not apply or nobody answered. */
struct process {
	char name[NODE_NAME];
	long pid; /* 0: none */
	char role[16];
	char phase[16];
	char epoch[32];           /* counter.replica */
	json_int_t last, applied; /* seqs; -1: not known */
	json_int_t lag;           /* entries the primary has and this one has not applied */
	const char *health;       /* "ok", or what is wrong */
};

struct stack {
	struct process process[PROCESSES_MAX];
	size_t count;
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

static struct process *
add_process(struct ctl *ctl, struct stack *s, const char *name, const char *role)
{
	struct process *p = &s->process[s->count++];
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->role, sizeof(p->role), "%s", role);
	strcpy(p->phase, "-");
	strcpy(p->epoch, "-");
	p->last = p->applied = p->lag = -1;
	p->pid = find_pid(ctl->run, name);
	char state = process_state(p->pid);
	if (state == 'Z')
		p->pid = 0; /* a killed supervisor leaves RUN/pids as it was */
	p->health = state == 'Z' ? "not running" : state == 'T' ? "stopped" : "ok";
	return p;
}

/* What the replica says of itself. */
static void
ask_replica(struct ctl *ctl, const struct node *node, struct process *p)
{
	struct http_answer a = {0};
	int status = http_get(ctl->http, node, "/readyz", HTTP_GLANCE_MS, &a);
	if (status == 503)
		p->health = "not ready";
	else if (status != 200 && strcmp(p->health, "ok") == 0)
		p->health = "no answer"; /* though it runs */
	/* Who did not answer once need not be waited for twice. */
	json_t *json = NULL, *data, *epoch;
	if (a.status != 0 && http_get(ctl->http, node, "/status", HTTP_GLANCE_MS, &a) == 200)
		json = json_loadb((const char *)a.body.data, a.body.len, 0, NULL);
	data = json_object_get(json, "data");
	epoch = json_object_get(data, "epoch");
	const char *role = json_string_value(json_object_get(data, "role"));
	const char *phase = json_string_value(json_object_get(data, "phase"));
	if (role != NULL && phase != NULL) {
		snprintf(p->role, sizeof(p->role), "%s", role);
		snprintf(p->phase, sizeof(p->phase), "%s", phase);
		snprintf(p->epoch, sizeof(p->epoch),
		    "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT,
		    json_integer_value(json_object_get(epoch, "counter")),
		    json_integer_value(json_object_get(epoch, "replica")));
		p->last = json_integer_value(json_object_get(json_object_get(data, "last"), "seq"));
		p->applied = json_integer_value(json_object_get(data, "applied"));
	}
	json_decref(json);
	buf_free(&a.body);
}

/* How far each replica is behind the primary of its service. */
static void
compare_replicas(const struct ctl *ctl, struct stack *s)
{
	struct process *replica = &s->process[s->count - ctl->nodes.count];
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		const struct node *primary = nodes_primary(&ctl->nodes, ctl->nodes.node[i].service);
		if (primary == NULL || replica[i].applied < 0)
			continue;
		json_int_t last = replica[primary - ctl->nodes.node].last;
		if (last >= 0)
			replica[i].lag = last > replica[i].applied ? last - replica[i].applied : 0;
	}
}

static void
look(struct ctl *ctl, struct stack *s)
{
	add_process(ctl, s, "bazar-run", "supervisor");
	add_process(ctl, s, "nginx", "front");
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		const struct node *node = &ctl->nodes.node[i];
		ask_replica(ctl, node,
		    add_process(ctl, s, node->name, node->primary ? "primary" : "backup"));
	}
	compare_replicas(ctl, s);
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
print_table(const struct stack *s)
{
	printf("%-12s %8s  %-10s %-10s %-8s %10s %10s %6s  %s\n", "NAME", "PID", "ROLE", "PHASE",
	    "EPOCH", "LAST", "APPLIED", "LAG", "HEALTH");
	for (size_t i = 0; i < s->count; i++) {
		const struct process *p = &s->process[i];
		printf("%-12s", p->name);
		print_number(p->pid > 0 ? p->pid : -1, 8);
		printf("  %-10s %-10s %-8s", p->role, p->phase, p->epoch);
		print_number(p->last, 10);
		print_number(p->applied, 10);
		print_number(p->lag, 6);
		printf("  %s\n", p->health);
	}
}

/* A number that is not known is null. */
static json_t *
number_or_null(json_int_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static void
print_json(const struct stack *s)
{
	json_t *list = json_array();
	for (size_t i = 0; i < s->count; i++) {
		const struct process *p = &s->process[i];
		json_array_append_new(
		    list, json_pack("{s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "name",
			      p->name, "pid", number_or_null(p->pid > 0 ? p->pid : -1), "role",
			      p->role, "phase", p->phase, "epoch", p->epoch, "last",
			      number_or_null(p->last), "applied", number_or_null(p->applied), "lag",
			      number_or_null(p->lag), "health", p->health));
	}
	json_t *all = json_pack("{s:b, s:o}", "healthy", s->healthy, "processes", list);
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
