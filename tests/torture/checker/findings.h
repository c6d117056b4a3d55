/* What is wrong with a history, said in sentences; the first FINDINGS_TOLD are printed. */
#ifndef BAZAR_CHECKER_FINDINGS_H
#define BAZAR_CHECKER_FINDINGS_H

#include <stddef.h>
#include <stdio.h>

#define FINDINGS_TOLD 50

struct findings {
	FILE *out; /* NULL: only count */
	size_t count;
};

void finding(struct findings *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
