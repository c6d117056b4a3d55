/*
 * What other threads bring to the replicator: operations, and messages and commands whose bearers
 * wait for the answer. Bounded; the replicator takes all that waits at once.
 */
#ifndef BAZAR_INBOX_H
#define BAZAR_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "fcgi/base/trace.h"
#include "replica/replica.h"

#define INBOX_OPERATIONS CORE_QUEUE_MAX
#define INBOX_QUESTIONS 64
#define INBOX_COMMANDS 8

/* An operation with whom to tell. Its address is the ticket the core knows it by. */
struct submission {
	struct op *op; /* the core owns it once it was handed over */
	replica_done done;
	void *arg;
	char trace[TRACE_SIZE];          /* of whom it is for; "": nobody who is traced */
	struct submission *next, **link; /* in the inbox, then in the replicator's list */
};

struct submission_list {
	struct submission *first, **last;
	size_t count;
};

void submissions_init(struct submission_list *l);
void submissions_push(struct submission_list *l, struct submission *s);
void submissions_remove(struct submission_list *l, struct submission *s);
/* Everything, to the end of another list. */
void submissions_move(struct submission_list *to, struct submission_list *from);

/* A message from a peer, and the peer thread that waits for its answer. */
struct question {
	struct message message;
	struct buf answer;
	int status; /* HTTP; 0: not answered yet */
	bool abandoned;
	pthread_cond_t answered;
	struct question *next;
};

/* A command from an operator, and the peer thread that waits for its outcome. Its address is the
 * ticket the core knows it by. */
struct instruction {
	struct core_command command;
	enum core_told result;
	bool taken, told, abandoned;
	pthread_cond_t done;
};

/* Operations that come while none can be started need not wake anybody: they make the next batch
 * larger. */
enum inbox_sleep {
	INBOX_AWAKE,
	INBOX_LIGHT, /* whatever comes wakes the replicator */
	INBOX_DEEP   /* operations don't */
};

struct inbox {
	pthread_mutex_t lock;
	struct submission_list submissions;
	struct question *questions, **last_question;
	size_t question_count;
	struct instruction *instructions[INBOX_COMMANDS]; /* not told yet; NULL: a free place */
	enum inbox_sleep sleep;                           /* of the replicator */
	bool closed;                                      /* takes nothing any more */
	void (*wake)(void *arg);
	void *wake_arg;
};

void inbox_init(struct inbox *i, void (*wake)(void *arg), void *wake_arg);
void inbox_destroy(struct inbox *i);

/* ---- Any thread ---- */

/* All or none of the list. False: full or closed. */
bool inbox_submit(struct inbox *i, struct submission_list *l);
/* Takes over *m, waits for the answer (bounded) and appends it. The HTTP status. */
int inbox_ask(struct inbox *i, struct message *m, struct buf *answer);
/* Waits for the outcome (bounded, longer than the core's own time-out). */
enum core_told inbox_command(struct inbox *i, const struct core_command *command);
void inbox_close(struct inbox *i); /* what is in it can still be taken */

/* ---- The replicator ---- */

/* All operations and questions that wait, in order. */
void inbox_take(struct inbox *i, struct submission_list *l, struct question **questions);
/* A command that was not taken yet; NULL: none. */
struct instruction *inbox_take_instruction(struct inbox *i);
/* q->answer is filled in; q is gone afterwards. */
void inbox_answer(struct inbox *i, struct question *q, int status);
/* n is gone afterwards. */
void inbox_tell(struct inbox *i, struct instruction *n, enum core_told result);
void inbox_tell_all(struct inbox *i, enum core_told result);
/* False: there is something to take that would have woken you. */
bool inbox_fall_asleep(struct inbox *i, enum inbox_sleep sleep);

#endif
