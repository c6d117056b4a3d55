/*
 * Who acts on a run directory: its owner. What root does there would else belong to root, and the
 * processes that run as the owner could not read it.
 */
#ifndef BAZAR_BASE_OWNER_H
#define BAZAR_BASE_OWNER_H

/* When we are root, and `dir` is somebody else's: becomes that user, for good. Nothing when there
 * is no such directory. Before threads start. -1: errno. */
int owner_become(const char *dir);

#endif
