#include "fcgi/body.h"

#include <math.h>

/* What the library could not take: some of it is well-formed JSON all the same. */
static enum body_verdict
explain(const json_error_t *error, const char **why)
{
	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		*why = "A member stands there twice.";
		return BODY_REFUSED;
	case json_error_numeric_overflow:
		*why = "A number is out of range.";
		return BODY_REFUSED;
	case json_error_invalid_utf8:
		*why = "The body is not UTF-8.";
		return BODY_MALFORMED;
	default:
		*why = "The body is not JSON.";
		return BODY_MALFORMED;
	}
}

bool
body_has_only(const json_t *json, const char *members)
{
	bool only = json_is_object(json);
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)json, name, value)
	{
		only &= request_listed(members, name);
	}
	return only;
}

enum body_verdict
body_parse(const void *bytes, size_t len, const char *members, json_t **out, const char **why)
{
	json_error_t error;
	json_t *json = json_loadb(bytes, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (json == NULL)
		return explain(&error, why);
	*why = !json_is_object(json)           ? "The body must be an object."
	       : !body_has_only(json, members) ? "The body has a member that is not known here."
					       : NULL;
	if (*why != NULL) {
		json_decref(json);
		return BODY_REFUSED;
	}
	*out = json;
	return BODY_FINE;
}

bool
body_integer(const json_t *object, const char *name, int64_t least, int64_t most, int64_t *out)
{
	const json_t *value = json_object_get(object, name);
	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= least && *out <= most;
}

/* A double holds 15 decimal digits and prices have at most 9, so the double nearest to a price is
 * nearest to no other, and a whole number of cents divided by 100 gives that very double. */
bool
body_cents(const json_t *object, const char *name, int64_t most_cents, int64_t *cents)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_number(value))
		return false;
	double major = json_number_value(value);
	if (!(major > 0) || major > (double)most_cents / 100)
		return false;
	*cents = (int64_t)llround(major * 100);
	return *cents >= 1 && (double)*cents / 100 == major;
}

bool
body_check(struct call *c, enum body_verdict verdict, const char *const *why)
{
	if (verdict == BODY_MALFORMED)
		problem(c->r, c->q, PROBLEM_BAD_BODY, "%s", *why);
	else if (verdict == BODY_REFUSED)
		problem(c->r, c->q, PROBLEM_INVALID_REQUEST, "%s", *why);
	return verdict == BODY_FINE;
}
