#include "fcgi/base/trace.h"

#include <stdbool.h>
#include <string.h>

#include "fcgi/base/text.h"

/* version - trace id - parent id - flags */
static const char shape[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
#define AT_TRACE 3
#define AT_PARENT 36
#define PARENT 16
#define AT_FLAGS 53

static _Thread_local char here[TRACE_SIZE];

static bool
has_shape(const char *text)
{
	for (size_t i = 0; shape[i] != '\0'; i++) {
		if (shape[i] == 'x' ? text_hex(text[i]) < 0 : text[i] != '-')
			return false;
	}
	return true;
}

static bool
all_zero(const char *digits, size_t count)
{
	return strspn(digits, "0") >= count;
}

void
trace_enter(const char *traceparent)
{
	here[0] = '\0';
	if (traceparent == NULL || !has_shape(traceparent) || strncmp(traceparent, "ff", 2) == 0 ||
	    all_zero(traceparent + AT_TRACE, TRACE_ID) || all_zero(traceparent + AT_PARENT, PARENT))
		return;
	bool ours = strncmp(traceparent, "00", 2) == 0;
	char end = traceparent[TRACE_SIZE - 1];
	if (end != '\0' && (ours || end != '-'))
		return;
	memcpy(here, traceparent, TRACE_SIZE - 1);
	if (ours)
		return;
	/* Of a later version only this much is known: what it begins with, and the lowest flag. */
	bool sampled = strchr("13579bdf", here[AT_FLAGS + 1]) != NULL;
	memcpy(here, "00", 2);
	memcpy(here + AT_FLAGS, sampled ? "01" : "00", 2);
}

const char *
trace_here(void)
{
	return here;
}

const char *
trace_id(void)
{
	return here + AT_TRACE;
}
