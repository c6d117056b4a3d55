#include "replica/ctl/bookset.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"

/* The slot that holds `id`, or the free one where it belongs. */
static struct bookset_item *
slot_of(const struct bookset *s, uint64_t id)
{
	size_t i = hash64(&id, sizeof(id)) & (s->slot_count - 1);
	while (s->slots[i].id != 0 && s->slots[i].id != id)
		i = (i + 1) & (s->slot_count - 1);
	return &s->slots[i];
}

static void
grow(struct bookset *s)
{
	struct bookset old = *s;
	s->slot_count = old.slot_count > 0 ? 2 * old.slot_count : 1024;
	s->slots = xcalloc(s->slot_count, sizeof(*s->slots));
	for (size_t i = 0; i < old.slot_count; i++)
		if (old.slots[i].id != 0)
			*slot_of(s, old.slots[i].id) = old.slots[i];
	free(old.slots);
}

const struct bookset_item *
bookset_add(struct bookset *s, uint64_t id, const char *title, struct csv_place place)
{
	if (2 * s->count >= s->slot_count)
		grow(s);
	struct bookset_item *item = slot_of(s, id);
	if (item->id != 0)
		return item;
	*item = (struct bookset_item){
	    .id = id,
	    .title = bookset_title(title),
	    .line = (uint32_t)place.line,
	    .column = (uint32_t)place.column,
	};
	s->count++;
	return NULL;
}

const struct bookset_item *
bookset_find(const struct bookset *s, uint64_t id)
{
	const struct bookset_item *item = s->slot_count > 0 ? slot_of(s, id) : NULL;
	return item != NULL && item->id != 0 ? item : NULL;
}

uint64_t
bookset_title(const char *title)
{
	return hash64(title, strlen(title));
}

void
bookset_free(struct bookset *s)
{
	free(s->slots);
	*s = (struct bookset){0};
}
