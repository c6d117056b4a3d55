/*
 * The order service's rules: an order is PENDING, then CONFIRMED or REJECTED for good. Knows
 * neither HTTP nor Berkeley DB. Deciding happens on the primary's replicator thread; looking up
 * anywhere inside store_read_begin/end.
 */
#ifndef BAZAR_ORDER_H
#define BAZAR_ORDER_H

#include "fcgi/base/text.h"
#include "fcgi/base/uuid.h"
#include "fcgi/store/view.h"
#include "replica/core/machine.h"

#define ORDER_TITLE_SIZE 513
#define ORDER_LINES_MAX 20

enum order_status { ORDER_PENDING = 0, ORDER_CONFIRMED, ORDER_REJECTED };

enum order_reason { ORDER_NO_REASON = 0, ORDER_NO_BOOK, ORDER_SOLD_OUT, ORDER_INSUFFICIENT };
#define ORDER_REASONS (ORDER_INSUFFICIENT + 1)

struct order_line {
	uint64_t book_id;
	uint32_t quantity;
	int64_t price;                /* cents each; CONFIRMED only */
	char title[ORDER_TITLE_SIZE]; /* CONFIRMED only */
};

/* Nearly every order has one line, and is copied without a thought; the others of a cart are the
 * order's own memory. */
struct order {
	struct uuid id;
	struct order_line line;
	struct order_line *more; /* `more_count` lines; NULL: there are none */
	uint32_t more_count;     /* less than ORDER_LINES_MAX */
	enum order_status status;
	enum order_reason reason; /* of a rejection */
	uint64_t refused;         /* ... and the book it is for */
	int64_t available;        /* of SOLD_OUT, INSUFFICIENT */
	uint64_t created_ms;      /* when its PENDING entry was made */
	uint64_t fingerprint;     /* of the request */
};

/* Lines are numbered from 0 to order_lines-1. */
size_t order_lines(const struct order *o);
const struct order_line *order_line(const struct order *o, size_t i);
/* A line to fill in: one of those there are, or the next one. NULL: it has ORDER_LINES_MAX. */
struct order_line *order_set_line(struct order *o, size_t i);
int64_t order_total(const struct order *o); /* cents */

/* Copies the lines, too; what *to was is not freed. */
void order_copy(struct order *to, const struct order *from);
void order_free(struct order *o); /* the further lines; then it has one */

extern const char *const order_tables[];
extern const unsigned order_table_count;

uint64_t order_key(const struct uuid *id); /* hash64 of "order:<id>" */
uint64_t order_key_list(void);             /* hash64 of "orders": the list of all orders */

enum order_op_kind { ORDER_SEED = 1, ORDER_BEGIN, ORDER_END };

/* Entry 1 (another one changes nothing): the secret name space from which order ids are derived out
 * of idempotency keys; it must outlive restores, else a repeated key would buy twice. */
void order_op_seed(struct buf *args, const struct uuid *name_space);
/* The op id is the order id. A known one's order is the answer: its fingerprint tells the caller
 * whether it is the same request. */
void order_op_begin(struct buf *args, const struct order *wanted); /* fingerprint, lines */
/* The op id is order_end_id(order id), so that a repeated end is one end. `end` carries id, status,
 * reason, refused, available, and as many lines, with price and title; status is not PENDING. The
 * first end is the end. */
void order_op_end(struct buf *args, const struct order *end);
struct uuid order_end_id(const struct uuid *order_id);

/* Every operation's answer is the order as it then stands (BEGIN of a known id: as it stands now;
 * END of an unknown one: created_ms 0, and nothing is changed; SEED: all 0). *out
 * is overwritten, and to be freed; -1 when malformed. */
int order_answer_decode(const void *bytes, size_t len, struct order *out);

struct order_machine;
struct order_machine *order_machine_new(const struct view *tables);
void order_machine_free(struct order_machine *m);
bool order_decided(void *machine, const struct op *op, struct buf *answer);
void order_begin_batch(void *machine);
void order_execute(void *machine, const struct op *op, uint64_t time_ms, struct outcome *out);

/* ---- Look-ups ---- */
/* True: *out is to be freed. */
bool order_get(const struct view *v, const struct uuid *id, struct order *out);
bool order_name_space(const struct view *v, struct uuid *out); /* false before entry 1 */

/* The visited order is valid during the call. Newest first; from strictly older than *after (NULL:
 * the newest on); stop by returning false. */
struct order_place {
	uint64_t created_ms;
	struct uuid id;
};
void order_list(const struct view *v, const struct order_place *after,
    bool (*visit)(void *arg, const struct order *o), void *arg);
/* PENDING orders, for the sweeper. */
void order_pending(
    const struct view *v, bool (*visit)(void *arg, const struct order *o), void *arg);

#endif
