#include "tests/torture/checker/findings.h"

#include <stdarg.h>

void
finding(struct findings *f, const char *format, ...)
{
	va_list args;
	if (++f->count > FINDINGS_TOLD || f->out == NULL)
		return;
	va_start(args, format);
	fputs("VIOLATION ", f->out);
	vfprintf(f->out, format, args);
	fputc('\n', f->out);
	va_end(args);
}
