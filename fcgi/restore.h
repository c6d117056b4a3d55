/*
 * RUN/<name>/restore, put there by `bazarctl restore`: a backup that this replica's store is to be
 * made of. It becomes the first primary of a new history; the other replicas get everything from
 * it.
 */
#ifndef BAZAR_RESTORE_H
#define BAZAR_RESTORE_H

struct worker;

/* When there is such a file: fills the empty store, and removes the file. Before replica_start.
 * Ends the process when it cannot be done; a crash on the way leaves half a copy, which the next
 * start removes. */
void restore_if_asked(const struct worker *w);

#endif
