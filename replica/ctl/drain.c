/*
 * bazarctl drain and undrain: nginx sends a replica no more reads, or some again. RUN/drained names
 * those that get none, one a line.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "replica/ctl/operate.h"
#include "replica/ctl/report.h"

bool
operate_is_drained(const struct ctl *ctl, const struct node *node)
{
	char path[512], line[NODE_NAME + 2];
	bool found = false;
	snprintf(path, sizeof(path), "%s/drained", ctl->run);
	FILE *file = fopen(path, "re");
	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		found = strcmp(line, node->name) == 0;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static void
read_drained(const struct ctl *ctl, bool drained[NODES_MAX])
{
	for (size_t i = 0; i < ctl->nodes.count; i++)
		drained[i] = operate_is_drained(ctl, &ctl->nodes.node[i]);
}

static int
write_drained(const struct ctl *ctl, const bool drained[NODES_MAX])
{
	struct buf text = {0};
	for (size_t i = 0; i < ctl->nodes.count; i++)
		if (drained[i])
			buf_printf(&text, "%s\n", ctl->nodes.node[i].name);
	bool good = operate_write(ctl, "drained", &text) && operate_reload(ctl);
	buf_free(&text);
	return good ? CTL_OK : CTL_FAILED;
}

/* Writes go to the primary whatever is drained; and somebody must answer reads. */
static int
may_drain(struct ctl *ctl, const struct node *node, const bool drained[NODES_MAX])
{
	bool another = false;
	const struct node *primary = report_primary(ctl, node->service);
	if (primary == node)
		return ctl_fail("%s is primary; `bazarctl switchover %s ...` first", node->name,
		    node_service_name(node->service));
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		const struct node *n = &ctl->nodes.node[i];
		another |= n->service == node->service && n != node && !drained[i];
	}
	return another ? CTL_OK
		       : ctl_fail("%s is the last replica of %s that gets reads", node->name,
			     node_service_name(node->service));
}

static int
change(struct ctl *ctl, const struct node *node, bool drain)
{
	bool drained[NODES_MAX] = {false};
	read_drained(ctl, drained);
	if (drain && may_drain(ctl, node, drained) != CTL_OK)
		return CTL_FAILED;
	drained[node - ctl->nodes.node] = drain;
	if (write_drained(ctl, drained) != CTL_OK)
		return CTL_FAILED;
	printf("%s gets %s.\n", node->name, drain ? "no more reads" : "reads");
	return CTL_OK;
}

static int
command(struct ctl *ctl, int argc, char **argv, bool drain)
{
	if (!ctl_takes(argc, argv, 1))
		return CTL_USAGE;
	const struct node *node = ctl_node(ctl, argv[optind]);
	return node != NULL ? change(ctl, node, drain) : CTL_FAILED;
}

int
command_drain(struct ctl *ctl, int argc, char **argv)
{
	return command(ctl, argc, argv, true);
}

int
command_undrain(struct ctl *ctl, int argc, char **argv)
{
	return command(ctl, argc, argv, false);
}
