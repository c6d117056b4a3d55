/*
 * The entries of a segment: look-up, exact LRU order, values in chains of blocks. All under the
 * segment's lock. An impossible index marks the segment broken and is taken for the end of its
 * list, so every function stays inside the segment and comes to an end whatever is in there.
 */
#ifndef BAZAR_CACHE_TABLE_H
#define BAZAR_CACHE_TABLE_H

#include "fcgi/cache/segment.h"

/* Empty it, from whatever state. table_recover: because of trouble, which is counted. */
void table_flush(struct segment *s);
void table_recover(struct segment *s);

/* Index of the entry, or geometry.entries when there is none. */
uint32_t table_find(struct segment *s, const char *key, size_t key_len, uint64_t floor_key);
struct entry *table_entry(struct segment *s, uint32_t i);

void table_touch(struct segment *s, uint32_t i); /* now the most recently used */
void table_remove(struct segment *s, uint32_t i);

/* Remove the floor key's entries with a seq below `below`, or (table_remove_all) every entry. Each
 * is shown to `visit` first unless that is NULL. Return how many. */
typedef void (*table_visit)(void *arg, const struct entry *e);
uint32_t table_remove_key(
    struct segment *s, uint64_t floor_key, uint64_t below, table_visit visit, void *arg);
uint32_t table_remove_all(struct segment *s, table_visit visit, void *arg);

/* Add as the most recently used; the key must not be there. Evicts until it fits. item->len is at
 * most value_max, key_len at most CACHE_KEY_MAX. */
void table_add(struct segment *s, const struct item *item, const char *key, const void *value);

/* Copy the value of `e`; false when it is longer than `size` or broken. */
bool table_read(struct segment *s, const struct entry *e, void *out, size_t size);

#endif
