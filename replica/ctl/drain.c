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

static const struct node *
read_arguments(struct ctl *ctl, int argc, char **argv, int *result)
{
	static const struct option options[] = {{0}};
	*result = CTL_FAILED;
	if (getopt_long(argc, argv, "", options, NULL) != -1 || argc - optind != 1) {
		*result = ctl_usage(argv[0]);
		return NULL;
	}
	return ctl_node(ctl, argv[optind]);
}

int
command_drain(struct ctl *ctl, int argc, char **argv)
{
	int result;
	bool drained[NODES_MAX] = {false};
	const struct node *node = read_arguments(ctl, argc, argv, &result);
	if (node == NULL)
		return result;
	read_drained(ctl, drained);
	if (may_drain(ctl, node, drained) != CTL_OK)
		return CTL_FAILED;
	drained[node - ctl->nodes.node] = true;
	result = write_drained(ctl, drained);
	if (result == CTL_OK)
		printf("%s gets no more reads.\n", node->name);
	return result;
}

int
command_undrain(struct ctl *ctl, int argc, char **argv)
{
	int result;
	bool drained[NODES_MAX] = {false};
	const struct node *node = read_arguments(ctl, argc, argv, &result);
	if (node == NULL)
		return result;
	read_drained(ctl, drained);
	drained[node - ctl->nodes.node] = false;
	result = write_drained(ctl, drained);
	if (result == CTL_OK)
		printf("%s gets reads.\n", node->name);
	return result;
}
