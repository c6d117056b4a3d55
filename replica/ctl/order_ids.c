#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/order/rows.h"
#include "replica/ctl/backup.h"

struct order_ids {
	struct buf ids; /* one after the other */
};

struct order_ids *
order_ids_new(void)
{
	return xcalloc(1, sizeof(struct order_ids));
}

void
order_ids_free(struct order_ids *o)
{
	buf_free(&o->ids);
	free(o);
}

void
order_ids_take(struct order_ids *o, const void *effects, size_t len)
{
	struct cur c = cur_make(effects, len);
	for (struct effect f; effect_next(&c, &f);)
		if (f.table == TABLE_ORDER && !f.is_delete && f.key_len == sizeof(struct uuid))
			buf_add(&o->ids, f.key, f.key_len);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

void
order_ids_sort(struct order_ids *o)
{
	if (o->ids.len > 0)
		qsort(o->ids.data, o->ids.len / sizeof(struct uuid), sizeof(struct uuid), compare);
}

bool
order_ids_has(const struct order_ids *o, const void *id, size_t len)
{
	return len == sizeof(struct uuid) && o->ids.len > 0 &&
	       bsearch(id, o->ids.data, o->ids.len / sizeof(struct uuid), sizeof(struct uuid),
		   compare) != NULL;
}
