/*
 * bazarctl: what an operator asks of a running stack. Each command is a file of its own with one
 * function of this shape; main.c holds the table of them.
 */
#ifndef BAZAR_CTL_H
#define BAZAR_CTL_H

#include "fcgi/nodes.h"
#include "replica/ctl/http.h"

enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

/* The stack that was named by --run. */
struct ctl {
	const char *run;
	struct nodes nodes;
	struct http *http;
};

/* argv[0] is the command's name. A command says on stderr why it failed. */
int command_export(struct ctl *ctl, int argc, char **argv);
int command_import(struct ctl *ctl, int argc, char **argv);
int command_reconcile(struct ctl *ctl, int argc, char **argv);
int command_status(struct ctl *ctl, int argc, char **argv);
int command_verify(struct ctl *ctl, int argc, char **argv);
int command_wait(struct ctl *ctl, int argc, char **argv);

/* Prints how the command is used on stderr. Returns CTL_USAGE. */
int ctl_usage(const char *command);

/* One line on stderr: what went wrong and what to do about it. Returns CTL_FAILED. */
int ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The initial primary of the service; NULL, after saying so, when the node file has none. */
const struct node *ctl_primary(const struct ctl *ctl, enum node_service service);

void ctl_sleep_ms(unsigned ms);

#endif
