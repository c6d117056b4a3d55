/*
 * The first operation of every history makes the service's first contents. Whoever is an active
 * primary without them submits it; a thread of its own waits for that moment, or for them to come
 * from another replica, and then ends.
 */
#ifndef BAZAR_SEEDER_H
#define BAZAR_SEEDER_H

#include <stdbool.h>

struct seeder;
struct worker;

/* Whether this replica's tables have the first contents: before, there is nothing to serve, and an
 * operation that overtook them would be decided in an empty shop. Any thread. */
bool seeder_done(const struct worker *w);

struct seeder *seeder_start(const struct worker *w); /* NULL: errno */
void seeder_stop(struct seeder *s);                  /* before replica_stop */

#endif
