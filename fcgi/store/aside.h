/*
 * Stores that are set aside: directories DIR.aside-<UTC time>-<reason> beside the store's own,
 * kept for a person to look at, two of them at most.
 */
#ifndef BAZAR_STORE_ASIDE_H
#define BAZAR_STORE_ASIDE_H

#include <stddef.h>
#include <stdint.h>

#include "fcgi/store/store.h"

/* The reason of half a copy, which is of no interest to anybody and is not kept. */
#define ASIDE_INCOMPLETE "incomplete-copy"

/*
 * Renames `dir`, durably, and removes what is not kept. Whoever calls holds the store's lock.
 * `reason` is a few words; in the name they are letters, digits and dashes. The new name, without
 * its path, goes to `name`. 0, or -1 with errno: the store may be either here or aside.
 */
int aside_move(const char *dir, const char *reason, char *name, size_t size);

/* The store set aside last that is still kept: when (milliseconds since 1970; 0: there is none) and
 * why. */
uint64_t aside_last(const char *dir, char reason[STORE_REASON]);

#endif
