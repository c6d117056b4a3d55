#include "replica/inbox.h"

#include <stdlib.h>

#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"

/* A peer thread waits this long. */
#define ANSWER_MS 2000
#define COMMAND_MS (CORE_COMMAND_MS + 1000)

void
submissions_init(struct submission_list *l)
{
	*l = (struct submission_list){.last = &l->first};
}

void
submissions_push(struct submission_list *l, struct submission *s)
{
	s->next = NULL;
	s->link = l->last;
	*l->last = s;
	l->last = &s->next;
	l->count++;
}

void
submissions_remove(struct submission_list *l, struct submission *s)
{
	*s->link = s->next;
	if (s->next != NULL)
		s->next->link = s->link;
	else
		l->last = s->link;
	l->count--;
}

void
submissions_move(struct submission_list *to, struct submission_list *from)
{
	if (from->first == NULL)
		return;
	*to->last = from->first;
	from->first->link = to->last;
	to->last = from->last;
	to->count += from->count;
	submissions_init(from);
}

void
inbox_init(struct inbox *i, void (*wake)(void *arg), void *wake_arg)
{
	*i = (struct inbox){.wake = wake, .wake_arg = wake_arg};
	pthread_mutex_init(&i->lock, NULL);
	submissions_init(&i->submissions);
	i->last_question = &i->questions;
}

void
inbox_destroy(struct inbox *i)
{
	pthread_mutex_destroy(&i->lock);
}

/* Whether the caller must wake the replicator, once it has let go of the lock; `deepest` is the
 * deepest sleep that what it brought may disturb. */
static bool
rouse(struct inbox *i, enum inbox_sleep deepest)
{
	bool wake = i->sleep != INBOX_AWAKE && i->sleep <= deepest;
	if (wake)
		i->sleep = INBOX_AWAKE;
	return wake;
}

bool
inbox_submit(struct inbox *i, struct submission_list *l)
{
	pthread_mutex_lock(&i->lock);
	bool taken = !i->closed && l->count <= INBOX_OPERATIONS - i->submissions.count;
	if (taken)
		submissions_move(&i->submissions, l);
	bool wake = taken && rouse(i, INBOX_LIGHT);
	pthread_mutex_unlock(&i->lock);
	if (wake)
		i->wake(i->wake_arg);
	return taken;
}

static struct question *
question_new(struct message *m)
{
	struct question *q = xcalloc(1, sizeof(*q));
	q->message = *m;
	*m = (struct message){0};
	wait_init(&q->answered);
	return q;
}

static void
question_free(struct question *q)
{
	message_clear(&q->message);
	buf_free(&q->answer);
	pthread_cond_destroy(&q->answered);
	free(q);
}

/* Called and left with the lock held, which the wait gives up. */
static int
wait_for_answer(struct inbox *i, struct question *q, struct buf *answer)
{
	uint64_t deadline = clock_ms() + ANSWER_MS;
	while (q->status == 0 && wait_until(&q->answered, &i->lock, deadline))
		;
	if (q->status == 0) {
		q->abandoned = true; /* the replicator frees it */
		return 503;
	}
	int status = q->status;
	buf_add(answer, q->answer.data, q->answer.len);
	question_free(q);
	return status;
}

int
inbox_ask(struct inbox *i, struct message *m, struct buf *answer)
{
	struct question *q = question_new(m);
	pthread_mutex_lock(&i->lock);
	if (i->closed || i->question_count == INBOX_QUESTIONS) {
		pthread_mutex_unlock(&i->lock);
		question_free(q);
		return 503;
	}
	*i->last_question = q;
	i->last_question = &q->next;
	i->question_count++;
	bool wake = rouse(i, INBOX_DEEP);
	pthread_mutex_unlock(&i->lock);
	if (wake)
		i->wake(i->wake_arg);
	pthread_mutex_lock(&i->lock);
	int status = wait_for_answer(i, q, answer);
	pthread_mutex_unlock(&i->lock);
	return status;
}

/* ---- Commands ---- */

static void
instruction_free(struct instruction *n)
{
	pthread_cond_destroy(&n->done);
	free(n);
}

/* Where it is kept; NULL: nowhere. The lock is held. */
static struct instruction **
find_place(struct inbox *i, const struct instruction *n)
{
	for (size_t k = 0; k < INBOX_COMMANDS; k++)
		if (i->instructions[k] == n)
			return &i->instructions[k];
	return NULL;
}

/* False: full or closed. */
static bool
bring(struct inbox *i, struct instruction *n)
{
	pthread_mutex_lock(&i->lock);
	struct instruction **place = i->closed ? NULL : find_place(i, NULL);
	if (place != NULL)
		*place = n;
	bool wake = place != NULL && rouse(i, INBOX_DEEP);
	pthread_mutex_unlock(&i->lock);
	if (wake)
		i->wake(i->wake_arg);
	return place != NULL;
}

enum core_told
inbox_command(struct inbox *i, const struct core_command *command)
{
	struct instruction *n = xcalloc(1, sizeof(*n));
	n->command = *command;
	n->command.ticket = (uintptr_t)n;
	wait_init(&n->done);
	if (!bring(i, n)) {
		instruction_free(n);
		return TOLD_BUSY;
	}
	uint64_t deadline = clock_ms() + COMMAND_MS;
	pthread_mutex_lock(&i->lock);
	while (!n->told && wait_until(&n->done, &i->lock, deadline))
		;
	enum core_told result = n->told ? n->result : TOLD_TIMED_OUT;
	bool told = n->told;
	n->abandoned = !told; /* then the replicator frees it */
	pthread_mutex_unlock(&i->lock);
	if (told)
		instruction_free(n);
	return result;
}

struct instruction *
inbox_take_instruction(struct inbox *i)
{
	struct instruction *found = NULL;
	pthread_mutex_lock(&i->lock);
	for (size_t k = 0; k < INBOX_COMMANDS && found == NULL; k++)
		if (i->instructions[k] != NULL && !i->instructions[k]->taken)
			found = i->instructions[k];
	if (found != NULL)
		found->taken = true;
	pthread_mutex_unlock(&i->lock);
	return found;
}

void
inbox_tell(struct inbox *i, struct instruction *n, enum core_told result)
{
	pthread_mutex_lock(&i->lock);
	*find_place(i, n) = NULL;
	n->told = true;
	n->result = result;
	bool abandoned = n->abandoned;
	if (!abandoned)
		pthread_cond_signal(&n->done);
	pthread_mutex_unlock(&i->lock);
	if (abandoned)
		instruction_free(n);
}

void
inbox_tell_all(struct inbox *i, enum core_told result)
{
	for (size_t k = 0; k < INBOX_COMMANDS; k++)
		if (i->instructions[k] != NULL)
			inbox_tell(i, i->instructions[k], result);
}

/* ---- The replicator ---- */

void
inbox_close(struct inbox *i)
{
	pthread_mutex_lock(&i->lock);
	i->closed = true;
	pthread_mutex_unlock(&i->lock);
}

void
inbox_take(struct inbox *i, struct submission_list *l, struct question **questions)
{
	pthread_mutex_lock(&i->lock);
	submissions_move(l, &i->submissions);
	i->sleep = INBOX_AWAKE;
	*questions = i->questions;
	i->questions = NULL;
	i->last_question = &i->questions;
	i->question_count = 0;
	pthread_mutex_unlock(&i->lock);
}

void
inbox_answer(struct inbox *i, struct question *q, int status)
{
	pthread_mutex_lock(&i->lock);
	bool abandoned = q->abandoned;
	if (!abandoned) {
		q->status = status;
		pthread_cond_signal(&q->answered);
	}
	pthread_mutex_unlock(&i->lock);
	if (abandoned)
		question_free(q);
}

bool
inbox_fall_asleep(struct inbox *i, enum inbox_sleep sleep)
{
	pthread_mutex_lock(&i->lock);
	bool disturbed = i->questions != NULL || (i->submissions.count > 0 && sleep == INBOX_LIGHT);
	for (size_t k = 0; k < INBOX_COMMANDS; k++)
		disturbed |= i->instructions[k] != NULL && !i->instructions[k]->taken;
	i->sleep = disturbed ? INBOX_AWAKE : sleep;
	pthread_mutex_unlock(&i->lock);
	return !disturbed;
}
