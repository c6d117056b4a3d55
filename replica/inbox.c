#include "replica/inbox.h"

#include <stdlib.h>

#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"

#define ANSWER_MS 2000 /* a peer thread waits this long */

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
	i->sleep = disturbed ? INBOX_AWAKE : sleep;
	pthread_mutex_unlock(&i->lock);
	return !disturbed;
}
