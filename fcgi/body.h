/*
 * JSON bodies, read strictly: one object, no member twice, none that is not known. What the
 * parse functions built on this say is a function of the bytes alone.
 */
#ifndef BAZAR_BODY_H
#define BAZAR_BODY_H

#include <jansson.h>

#include "fcgi/dispatch.h"

enum body_verdict {
	BODY_FINE,
	BODY_MALFORMED, /* not JSON: 400 */
	BODY_REFUSED    /* JSON, but not what is allowed: 422 */
};

/* Parses an object whose members are all among `members` (separated by blanks). FINE: *out, to be
 * decref'ed. Else a sentence for people in *why. */
enum body_verdict body_parse(
    const void *bytes, size_t len, const char *members, json_t **out, const char **why);

/* Whether it is an object whose members are all among `members`. */
bool body_has_only(const json_t *json, const char *members);

/* An integer member, within least..most; false when it is absent or anything else. */
bool body_integer(
    const json_t *object, const char *name, int64_t least, int64_t most, int64_t *out);

/* Money: a JSON number in major units that is exactly a number of cents, 0.01 to `most_cents`. */
bool body_cents(const json_t *object, const char *name, int64_t most_cents, int64_t *cents);

/* True when FINE; else the failure, with the sentence *why, is in c->r. It takes the sentence's
 * address so that a call that parses among its arguments finds the sentence whichever C evaluates
 * first. */
bool body_check(struct call *c, enum body_verdict verdict, const char *const *why);

#endif
