/*
 * Allocation that cannot fail: without memory the process says so and ends. A worker that restarts
 * is in a known state; one that limps along half-way through a write is not.
 */
#ifndef BAZAR_BASE_XALLOC_H
#define BAZAR_BASE_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);

#endif
