/*
 * The supervisor: holds the listening sockets, starts the workers and nginx, starts again what
 * ends, and stops everything in order on SIGTERM or SIGINT. SIGHUP goes on to nginx.
 */
#ifndef BAZAR_RUN_SUPERVISE_H
#define BAZAR_RUN_SUPERVISE_H

#include "fcgi/run/stack.h"

/* Runs until told to stop. `lock` is the locked pid file. The stack is prepared (prepare.h).
 * Returns the exit status. */
int supervise(const struct stack *stack, int lock);

#endif
