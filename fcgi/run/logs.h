/*
 * RUN/log/<name>.log, one for each process. A log moves aside to <name>.log.1, over the one before:
 * every log when a stack starts, and nginx's access log whenever it has grown long.
 */
#ifndef BAZAR_RUN_LOGS_H
#define BAZAR_RUN_LOGS_H

#include <stdbool.h>

#include "fcgi/run/stack.h"

/* Its writer goes on in the moved file until it opens its log anew. A log that is not there is
 * fine. 0, or -1 with errno. */
int logs_rotate(const struct stack *stack, const char *name);

/* Has it grown beyond 128 MiB? */
bool logs_is_long(const struct stack *stack, const char *name);

#endif
