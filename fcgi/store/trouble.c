#include "fcgi/store/trouble.h"

#include <stdarg.h>
#include <stdio.h>

int
trouble_say(struct trouble *t, const char *damage, const char *format, ...)
{
	va_list args;
	if (t->sentence[0] != '\0')
		return -1;
	va_start(args, format);
	vsnprintf(t->sentence, sizeof(t->sentence), format, args);
	va_end(args);
	t->damage = damage;
	return -1;
}
