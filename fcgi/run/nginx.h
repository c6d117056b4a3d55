/* nginx of a stack: its configuration, and changing it while it runs. */
#ifndef BAZAR_RUN_NGINX_H
#define BAZAR_RUN_NGINX_H

#include <stdbool.h>

#include "fcgi/run/stack.h"
#include "fcgi/settings.h"

/* Render RUN/nginx/conf and let nginx test it; the old one stays when the new one is bad. Returns
 * 0, or -1 after saying why. */
int nginx_render(const struct stack *stack, const struct settings *settings);

/* Whether this stack's nginx does. */
bool nginx_runs(const struct stack *stack);

/*
 * Make the running nginx take the configuration, and wait until its new worker processes are there
 * (at most 10 s): on a bad one nginx silently keeps the old. Returns 0, or -1 after saying why.
 */
int nginx_reload(const struct stack *stack, const struct settings *settings);

#endif
