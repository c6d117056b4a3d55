/* What must be there before anything is started, made or checked; every refusal is one sentence. */
#ifndef BAZAR_RUN_PREPARE_H
#define BAZAR_RUN_PREPARE_H

#include "fcgi/run/stack.h"
#include "fcgi/settings.h"

/* RUN itself, and its canonical path in `stack`. 0, or -1 after saying why not. */
int prepare_run(struct stack *stack);

/*
 * With the lock held: clear what a killed supervisor left, check settings, ports and nginx, then
 * write nodes, port, secret, seed.json and nginx's configuration. 0, or -1 after saying why not.
 */
int prepare_all(const struct stack *stack);

/* The same for replicas and nginx that another service manager runs, maybe right now. RUN/managed
 * says so from then on. 0, or -1 after saying why not. */
int prepare_managed(const struct stack *stack);

#endif
