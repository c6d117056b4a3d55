/*
 * bazarctl member and min-insync: who belongs to the replica set of a service, and how many of them
 * must have a write. The log is what counts; the node file is the way to find everybody, so a new
 * replica is put there before it becomes a member, and taken out after it is none any more.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/clock.h"
#include "replica/ctl/operate.h"
#include "replica/ctl/report.h"

#define COPY_MS 600000 /* for a new replica to get everything */
#define START_MS 15000 /* for its process to answer */
#define LOOK_MS 100

/* ---- The node file ---- */

/* Writes it anew from ctl->nodes. */
static bool
write_nodes(const struct ctl *ctl)
{
	struct buf text = {0};
	buf_printf(&text, "# name service id role address\n");
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		const struct node *n = &ctl->nodes.node[i];
		buf_printf(&text, "%s %s %" PRIu32 " %s %s\n", n->name,
		    node_service_name(n->service), n->id, n->primary ? "primary" : "backup",
		    n->address);
	}
	bool good = operate_write(ctl, "nodes", &text);
	buf_free(&text);
	return good;
}

/* "catalog-3" is replica 3 of the catalog. */
static bool
read_name(const char *name, struct node *out)
{
	const char *dash = strrchr(name, '-');
	char service[NODE_NAME];
	if (dash != NULL && strlen(name) < sizeof(service)) {
		snprintf(service, sizeof(service), "%.*s", (int)(dash - name), name);
		char *end;
		unsigned long id = strtoul(dash + 1, &end, 10);
		if (dash[1] >= '1' && dash[1] <= '9' && *end == '\0' && id <= NODES_MAX) {
			out->id = (uint32_t)id;
			snprintf(out->name, sizeof(out->name), "%s", name);
			return ctl_service(service, &out->service);
		}
	}
	ctl_fail(
	    "%s must be the service, a dash and a number from 1 to %d: catalog-3", name, NODES_MAX);
	return false;
}

/* Into the node file, unless it is there already. False after saying why not. */
static bool
note_node(struct ctl *ctl, const struct node *fresh)
{
	const struct node *known = nodes_find(&ctl->nodes, fresh->name);
	if (known != NULL && strcmp(known->address, fresh->address) == 0)
		return true;
	if (known != NULL) {
		ctl_fail("%s is already at %s; remove it first, or choose another name",
		    known->name, known->address);
		return false;
	}
	for (size_t i = 0; i < ctl->nodes.count; i++)
		if (strcmp(ctl->nodes.node[i].address, fresh->address) == 0) {
			ctl_fail("%s is already the address of %s", fresh->address,
			    ctl->nodes.node[i].name);
			return false;
		}
	if (ctl->nodes.count == NODES_MAX) {
		ctl_fail("there are %d replicas already; remove one first", NODES_MAX);
		return false;
	}
	ctl->nodes.node[ctl->nodes.count++] = *fresh;
	return write_nodes(ctl);
}

static bool
forget_node(struct ctl *ctl, const struct node *node, const struct node *primary)
{
	struct nodes *nodes = &ctl->nodes;
	/* Somebody must begin a history when all stores are empty. */
	nodes->node[primary - nodes->node].primary |= node->primary;
	size_t at = (size_t)(node - nodes->node);
	memmove(
	    &nodes->node[at], &nodes->node[at + 1], (--nodes->count - at) * sizeof(nodes->node[0]));
	return write_nodes(ctl);
}

/* ---- member add ---- */

static bool
await_start(struct ctl *ctl, const struct node *node)
{
	uint64_t end = clock_ms() + START_MS;
	for (;;) {
		struct report r = report_get(ctl, node);
		bool answers = r.data != NULL;
		report_free(&r);
		if (answers)
			return true;
		if (clock_ms() > end)
			break;
		ctl_sleep_ms(LOOK_MS);
	}
	ctl_fail("%s does not answer at %s (its log: %s/log/%s.log); give the command again when "
		 "it does",
	    node->name, node->address, ctl->run, node->name);
	return false;
}

static bool
is_member(struct ctl *ctl, const struct node *primary, uint32_t id)
{
	struct report r = report_get(ctl, primary);
	bool member = json_is_true(json_object_get(report_member(&r, id), "in_sync"));
	report_free(&r);
	return member;
}

/* A copy of the tables may take longer than a command. */
static int
await_member(struct ctl *ctl, const struct node *primary, const struct node *node)
{
	uint64_t end = clock_ms() + COPY_MS;
	while (!is_member(ctl, primary, node->id)) {
		if (clock_ms() > end)
			return ctl_fail("%s has not got everything after %d s; it goes on, see "
					"`bazarctl status`",
			    node->name, COPY_MS / 1000);
		ctl_sleep_ms(LOOK_MS);
	}
	printf("%s is a member of %s and in sync.\n", node->name, node_service_name(node->service));
	return CTL_OK;
}

static int
add(struct ctl *ctl, const char *name, const char *address)
{
	struct node fresh = {0};
	enum core_told result;
	if (!read_name(name, &fresh))
		return CTL_FAILED;
	if (strlen(address) >= sizeof(fresh.address) || strrchr(address, ':') == NULL)
		return ctl_fail("%s is no address; it must be host:port", address);
	snprintf(fresh.address, sizeof(fresh.address), "%s", address);
	const struct node *primary = ctl_primary(ctl, fresh.service);
	if (primary == NULL || !note_node(ctl, &fresh) || !operate_reload(ctl) ||
	    !await_start(ctl, &fresh))
		return CTL_FAILED;
	json_t *command = json_pack("{s:s, s:I, s:s}", "command", "add", "id", (json_int_t)fresh.id,
	    "address", fresh.address);
	if (!operate_command(ctl, primary, command, &result))
		return CTL_FAILED;
	if (result == TOLD_INVALID && !is_member(ctl, primary, fresh.id))
		return ctl_fail(
		    "%s cannot be a member: the set has %d members at most", name, SET_MEMBERS_MAX);
	if (result != TOLD_DONE && result != TOLD_TIMED_OUT && result != TOLD_INVALID)
		return operate_refused(primary, result);
	return await_member(ctl, primary, &fresh);
}

/* ---- member remove ---- */

static int
removal_refused(const struct node *primary, const struct node *node, enum core_told result)
{
	if (result == TOLD_NOT_IN_SYNC || result == TOLD_TIMED_OUT)
		return ctl_fail(
		    "a replica that must have this in its log does not answer; wait until all "
		    "are in sync, or, if the store of %s will never come back, say "
		    "`bazarctl member remove %s --lost`",
		    node->name, node->name);
	return operate_refused(primary, result);
}

static int
remove_member(struct ctl *ctl, const char *name, bool lost)
{
	enum core_told result = TOLD_DONE;
	const struct node *node = ctl_node(ctl, name);
	const struct node *primary = node != NULL ? ctl_primary(ctl, node->service) : NULL;
	if (primary == NULL)
		return CTL_FAILED;
	if (primary == node)
		return ctl_fail("%s is primary; make another replica primary first (bazarctl "
				"switchover %s NAME)",
		    name, node_service_name(node->service));
	json_t *command = json_pack(
	    "{s:s, s:I, s:b}", "command", "remove", "id", (json_int_t)node->id, "lost", lost);
	if (!operate_command(ctl, primary, command, &result))
		return CTL_FAILED;
	/* INVALID: it is no member; then it only has to leave the node file. */
	if (result != TOLD_DONE && result != TOLD_INVALID)
		return removal_refused(primary, node, result);
	char gone[NODE_NAME];
	snprintf(gone, sizeof(gone), "%s", node->name);
	if (!forget_node(ctl, node, primary) || !operate_reload(ctl))
		return CTL_FAILED;
	printf("%s is no member any more; what it stored stays in %s/%s.\n", gone, ctl->run, gone);
	return CTL_OK;
}

int
command_member(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"lost", no_argument, NULL, 'l'}, {0}};
	bool lost = false;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'l')
			return ctl_usage(argv[0]);
		lost = true;
	}
	argc -= optind;
	char **words = argv + optind;
	if (argc == 3 && strcmp(words[0], "add") == 0 && !lost)
		return add(ctl, words[1], words[2]);
	if (argc == 2 && strcmp(words[0], "remove") == 0)
		return remove_member(ctl, words[1], lost);
	return ctl_usage(argv[0]);
}

/* ---- min-insync ---- */

static int
min_refused(const struct node *primary, json_int_t min, enum core_told result)
{
	if (result == TOLD_INVALID)
		return ctl_fail("%s has fewer than %" JSON_INTEGER_FORMAT
				" replicas; say a smaller number, or `all`",
		    node_service_name(primary->service), min);
	if (result == TOLD_NOT_IN_SYNC)
		return ctl_fail(
		    "all replicas of %s must be in sync to lower the number; wait until "
		    "`bazarctl status` shows that, or remove those that are lost",
		    node_service_name(primary->service));
	return operate_refused(primary, result);
}

int
command_min_insync(struct ctl *ctl, int argc, char **argv)
{
	enum node_service service;
	enum core_told result;
	if (!ctl_takes(argc, argv, 2))
		return CTL_USAGE;
	const char *number = argv[optind + 1];
	char *end = "";
	unsigned long min = strcmp(number, "all") == 0 ? 0 : strtoul(number, &end, 10);
	bool all = strcmp(number, "all") == 0;
	if (!all && (*number < '1' || *number > '9' || *end != '\0' || min > SET_MEMBERS_MAX))
		return ctl_usage(argv[0]);
	const struct node *primary =
	    ctl_service(argv[optind], &service) ? ctl_primary(ctl, service) : NULL;
	if (primary == NULL)
		return CTL_FAILED;
	json_t *command =
	    json_pack("{s:s, s:I}", "command", "min-insync", "min_insync", (json_int_t)min);
	if (!operate_command(ctl, primary, command, &result))
		return CTL_FAILED;
	if (result != TOLD_DONE)
		return min_refused(primary, (json_int_t)min, result);
	if (all)
		printf("Every replica of %s must have a write.\n", node_service_name(service));
	else
		printf("At least %lu replica%s of %s must have a write.\n", min,
		    min == 1 ? "" : "s", node_service_name(service));
	return CTL_OK;
}
