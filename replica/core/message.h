/*
 * What replicas say to each other, and its binary form (body of POST /peer/replicate and of its
 * answer). Big-endian, see fcgi/base/buf.h.
 */
#ifndef BAZAR_CORE_MESSAGE_H
#define BAZAR_CORE_MESSAGE_H

#include "replica/core/entry.h"
#include "replica/core/set.h"

#define MESSAGE_ENTRIES_MAX 1024
#define MESSAGE_BYTES_MAX (8u << 20) /* a batch is closed before it would not fit */

enum message_kind {
	/* Odd: a request; the next number is its answer. */
	MSG_PROMISE =
	    1,         /* a candidate: "my epoch is .epoch; follow no older one"; .set of its log */
	MSG_PROMISED,  /* .last, .set (the latest in its log) */
	MSG_FETCH,     /* a candidate that has won: "send me your entries from .prev on" */
	MSG_FETCHED,   /* .entries */
	MSG_APPEND,    /* primary: prepare (.entries after .prev), commit (.commit), heartbeat (no
			  entries) */
	MSG_APPENDED,  /* .last = the end of the log that is durable and floored here */
	MSG_LOAD,      /* primary: .rows, chunk .chunk of its tables, which begin at .prev, where
			  the set was .set; .until != 0: the last one */
	MSG_LOADED,    /* .chunk is on disk */
	MSG_HELLO,     /* a replica without history: "who are you?" */
	MSG_HELLOED,   /* .incarnation, .last, .set */
	MSG_HAND_OVER, /* primary, or one whose store is lost: "ask for promises, I agree" */
	MSG_HANDED     /* it does */
};

enum message_verdict {
	VERDICT_OK,
	VERDICT_OLD_EPOCH,     /* the answerer promised .epoch, which is higher */
	VERDICT_GAP,           /* .prev is not in the answerer's log; .last tells where it ends */
	VERDICT_OTHER_HISTORY, /* incarnations differ: one of the stores does not belong here */
	VERDICT_SUPERSEDED /* PROMISE: the answerer's log is of a later term than the candidate's */
};

struct message {
	enum message_kind kind;
	enum message_verdict verdict; /* of answers */
	uint32_t from, to;            /* replica ids */
	struct epoch epoch;           /* sender's (answers: what the answerer has promised) */
	bool promotion;               /* the sender is being promoted */
	struct uuid incarnation;      /* sender's; nil while its log is empty or partial */
	struct uuid formerly;         /* the history that one replaced, with loss; nil: none */
	uint64_t boot;                /* random number the sender drew at its start */
	uint64_t peer_boot;     /* the receiver's boot as the sender last heard it; 0 unknown */
	uint64_t request;       /* pairs an answer with its request; 0 in no request */
	struct position prev;   /* of the first entry carried (APPEND), or from where (FETCH) */
	struct position last;   /* end of the sender's log */
	struct position commit; /* last committed entry the sender knows */
	uint64_t granted;       /* APPEND: the request whose answer was last had: from when the
				   receiver sent that, it may read for a lease; 0: no lease.
				   LOAD: where the receiver's log ends, as it last said.
				   PROMISE: the replica given up by the operator, or 0 */
	uint32_t chunk;         /* LOAD, LOADED: from 1 */
	uint64_t until; /* LOAD: tables are exact once this seq is applied; 0: more to come */
	struct set set;
	uint8_t *rows; /* LOAD; owned by the message when decoded */
	size_t rows_len;
	struct entry **entries; /* owned by the message when decoded */
	size_t entry_count;
};

bool message_is_answer(const struct message *m);
void message_encode(const struct message *m, struct buf *out); /* appends */
/* 0, or -1 for anything but one whole valid message; then *m is empty. */
int message_decode(const void *bytes, size_t len, struct message *m);
void message_clear(struct message *m); /* frees what a decoded message owns */

#endif
