#include "replica/answers.h"

#include <stdlib.h>

#include "fcgi/log.h"

static void
give_all(struct submission_list *l)
{
	for (struct submission *s; (s = l->first) != NULL;) {
		submissions_remove(l, s);
		s->done(s->arg, &s->answer);
		buf_free(&s->answer.bytes);
		free(s);
	}
}

static void *
give_answers(void *arg)
{
	struct answers *a = arg;
	struct submission_list l;
	bool stopping = false;

	submissions_init(&l);
	while (!stopping) {
		pthread_mutex_lock(&a->lock);
		while (a->given.first == NULL && !a->stopping)
			pthread_cond_wait(&a->more, &a->lock);
		submissions_move(&l, &a->given);
		stopping = a->stopping;
		pthread_mutex_unlock(&a->lock);
		give_all(&l);
	}
	return NULL;
}

void
answers_start(struct answers *a)
{
	*a = (struct answers){.stopping = false};
	submissions_init(&a->ready);
	submissions_init(&a->given);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->more, NULL);
	if (pthread_create(&a->thread, NULL, give_answers, a) != 0)
		log_fatal("no thread for giving answers");
}

void
answers_stop(struct answers *a)
{
	answers_give(a);
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->more);
	pthread_mutex_destroy(&a->lock);
}

void
answers_add(struct answers *a, struct submission *s)
{
	submissions_push(&a->ready, s);
}

void
answers_give(struct answers *a)
{
	if (a->ready.count <= ANSWERS_FEW) {
		give_all(&a->ready);
		return;
	}
	pthread_mutex_lock(&a->lock);
	submissions_move(&a->given, &a->ready);
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
}
