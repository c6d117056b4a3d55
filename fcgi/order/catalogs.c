#include "fcgi/order/catalogs.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"

void
catalogs_init(struct catalogs *t, const struct nodes *nodes, const char *secret)
{
	t->secret = xstrdup(secret);
	for (size_t i = 0; i < nodes->count; i++) {
		if (nodes->node[i].service == NODE_CATALOG)
			catalogs_learn(t, nodes->node[i].address);
	}
}

void
catalogs_free(struct catalogs *t)
{
	free(t->secret);
}

void
catalogs_learn(struct catalogs *t, const char *address)
{
	for (unsigned i = 0; i < t->count; i++) {
		if (strcmp(t->address[i], address) == 0)
			return;
	}
	if (t->count < CATALOGS_MAX && strlen(address) < NODE_ADDRESS)
		strcpy(t->address[t->count++], address);
}

struct peer_call *
catalog_calls_to(struct catalog_calls *c, unsigned catalog)
{
	if (c->call[catalog] == NULL) {
		const struct catalogs *t = c->catalogs;
		c->call[catalog] = peer_call_new(t->address[catalog], c->path, t->secret);
	}
	return c->call[catalog];
}

void
catalog_calls_free(struct catalog_calls *c)
{
	for (unsigned i = 0; i < CATALOGS_MAX; i++) {
		if (c->call[i] != NULL)
			peer_call_free(c->call[i]);
	}
}
