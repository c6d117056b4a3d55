/* Which ids a file has, with their titles' hashes and places: a hash table, 24 bytes a slot. */
#ifndef BAZAR_CTL_BOOKSET_H
#define BAZAR_CTL_BOOKSET_H

#include <stddef.h>
#include <stdint.h>

#include "replica/ctl/csv.h"

struct bookset_item {
	uint64_t id; /* not 0 */
	uint64_t title;
	uint32_t line, column;
};

struct bookset {
	struct bookset_item *slots; /* id 0: free; at least half of them are */
	size_t slot_count;          /* a power of two, or 0 */
	size_t count;
};

/* Adds a book. Returns NULL, or the one of that id that is there already (nothing is added). */
const struct bookset_item *bookset_add(
    struct bookset *s, uint64_t id, const char *title, struct csv_place place);
const struct bookset_item *bookset_find(const struct bookset *s, uint64_t id);
uint64_t bookset_title(const char *title); /* its hash */
void bookset_free(struct bookset *s);      /* leaves an empty one */

#endif
