/*
 * The catalog's replicas, which the courier's two threads ask: those of the node file, and those
 * that have joined since. They keep their numbers, 0 to count-1, and their addresses.
 */
#ifndef BAZAR_CATALOGS_H
#define BAZAR_CATALOGS_H

#include "fcgi/nodes.h"
#include "replica/peer_client.h"

#define CATALOGS_MAX NODES_MAX

struct catalogs {
	unsigned count; /* the courier's lock is over it; a number below it needs no lock */
	char address[CATALOGS_MAX][NODE_ADDRESS];
	char *secret;
};

void catalogs_init(struct catalogs *t, const struct nodes *nodes, const char *secret);
void catalogs_free(struct catalogs *t);
/* Whoever was known stays; past CATALOGS_MAX nobody is added until the next start. */
void catalogs_learn(struct catalogs *t, const char *address);

/* One thread's connections to them, for one path. */
struct catalog_calls {
	const struct catalogs *catalogs;
	const char *path;
	struct peer_call *call[CATALOGS_MAX]; /* NULL: not asked yet */
};

struct peer_call *catalog_calls_to(struct catalog_calls *c, unsigned catalog);
void catalog_calls_free(struct catalog_calls *c);

#endif
