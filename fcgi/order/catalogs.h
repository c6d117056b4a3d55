/* The catalog's replicas, asked the same call one at a time. One thread. */
#ifndef BAZAR_CATALOGS_H
#define BAZAR_CATALOGS_H

#include "fcgi/nodes.h"
#include "replica/peer_client.h"

struct catalogs {
	unsigned count;
	struct peer_call *calls[NODES_MAX]; /* in the node file's order */
};

struct catalogs *catalogs_new(const struct nodes *nodes, const char *path, const char *secret);
void catalogs_free(struct catalogs *t);

#endif
