/*
 * Places where a test can kill the process: between two steps of a purchase, of a write. Only with
 * FAILPOINTS, which no program that is installed is compiled with. The file named by
 * BAZAR_FAILPOINT holds the name of the place to die at next; dying there removes it.
 */
#ifndef BAZAR_BASE_FAILPOINT_H
#define BAZAR_BASE_FAILPOINT_H

#ifdef FAILPOINTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void
failpoint(const char *place)
{
	const char *path = getenv("BAZAR_FAILPOINT");
	char wanted[64] = "";
	FILE *file = path != NULL ? fopen(path, "r") : NULL;
	if (file == NULL)
		return;
	size_t len = fread(wanted, 1, sizeof(wanted) - 1, file);
	fclose(file);
	if (len == strlen(place) && memcmp(wanted, place, len) == 0 && unlink(path) == 0)
		kill(getpid(), SIGKILL);
}

#else
#define failpoint(place) ((void)0)
#endif

#endif
