/*
 * A supervised process: a worker with its two listening sockets, or nginx. It leads a process group
 * of its own, so that what it leaves behind can be ended with it.
 */
#ifndef BAZAR_RUN_CHILD_H
#define BAZAR_RUN_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fcgi/nodes.h"
#include "fcgi/run/stack.h"

struct child {
	char name[NODE_NAME];
	char program[STACK_PATH];
	int client_fd, peer_fd; /* listening sockets, held for it while it is away; nginx: -1 */
	pid_t pid;              /* 0: not running */
	uint64_t started_ms;    /* clock_ms */
	uint64_t due_ms;        /* when not running: start it then */
	unsigned delay_ms;      /* the pause after its next quick end */
	uint64_t anew_since_ms; /* when the minute began in which EXIT_ANEW is counted, */
	unsigned anew_count;    /* and how often it was seen in it */
	bool retired;           /* not in the node file any more: not started again */
};

/* Make RUN/<name>/ and a worker's sockets in it, in place of stale ones. 0, or -1 after logging. */
int child_worker(struct child *c, const struct stack *stack, const struct node *node);
void child_nginx(struct child *c);

/* Start it. Trouble is logged and counts as an end, so that it is tried again. */
void child_start(struct child *c, const struct stack *stack);

/* It ended with wait status `status`: end its group, decide when to start it again. The first
 * restart is immediate; one that lived less than 10 s waits 50 ms, doubling up to 5 s. One that
 * asks for it (EXIT_ANEW) starts again at once, three times a minute. */
void child_ended(struct child *c, int status);

/* Signal the process itself; nothing when it does not run. */
void child_signal(const struct child *c, int number);

/* Close and remove its sockets. */
void child_close(struct child *c, const struct stack *stack);

#endif
