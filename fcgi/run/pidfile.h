/*
 * RUN/bazar-run.pid: a lock that its holder's death releases, however it dies. Whoever holds it is
 * the stack's supervisor, and its pid is what the file says.
 */
#ifndef BAZAR_RUN_PIDFILE_H
#define BAZAR_RUN_PIDFILE_H

#include <sys/types.h>

#include "fcgi/run/stack.h"

/* Take the lock. Returns the descriptor that holds it (a forked child holds it too), or -1 when
 * another process does (errno is EWOULDBLOCK) or the file cannot be made. */
int pidfile_lock(const struct stack *stack);

/* Write our pid into the locked file. Returns 0 or -1. */
int pidfile_write(int fd);

/* Remove the file, and let go of the lock. */
void pidfile_release(const struct stack *stack, int fd);

/* The supervisor's pid; 0 when nobody holds the lock. */
pid_t pidfile_holder(const struct stack *stack);

#endif
