/*
 * Failures: application/problem+json (RFC 9457), with `success` and `message` as the first clients
 * read them. The closed list is problem.def.
 */
#ifndef BAZAR_PROBLEM_H
#define BAZAR_PROBLEM_H

#include <stdint.h>

#include "fcgi/request.h"
#include "fcgi/response.h"

enum problem {
#define PROBLEM(kind, name, status, outcome, title) PROBLEM_##kind,
#include "fcgi/problem.def"
#undef PROBLEM
	PROBLEM_COUNT
};

/* What problem.def says of a kind. */
struct problem_row {
	const char *name;
	int status;
	const char *outcome; /* NULL: no member of that name */
	const char *title;
};
extern const struct problem_row problem_rows[PROBLEM_COUNT];

/* Makes *r that failure, whatever was in it; headers already added stay. `format` is the sentence
 * for people, cut at 500 bytes. Where r->page is set, it is a page. */
void problem(struct response *r, const struct request *q, enum problem kind, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/* The same, with the object still open: for members of the kind's own, and jsonw_close. */
struct jsonw problem_open(struct response *r, const struct request *q, enum problem kind,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
