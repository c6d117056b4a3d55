/*
 * The one call between the services: the order service asks the catalog to reserve copies, many
 * orders at a time. Both halves of POST /peer/reserve; integers big-endian, see fcgi/base/buf.h.
 *
 *     request: u32 count, then per item: order id (16 bytes), u64 book, u32 quantity
 *     answer:  u32 count, then per item: u8 state; when DECIDED also u8 result, u64 available,
 *              u64 price in cents, title (u32 length, bytes)
 *
 * A replica that is not primary answers 421, and the next one is to be asked. Items are answered in
 * the order asked. The order id is the operation id: asking again for the same order gives the
 * stored answer, so a lost answer is simply asked for again.
 */
#ifndef BAZAR_CATALOG_RESERVE_H
#define BAZAR_CATALOG_RESERVE_H

#include "fcgi/base/buf.h"
#include "fcgi/base/uuid.h"
#include "fcgi/catalog/catalog.h"
#include "replica/core/core.h"

#define RESERVE_MAX 512 /* items in a request, at least one */

struct reserve_item {
	struct uuid order_id;
	uint64_t book_id;
	uint32_t quantity; /* 1 to BUY_QUANTITY_MAX */
};

enum reserve_state {
	RESERVE_NOT_APPLIED = 0, /* never started; asking again is the way on */
	RESERVE_UNKNOWN,         /* prepared, not confirmed; ask again */
	RESERVE_DECIDED          /* for good; the other fields are valid */
};

struct reserve_answer {
	enum reserve_state state;
	enum catalog_result result;  /* OK, NO_BOOK, SOLD_OUT or INSUFFICIENT */
	int64_t available;           /* SOLD_OUT, INSUFFICIENT */
	int64_t price;               /* cents each; OK only */
	bool last;                   /* OK: none is left. Not sent */
	char title[BOOK_TITLE_SIZE]; /* OK only */
};

/* The item's operation, and what the log's answer to it says. */
struct op *reserve_op(const struct reserve_item *item);
void reserve_take(
    struct reserve_answer *out, enum core_result result, const uint8_t *answer, size_t len);

/* Encoders append; `count` is 1 to RESERVE_MAX. Decoders fill at most RESERVE_MAX elements and
 * return how many; 0 for anything but one whole valid message. */
void reserve_request_encode(struct buf *out, const struct reserve_item *items, size_t count);
size_t reserve_request_decode(const void *bytes, size_t len, struct reserve_item *items);
void reserve_answer_encode(struct buf *out, const struct reserve_answer *answers, size_t count);
size_t reserve_answer_decode(const void *bytes, size_t len, struct reserve_answer *answers);

#endif
