/* To whom mistakes in a file are told, one sentence each, as they are met. */
#ifndef BAZAR_BASE_COMPLAIN_H
#define BAZAR_BASE_COMPLAIN_H

#include <stdio.h>

struct complaints {
	/* Called for every mistake, when it was counted; the sentence is the caller's. */
	void (*say)(struct complaints *c, const char *sentence);
	unsigned count;
};

/* For those who want to know of the first one only. */
struct first_complaint {
	struct complaints all;
	char *sentence;
	size_t size;
};

static inline void
complaint_keep_first(struct complaints *c, const char *sentence)
{
	struct first_complaint *f = (struct first_complaint *)c;
	if (c->count == 1)
		snprintf(f->sentence, f->size, "%s", sentence);
}

#endif
