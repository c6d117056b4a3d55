/*
 * bazarctl: what an operator asks of a running stack. Each command is a file of its own with one
 * function of this shape; main.c holds the table of them.
 */
#ifndef BAZAR_CTL_H
#define BAZAR_CTL_H

#include "fcgi/nodes.h"
#include "replica/ctl/http.h"

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_PARTLY = 3 /* wait: some replicas are not ready, but each service has one that is */
};

/* The stack that was named by --run. */
struct ctl {
	const char *run;
	struct nodes nodes;
	struct http *http;
};

/* argv[0] is the command's name. A command says on stderr why it failed. */
int command_trace(struct ctl *ctl, int argc, char **argv);
int command_config(struct ctl *ctl, int argc, char **argv);
int command_top(struct ctl *ctl, int argc, char **argv);
int command_backup(struct ctl *ctl, int argc, char **argv);
int command_restore(struct ctl *ctl, int argc, char **argv);
int command_drain(struct ctl *ctl, int argc, char **argv);
int command_undrain(struct ctl *ctl, int argc, char **argv);
int command_rolling_restart(struct ctl *ctl, int argc, char **argv);
int command_export(struct ctl *ctl, int argc, char **argv);
int command_member(struct ctl *ctl, int argc, char **argv);
int command_min_insync(struct ctl *ctl, int argc, char **argv);
int command_promote(struct ctl *ctl, int argc, char **argv);
int command_switchover(struct ctl *ctl, int argc, char **argv);
int command_import(struct ctl *ctl, int argc, char **argv);
int command_reconcile(struct ctl *ctl, int argc, char **argv);
int command_status(struct ctl *ctl, int argc, char **argv);
int command_verify(struct ctl *ctl, int argc, char **argv);
int command_wait(struct ctl *ctl, int argc, char **argv);

/* Prints how the command is used on stderr. Returns CTL_USAGE. */
int ctl_usage(const char *command);
/* Whether there is no option and `count` arguments, from argv[optind] on. False after saying how
 * the command is used. */
bool ctl_takes(int argc, char **argv, int count);

/* One line on stderr: what went wrong and what to do about it. Returns CTL_FAILED. */
int ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The primary of the service, as the replicas say; waits for one, CTL_PATIENCE_MS at most. NULL
 * after saying that there is none. */
#define CTL_PATIENCE_MS 15000
const struct node *ctl_primary(struct ctl *ctl, enum node_service service);
/* The replica of that name; NULL after saying that there is none. */
const struct node *ctl_node(const struct ctl *ctl, const char *name);
/* False after saying that there is no such service. */
bool ctl_service(const char *name, enum node_service *out);

void ctl_sleep_ms(unsigned ms);

#endif
