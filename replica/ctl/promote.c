/*
 * bazarctl promote: a new primary without the old one's help (R10).
 *
 * Where the set is such that no lease tells, the replica must know that the old primary answers
 * nobody any more. If its store is on this host, that is proved: whoever holds the lock of a store
 * is the only one who can run a replica on it, and we hold it until the new primary is in office.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "replica/ctl/operate.h"
#include "replica/ctl/report.h"

#define PATH_BYTES 4096

struct promotion {
	struct ctl *ctl;
	const struct node *node, *old; /* old: NULL: not in the node file (any more) */
	bool accept_data_loss, primary_stopped;
	int lock; /* the old primary's store; -1: not held */
};

/* ---- Is it needed, is it possible? ---- */

/* The replica that is to be primary, and what it knows. */
static int
look_at(struct promotion *p)
{
	struct report r = report_get(p->ctl, p->node);
	int result = CTL_OK;
	uint32_t primary = (uint32_t)report_set_number(&r, "primary");
	if (r.data == NULL)
		result = ctl_fail("%s; promote a replica that answers", http_error(p->ctl->http));
	else if (r.active)
		result = ctl_fail("%s is primary already", p->node->name);
	else if (report_member(&r, p->node->id) == NULL && !p->accept_data_loss)
		result = ctl_fail(
		    "%s has no copy of the data yet; promote another replica", p->node->name);
	for (size_t i = 0; i < p->ctl->nodes.count; i++) {
		const struct node *n = &p->ctl->nodes.node[i];
		if (n->service == p->node->service && n->id == primary && n != p->node)
			p->old = n;
	}
	report_free(&r);
	return result;
}

/* ---- Is the old primary stopped? ---- */

/* It is on this host when its place is in our RUN. Returns CTL_OK also when nothing is known. */
static int
stop_old(struct promotion *p)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof(path), "%s/%s/db/lock", p->ctl->run, p->old->name);
	p->lock = open(path, O_RDWR | O_CLOEXEC);
	if (p->lock < 0)
		return CTL_OK;
	if (flock(p->lock, LOCK_EX | LOCK_NB) == 0) {
		p->primary_stopped = true;
		return CTL_OK;
	}
	char pid[16] = "?";
	ssize_t len = read(p->lock, pid, sizeof(pid) - 1);
	pid[len > 0 ? len : 0] = '\0';
	close(p->lock);
	p->lock = -1;
	return ctl_fail("%s does not take writes, but its process %s is there and may come back; "
			"wait for it, or end it (kill -9 %s) and promote again",
	    p->old->name, pid, pid);
}

/* ---- Promoting ---- */

static int
refused(const struct promotion *p, enum core_told result)
{
	const char *old = p->old != NULL ? p->old->name : "the old primary";
	if (result == TOLD_IS_PRIMARY)
		return ctl_fail("%s is primary already", p->node->name);
	if (result == TOLD_UNSAFE && p->old != NULL && !p->primary_stopped)
		return ctl_fail(
		    "it is not known that %s is stopped, or acknowledged writes might be "
		    "only there; start it again, or make sure that it is stopped and add "
		    "--primary-stopped, or accept the loss of writes with "
		    "--accept-data-loss",
		    old);
	if (result == TOLD_UNSAFE)
		return ctl_fail(
		    "acknowledged writes might be only on replicas that do not answer; "
		    "start %s or the others again, or accept the loss of such writes with "
		    "--accept-data-loss",
		    old);
	if (result == TOLD_TIMED_OUT)
		return ctl_fail("%s was not made primary in time: another replica does not answer, "
				"or has promised to wait; try again in some seconds",
		    p->node->name);
	if (result == TOLD_INVALID)
		return ctl_fail(
		    "%s has no copy of the data; promote another replica", p->node->name);
	return operate_refused(p->node, result);
}

static int
promote(struct promotion *p)
{
	enum core_told result;
	json_t *command = json_pack("{s:s, s:b, s:b}", "command", "promote", "accept_data_loss",
	    p->accept_data_loss, "primary_stopped", p->primary_stopped);
	if (!operate_command(p->ctl, p->node, command, &result))
		return CTL_FAILED;
	if (result != TOLD_DONE)
		return refused(p, result);
	if (!operate_await_primary(p->ctl, p->node))
		return CTL_FAILED;
	operate_follow(p->ctl, p->node);
	printf("%s is primary of %s now.\n", p->node->name, node_service_name(p->node->service));
	return CTL_OK;
}

static int
check_and_promote(struct promotion *p)
{
	const struct node *primary = report_primary(p->ctl, p->node->service);
	if (primary != NULL && primary != p->node)
		return ctl_fail("%s is primary and answers; `bazarctl switchover %s %s` changes "
				"places with it and loses nothing",
		    primary->name, node_service_name(p->node->service), p->node->name);
	int result = look_at(p);
	if (result == CTL_OK && p->old != NULL)
		result = stop_old(p);
	if (result == CTL_OK)
		result = promote(p);
	if (p->lock >= 0)
		close(p->lock);
	return result;
}

int
command_promote(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"accept-data-loss", no_argument, NULL, 'l'},
	    {"primary-stopped", no_argument, NULL, 's'}, {0}};
	struct promotion p = {.ctl = ctl, .lock = -1};
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'l')
			p.accept_data_loss = true;
		else if (option == 's')
			p.primary_stopped = true;
		else
			return ctl_usage(argv[0]);
	}
	if (argc - optind != 1)
		return ctl_usage(argv[0]);
	p.node = ctl_node(ctl, argv[optind]);
	return p.node != NULL ? check_and_promote(&p) : CTL_FAILED;
}
