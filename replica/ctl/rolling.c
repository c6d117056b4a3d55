/*
 * bazarctl rolling-restart: every replica of this host is started anew, one after the other, each
 * only when the one before it is in sync again. A primary hands its office over first, and gets it
 * back. Reads go to the others meanwhile; a write waits, at most for as long as a backup takes to
 * come back.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "replica/ctl/operate.h"
#include "replica/ctl/report.h"

#define BACK_MS 120000 /* a large store is checked whole when it is opened */
#define LOOK_MS 50

/* Its sockets are. */
static bool
is_here(const struct ctl *ctl, const struct node *node)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s/peer.sock", ctl->run, node->name);
	return access(path, F_OK) == 0;
}

/* Of its process; 0: it does not answer. */
static pid_t
pid_of(struct ctl *ctl, const struct node *node)
{
	struct report r = report_get(ctl, node);
	pid_t pid = (pid_t)json_integer_value(json_object_get(r.data, "pid"));
	report_free(&r);
	return pid > 0 ? pid : 0;
}

/* Whether the primary counts it as in sync. */
static bool
is_in_sync(struct ctl *ctl, const struct node *node)
{
	const struct node *primary = report_primary(ctl, node->service);
	struct report r = {0};
	if (primary != NULL)
		r = report_get(ctl, primary);
	const json_t *member = report_member(&r, node->id);
	bool good = json_is_true(json_object_get(member, "in_sync")) &&
		    json_is_true(json_object_get(r.data, "writable"));
	report_free(&r);
	return good;
}

/* Another process than `old`, ready, and in sync. */
static bool
is_back(struct ctl *ctl, const struct node *node, pid_t old)
{
	struct http_answer a = {0};
	int status = http_get(ctl->http, node, "/readyz", HTTP_GLANCE_MS, &a);
	buf_free(&a.body);
	if (status != 200)
		return false;
	pid_t pid = pid_of(ctl, node);
	return pid != 0 && pid != old && is_in_sync(ctl, node);
}

static int
restart(struct ctl *ctl, const struct node *node)
{
	pid_t old = pid_of(ctl, node);
	if (old == 0)
		return ctl_fail("%s; nothing more is restarted", http_error(ctl->http));
	uint64_t began = clock_ms();
	if (kill(old, SIGTERM) != 0)
		return ctl_fail(
		    "%s (process %d) cannot be ended: %s", node->name, (int)old, strerror(errno));
	while (!is_back(ctl, node, old)) {
		if (clock_ms() > began + BACK_MS)
			return ctl_fail("%s is not back in sync after %d s; nothing more is "
					"restarted. See `bazarctl status`, and its log",
			    node->name, BACK_MS / 1000);
		ctl_sleep_ms(LOOK_MS);
	}
	printf("%s is back, after %.1f s.\n", node->name, (double)(clock_ms() - began) / 1e3);
	fflush(stdout);
	return CTL_OK;
}

/* Somebody who can take over, here or elsewhere; NULL: nobody. */
static const struct node *
find_heir(struct ctl *ctl, const struct node *primary)
{
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		const struct node *n = &ctl->nodes.node[i];
		if (n->service == primary->service && n != primary && is_in_sync(ctl, n))
			return n;
	}
	return NULL;
}

static int
restart_primary(struct ctl *ctl, const struct node *primary)
{
	const struct node *heir = find_heir(ctl, primary);
	if (heir == NULL)
		return ctl_fail("nobody could stand in for %s: no other replica of %s is in sync",
		    primary->name, node_service_name(primary->service));
	int result = operate_hand_over(ctl, primary, heir);
	if (result == CTL_OK)
		result = restart(ctl, primary);
	return result == CTL_OK ? operate_hand_over(ctl, heir, primary) : result;
}

/* The backups first: the primary's stand-in is then one that runs anew already. */
static int
restart_service(struct ctl *ctl, enum node_service service)
{
	const struct node *primary = ctl_primary(ctl, service);
	int result = primary != NULL ? CTL_OK : CTL_FAILED;
	for (size_t i = 0; i < ctl->nodes.count && result == CTL_OK; i++) {
		const struct node *n = &ctl->nodes.node[i];
		if (n->service == service && n != primary && is_here(ctl, n))
			result = restart(ctl, n);
	}
	if (result == CTL_OK && is_here(ctl, primary))
		result = restart_primary(ctl, primary);
	return result;
}

int
command_rolling_restart(struct ctl *ctl, int argc, char **argv)
{
	if (!ctl_takes(argc, argv, 0))
		return CTL_USAGE;
	int result = restart_service(ctl, NODE_CATALOG);
	return result == CTL_OK ? restart_service(ctl, NODE_ORDER) : result;
}
