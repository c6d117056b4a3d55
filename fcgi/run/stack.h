/*
 * One stack: what runs from one RUN directory. Where its pieces lie, and how its parts say what
 * went wrong.
 *
 *     RUN/ (0700)   nodes  port  listen  secret (0600)  seed.json  bazar.conf (optional)
 *                   primary-<service> (who is primary now, when that has changed)
 *                   bazar-run.pid (locked while the supervisor lives)  pids ("name pid" lines)
 *                   nginx/  log/<name>.log  and per replica <name>/{client.sock,peer.sock,...}
 */
#ifndef BAZAR_RUN_STACK_H
#define BAZAR_RUN_STACK_H

#include <stddef.h>

#define STACK_PATH 512 /* any path built here, with the NUL */

struct stack {
	char run[STACK_PATH];   /* absolute; canonical once stack_canonical has succeeded */
	unsigned port;          /* nginx's public port; replicas are at +80 to +83 */
	char bin[STACK_PATH];   /* where bazar-run and the other programs are */
	char share[STACK_PATH]; /* holds nginx/conf, nginx/html and sql */
};

/* Fill in everything from the command line's words; 0, or -1 after saying why not. */
int stack_setup(struct stack *stack, const char *run, unsigned port);

/* Resolve `run`, which must exist: -1 (silently) when it does not. */
int stack_canonical(struct stack *stack);

/* `format` below RUN or below any other directory, into `out`. Ends the process when it does not
 * fit: lengths are checked before anything is started. */
void stack_path(char out[STACK_PATH], const char *dir, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Say one sentence on stderr, for the person at the terminal. Always returns -1. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
