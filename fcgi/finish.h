/*
 * The end of every answer: the headers that all have in common, and what is left out.
 */
#ifndef BAZAR_FINISH_H
#define BAZAR_FINISH_H

#include "fcgi/dispatch.h"

/* `flags`: those of the row that answered (ROUTE_WRITE where none did: nobody may store that).
 * `served_by`: the replica's name, shown unless the cache answered. */
void answer_finish(
    struct response *r, const struct request *q, unsigned flags, const char *served_by);

#endif
