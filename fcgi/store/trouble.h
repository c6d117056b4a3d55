/*
 * Why a store cannot be opened: one sentence for people, and whether the store is certainly
 * damaged, so that it may be set aside. A disk that is full, failing or read-only, too little
 * memory or a lock that is held prove nothing against the store.
 */
#ifndef BAZAR_STORE_TROUBLE_H
#define BAZAR_STORE_TROUBLE_H

struct trouble {
	const char *damage; /* a word for a file name; NULL: no damage is certain */
	char sentence[500]; /* "" : no trouble */
};

/* The first trouble is the one that counts. Always returns -1. */
int trouble_say(struct trouble *t, const char *damage, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
