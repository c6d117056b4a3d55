/*
 * The one call between the services: the order service asks the catalog to reserve copies, many
 * orders at a time. Both halves of POST /peer/reserve; integers big-endian, see fcgi/base/buf.h.
 *
 *     request: u32 count, then per order: order id (16 bytes), u8 lines, and per line u64 book,
 *              u32 quantity
 *     answer:  u32 count, then per order: u8 state; when DECIDED also u8 result; when that is OK
 *              u8 lines, and per line u64 price in cents, title (u32 length, bytes); else u64 the
 *              book it is about, u64 available
 *
 * A replica that is not primary answers 421, and the next one is to be asked. Orders are answered
 * in the order asked. The order id is the operation id: asking again for the same order gives the
 * stored answer, so a lost answer is simply asked for again.
 */
#ifndef BAZAR_CATALOG_RESERVE_H
#define BAZAR_CATALOG_RESERVE_H

#include "fcgi/base/buf.h"
#include "fcgi/base/uuid.h"
#include "fcgi/catalog/catalog.h"
#include "replica/core/core.h"

#define RESERVE_MAX 512        /* orders in a request, at least one */
#define RESERVE_LINES_MAX 1024 /* of all of them together */

/* One line; every form of a reservation has its lines written like this. */
void reserve_line_encode(struct buf *out, const struct catalog_line *line);
void reserve_line_decode(struct cur *c, struct catalog_line *out);
/* 1 to CATALOG_LINES_MAX lines of books that differ, each of 1 to BUY_QUANTITY_MAX copies. */
bool reserve_lines_valid(const struct catalog_line *lines, size_t count);

struct reserve_item {
	struct uuid order_id;
	uint16_t first, count; /* lines: .line[first] and on */
};

struct reserve_request {
	size_t count, line_count;
	struct reserve_item item[RESERVE_MAX];
	struct catalog_line line[RESERVE_LINES_MAX];
};

/* One order more, whose `count` lines are to be filled in. NULL: there is no room for it. */
struct catalog_line *reserve_request_add(
    struct reserve_request *r, const struct uuid *order_id, size_t count);

enum reserve_state {
	RESERVE_NOT_APPLIED = 0, /* never started; asking again is the way on */
	RESERVE_UNKNOWN,         /* prepared, not confirmed; ask again */
	RESERVE_DECIDED          /* for good; the other fields are valid */
};

struct reserve_answer {
	enum reserve_state state;
	struct catalog_reserved says; /* .refused is not 0, unless OK */
	uint16_t first;               /* OK: says.count elements, .sold[first] and on */
};

struct reserve_answers {
	size_t count;
	struct reserve_answer answer[RESERVE_MAX];
	struct catalog_sold sold[RESERVE_LINES_MAX];
};

/* The item's operation, and what the log's answer to it says. */
struct op *reserve_op(const struct reserve_request *r, size_t item);
void reserve_take(struct reserve_answers *out, const struct reserve_request *r, size_t item,
    enum core_result result, const uint8_t *answer, size_t len);

/* Encoders append. Decoders return false for anything but one whole valid message. */
void reserve_request_encode(struct buf *out, const struct reserve_request *r);
bool reserve_request_decode(const void *bytes, size_t len, struct reserve_request *out);
void reserve_answer_encode(struct buf *out, const struct reserve_answers *answers);
bool reserve_answer_decode(const void *bytes, size_t len, struct reserve_answers *out);

#endif
