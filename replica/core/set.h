/*
 * The replica set of a service: who is primary, who the members are, which of them are in sync, and
 * how many must be. It is replicated: entries of kind ENTRY_SET carry it as their effects, and the
 * latest one in a replica's log, applied or not, is the one that replica goes by.
 */
#ifndef BAZAR_CORE_SET_H
#define BAZAR_CORE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/buf.h"

#define SET_MEMBERS_MAX 8
#define SET_ADDRESS 64 /* with the NUL */
#define SET_ID_MAX 31

struct set_member {
	uint32_t id;               /* 1 to SET_ID_MAX, unique in the set */
	char address[SET_ADDRESS]; /* host:port of its own HTTP server */
	bool in_sync;              /* nothing commits without it */
};

struct set {
	uint32_t primary; /* a member in sync */
	uint32_t wanted;  /* in sync, by the operator's will; 0: all members */
	uint32_t min;     /* in force: 1 to the number in sync */
	/* Made without the word of some members (a promotion; one declared lost), so `min` counts
	 * without them too. */
	bool forced;
	uint32_t count; /* 0: no set yet */
	struct set_member member[SET_MEMBERS_MAX];
};

struct set_member *set_find(const struct set *s, uint32_t id); /* NULL: no member */
bool set_equal(const struct set *a, const struct set *b);
bool set_in_sync(const struct set *s, uint32_t id);
uint32_t set_count_in_sync(const struct set *s);
/* Fewer in sync than there are members. */
bool set_degraded(const struct set *s);
/* Something can be committed without some member, so reads need leases (R9). */
bool set_needs_leases(const struct set *s);
/* How many logs a promotion must see to miss no committed entry (R10). */
uint32_t set_quorum(const struct set *s);
/* `next` can commit without what a promotion by the logs of `before` might read: min is smaller, or
 * a new member counts towards the same min. So all of `before` must know of it first. */
bool set_weaker(const struct set *next, const struct set *before);
/* What min should be: wanted, or all, but not more than are in sync. Never below what it is. */
void set_raise_min(struct set *s);

void set_encode(const struct set *s, struct buf *out); /* appends */
/* 0; -1 for anything but one whole set within the limits above. */
int set_decode(const void *bytes, size_t len, struct set *s);

#endif
