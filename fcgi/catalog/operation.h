/*
 * The binary form of operations and answers (private to the catalog's rules; the outside uses the
 * catalog_op_* functions and catalog_answer_decode).
 */
#ifndef BAZAR_CATALOG_OPERATION_H
#define BAZAR_CATALOG_OPERATION_H

#include "fcgi/catalog/catalog.h"

/* One operation, decoded; the members that its kind has are set. */
struct request {
	uint64_t fingerprint;
	bool keep;
	uint64_t id;
	int64_t price;
	uint64_t expected[CATALOG_EXPECTED_MAX]; /* prices, or tags */
	size_t expected_count;
	int64_t change;
	struct catalog_line lines[CATALOG_LINES_MAX];
	size_t line_count;
	bool replace;
	struct cur books; /* `count` encoded books follow the cursor */
	size_t count;
};

/* -1 when the arguments are not those of an operation of this kind. */
int request_decode(const struct op *op, struct request *out);

void catalog_answer_encode(
    struct buf *out, uint64_t fingerprint, const struct catalog_answer *answer);

#endif
