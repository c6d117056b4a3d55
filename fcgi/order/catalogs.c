#include "fcgi/order/catalogs.h"

#include <stdlib.h>

#include "fcgi/base/xalloc.h"

struct catalogs *
catalogs_new(const struct nodes *nodes, const char *path, const char *secret)
{
	struct catalogs *t = xcalloc(1, sizeof(*t));
	for (size_t i = 0; i < nodes->count; i++) {
		const struct node *n = &nodes->node[i];
		if (n->service == NODE_CATALOG)
			t->calls[t->count++] = peer_call_new(n->address, path, secret);
	}
	return t;
}

void
catalogs_free(struct catalogs *t)
{
	for (unsigned i = 0; i < t->count; i++)
		peer_call_free(t->calls[i]);
	free(t);
}
