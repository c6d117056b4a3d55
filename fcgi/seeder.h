/*
 * Entry 1 of every log is the service's first contents. A primary that becomes active with an
 * empty log submits it; a thread of its own waits for that moment and then ends.
 */
#ifndef BAZAR_SEEDER_H
#define BAZAR_SEEDER_H

struct seeder;
struct worker;

struct seeder *seeder_start(const struct worker *w); /* NULL: errno */
void seeder_stop(struct seeder *s);                  /* before replica_stop */

#endif
