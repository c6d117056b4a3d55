/*
 * RUN/log/<name>.log, one for each process. What is in it moves to <name>.log.1, in place of what
 * was there: when a stack starts, and whenever a log has grown long.
 */
#ifndef BAZAR_RUN_LOGS_H
#define BAZAR_RUN_LOGS_H

#include "fcgi/run/stack.h"

/* When nobody writes it. A log that is not there is fine. 0, or -1 with errno. */
int logs_rotate(const struct stack *stack, const char *name);

/* While its writer goes on, which appends and need not know: beyond 128 MiB it is copied and
 * emptied; lines written in between are lost. 0, or -1 with errno. */
int logs_bound(const struct stack *stack, const char *name);

#endif
