/*
 * The node file: which replicas there are, where, and which role each *starts* with. From then on
 * the replicated log says who is primary; this file is only the way to find everybody.
 *
 * One replica a line, words separated by blanks; `#` starts a comment:
 *
 *     <name> <service> <id> <role> <address>
 *     catalog-1 catalog 1 primary 127.0.0.1:9080
 *
 * name: letters, digits, `-`, `_`, unique. service: catalog or order. id: 1 to NODES_MAX, unique
 * within its service. role: primary or backup, exactly one primary a service. address: host:port
 * (`[v6]:port`) of the replica's own HTTP server.
 */
#ifndef BAZAR_NODES_H
#define BAZAR_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/complain.h"

#define NODES_MAX 16    /* replicas in a file */
#define NODE_NAME 32    /* with the NUL */
#define NODE_ADDRESS 64 /* with the NUL */
#define NODES_ERROR 256 /* with the NUL */

enum node_service { NODE_CATALOG, NODE_ORDER };

struct node {
	char name[NODE_NAME];
	enum node_service service;
	uint32_t id;
	bool primary; /* the initial role */
	char address[NODE_ADDRESS];
};

struct nodes {
	struct node node[NODES_MAX]; /* in the file's order */
	size_t count;
};

/*
 * Read and check the file at `path`. Returns 0, or -1 with a sentence that names file and line in
 * `error`; *out is then undefined.
 */
int nodes_load(const char *path, struct nodes *out, char error[NODES_ERROR]);
/* The same, telling every mistake; *out has the lines without. */
void nodes_read(const char *path, struct nodes *out, struct complaints *c);

/* The replica of that name, or NULL. */
const struct node *nodes_find(const struct nodes *nodes, const char *name);

/* The initial primary of a service, or NULL when the file has none of that service. */
const struct node *nodes_primary(const struct nodes *nodes, enum node_service service);

/* "catalog" or "order". */
const char *node_service_name(enum node_service service);

/* The port at the end of the address. */
uint16_t node_port(const struct node *node);

#endif
