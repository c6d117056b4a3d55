/*
 * Giving answers to those who wait for their operations. Every answer wakes a thread, and the
 * kernel may let that one run first; so many answers are given by a thread of their own, while the
 * replicator gets the next batch under way.
 */
#ifndef BAZAR_ANSWERS_H
#define BAZAR_ANSWERS_H

#include "replica/inbox.h"

#define ANSWERS_FEW 2 /* are given at once: another thread would only cost time */

struct answers {
	struct submission_list ready; /* the replicator's, not given yet */
	pthread_mutex_t lock;         /* over all that follows */
	pthread_cond_t more;
	struct submission_list given; /* to the thread */
	bool stopping;
	pthread_t thread;
};

void answers_start(struct answers *a);
void answers_stop(struct answers *a); /* when all are given */

/* The replicator: s->answer is known (s is in no list); then, before it waits for anything. */
void answers_add(struct answers *a, struct submission *s);
void answers_give(struct answers *a);

#endif
