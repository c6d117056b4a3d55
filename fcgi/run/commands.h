/* What a person asks of bazar-run. Each says what it did or why not, and returns the exit status.
 */
#ifndef BAZAR_RUN_COMMANDS_H
#define BAZAR_RUN_COMMANDS_H

#include "fcgi/run/stack.h"

/* Start the stack in the background and wait until it is ready, 30 s at most; on failure nothing is
 * left running. Harmless when it runs already. */
int command_up(struct stack *stack);

/* The same in the foreground, until SIGTERM or SIGINT. */
int command_supervise(struct stack *stack);

/* What must be there before another service manager starts the replicas and nginx; harmless while
 * they run. */
int command_prepare(struct stack *stack);

/* Become the replica of that name: its program, in this process, which has its sockets. */
int command_replica(struct stack *stack, const char *name);

/* Stop all of it; harmless when it does not run. */
int command_down(struct stack *stack);

/* Render nginx's configuration anew and have it taken without losing a request. */
int command_reload(struct stack *stack);

/* Stop, and forget all data; asks first on a terminal. */
int command_reset(struct stack *stack);

#endif
