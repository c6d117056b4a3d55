/* The state machine of the simulator: books with a stock, and the topic that shows their sum. */
#include <string.h>

#include "fcgi/base/hash.h"
#include "tests/sim/sim.h"

uint64_t
shop_key(unsigned key)
{
	static uint64_t keys[SIM_KEYS];
	if (keys[key] == 0) {
		char name[] = {'b', 'o', 'o', 'k', (char)('0' + key)};
		keys[key] = hash64(name, sizeof(name));
	}
	return keys[key];
}

struct uuid
shop_op_id(unsigned op)
{
	struct uuid id = {{0x51, (uint8_t)op}};
	return id;
}

unsigned
shop_op(const struct uuid *id)
{
	return id->bytes[1] % SIM_OPS;
}

struct op *
shop_new_op(const struct world *w, unsigned op, uint64_t ticket)
{
	struct buf args = {0};
	buf_u32(&args, w->ops[op].book);
	buf_u64(&args, (uint64_t)w->ops[op].delta);
	struct op *made = op_new(shop_op_id(op), ticket, 0, &args);
	buf_free(&args);
	return made;
}

int64_t
shop_execute(struct table *t, unsigned book, int64_t delta)
{
	int64_t left = t->rows[book].stock + delta;
	if (left < 0)
		return -1;
	t->rows[book].stock = left;
	t->rows[SIM_BOOKS].stock += delta;
	return left;
}

void
shop_apply(struct table *t, const struct entry *e)
{
	struct cur effects = cur_make(e->effects, e->effects_len);
	for (size_t i = 0; i < e->key_count; i++) {
		unsigned key = cur_u32(&effects) % SIM_KEYS;
		t->rows[key].stock = (int64_t)cur_u64(&effects);
		t->rows[key].version = e->at.seq;
	}
	struct cur answer = cur_make(e->answer, e->answer_len);
	unsigned op = shop_op(&e->op_id);
	t->decided[op] = e->at.seq;
	t->answers[op] = (int64_t)cur_u64(&answer);
}

static bool
decided(void *ctx, const struct op *op, struct buf *answer)
{
	const struct node *n = ctx;
	unsigned i = shop_op(&op->id);
	if (n->disk.live.table.decided[i] == 0)
		return false;
	buf_u64(answer, (uint64_t)n->disk.live.table.answers[i]);
	return true;
}

static void
begin(void *ctx)
{
	struct node *n = ctx;
	memcpy(n->scratch.rows, n->disk.live.table.rows, sizeof(n->scratch.rows));
}

static void
execute(void *ctx, const struct op *op, uint64_t time_ms, struct outcome *out)
{
	(void)time_ms;
	struct node *n = ctx;
	struct cur args = cur_make(op->args.data, op->args.len);
	unsigned book = cur_u32(&args) % SIM_BOOKS;
	int64_t left = shop_execute(&n->scratch, book, (int64_t)cur_u64(&args));
	buf_u64(&out->answer, (uint64_t)left);
	if (left < 0)
		return;
	const unsigned touched[] = {book, SIM_BOOKS};
	for (size_t i = 0; i < 2; i++) {
		uint64_t key = shop_key(touched[i]);
		buf_add(&out->keys, &key, sizeof(key));
		buf_u32(&out->effects, touched[i]);
		buf_u64(&out->effects, (uint64_t)n->scratch.rows[touched[i]].stock);
	}
}

static struct entry *
log_read(void *ctx, uint64_t seq)
{
	const struct node *n = ctx;
	if (seq == 0 || seq > n->disk.live.log_len)
		return NULL;
	return entry_copy(n->disk.live.log[seq - 1]);
}

struct machine
shop_machine(struct node *n)
{
	return (struct machine){n, decided, begin, execute, log_read};
}
