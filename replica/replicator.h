/*
 * A replica's inside, shared by the files of its shell:
 *   replica.c     starting, stopping, writing, status      inbox.[ch]        what comes in
 *   replicator.c  the thread: inputs into core steps       peer_client.[ch]  requests to others
 *   perform.c     the actions that come out of a step      reads.c           the gate, for readers
 *
 * LOCK ORDER. Inbox, gate and status have a mutex each, and no thread ever holds two of them.
 * None is held while the disk or the network is at work, while a done callback runs (which may
 * take locks of its own), or over a call into the store or the cache.
 */
#ifndef BAZAR_REPLICATOR_H
#define BAZAR_REPLICATOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "replica/core/gate.h"
#include "replica/inbox.h"
#include "replica/peer_client.h"
#include "replica/replica.h"

struct replica {
	/* fixed at start */
	uint32_t self;
	struct store *store;
	struct cache *cache;
	const struct machine *rules; /* the service's */
	struct machine machine;      /* the same with the store's parts, as the core calls it */
	uint64_t log_keep;

	/* shared */
	struct inbox inbox;
	pthread_mutex_t gate_lock;
	pthread_cond_t gate_moved; /* applied_seq has grown, or the gate was opened or closed */
	struct gate *gate;
	uint64_t was_open; /* the last time that it is known to have been, before it was closed */
	pthread_mutex_t status_lock;
	struct core_status status; /* as of the last step */
	_Atomic uint64_t stop_by;  /* 0: go on */
	_Atomic uint64_t seen_ms;  /* the replicator looked around */
	struct replica_meters meters;

	/* the replicator thread's own */
	pthread_t thread;
	struct core *core;
	struct peer_client *client;
	struct submission_list submitted; /* the core has not answered yet */
	struct question *asking;          /* the message the core looks at now */
	struct uuid incarnation;
	uint64_t last_seq;     /* of the log */
	bool cache_refused;    /* when last joined, and so it was said */
	uint64_t serves_until; /* as the gate was last told; 0: it is closed */
	uint64_t chores_at;
	struct {
		uint64_t request, sent_ns;
	} entries_to[PEER_ID_MAX + 1]; /* the last request that carried any, by replica */
};

/* replicator.c */
void *replicator_main(void *replica);

/* perform.c */
void perform(struct replica *r, const struct core_actions *actions);
void perform_join_cache(struct replica *r);
void perform_extend_cache(struct replica *r); /* hits for as long as we may read, a lease at most */
void perform_finish(struct replica *r, struct submission *s, struct replica_answer *answer);

/* reads.c */
void reads_init(struct replica *r);
void reads_destroy(struct replica *r);
void reads_open(struct replica *r, bool open, uint64_t until);
void reads_mark(struct replica *r, struct entry *const *entries, size_t count);
void reads_truncate(struct replica *r, uint64_t from_seq);
void reads_applied(struct replica *r, uint64_t seq);

#endif
