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

enum order_status { ORDER_PENDING = 0, ORDER_CONFIRMED, ORDER_REJECTED };

enum order_reason { ORDER_NO_REASON = 0, ORDER_NO_BOOK, ORDER_SOLD_OUT, ORDER_INSUFFICIENT };
#define ORDER_REASONS (ORDER_INSUFFICIENT + 1)

struct order {
	struct uuid id;
	uint64_t book_id;
	uint32_t quantity;
	enum order_status status;
	enum order_reason reason;     /* of a rejection */
	int64_t available;            /* of SOLD_OUT, INSUFFICIENT */
	int64_t price;                /* cents each; CONFIRMED only */
	char title[ORDER_TITLE_SIZE]; /* CONFIRMED only */
	uint64_t created_ms;          /* when its PENDING entry was made */
	uint64_t fingerprint;         /* of the request */
};

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
void order_op_begin(struct buf *args, uint64_t fingerprint, uint64_t book_id, uint32_t quantity);
/* The op id is order_end_id(order id), so that a repeated end is one end. `end` carries id, status,
 * reason, available, price, title; status is not PENDING. The first end is the end. */
void order_op_end(struct buf *args, const struct order *end);
struct uuid order_end_id(const struct uuid *order_id);

/* Every operation's answer is the order as it then stands (BEGIN of a known id: as it stands now;
 * END of an unknown one: created_ms 0, and nothing is changed; SEED: all 0). -1 when malformed. */
int order_answer_decode(const void *bytes, size_t len, struct order *out);

struct order_machine;
struct order_machine *order_machine_new(const struct view *tables);
void order_machine_free(struct order_machine *m);
bool order_decided(void *machine, const struct op *op, struct buf *answer);
void order_begin_batch(void *machine);
void order_execute(void *machine, const struct op *op, uint64_t time_ms, struct outcome *out);

/* ---- Look-ups ---- */
bool order_get(const struct view *v, const struct uuid *id, struct order *out);
bool order_name_space(const struct view *v, struct uuid *out); /* false before entry 1 */

/* Newest first; from strictly older than *after (NULL: the newest on); stop by returning false. */
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
