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
	if (e->kind == ENTRY_SET) {
		set_decode(e->effects, e->effects_len, &t->set);
		return;
	}
	if (t->real)
		return;
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

bool
shop_same(const struct table *a, const struct table *b)
{
	struct buf sets[2] = {{0}, {0}};
	if (a->set.count > 0)
		set_encode(&a->set, &sets[0]);
	if (b->set.count > 0)
		set_encode(&b->set, &sets[1]);
	bool same = memcmp(a, b, offsetof(struct table, set)) == 0 && sets[0].len == sets[1].len &&
		    (sets[0].len == 0 || memcmp(sets[0].data, sets[1].data, sets[0].len) == 0);
	buf_free(&sets[0]);
	buf_free(&sets[1]);
	return same;
}

/* ---- What the core asks ---- */

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
	const struct store *s = &n->disk.live;
	if (seq == 0 || seq < s->log_first || seq > s->log_len)
		return NULL;
	return entry_copy(s->log[seq - 1]);
}

static uint64_t
log_first(void *ctx)
{
	const struct node *n = ctx;
	const struct store *s = &n->disk.live;
	return s->log_first <= s->log_len ? s->log_first : 0;
}

/* Rows are numbered: first the books and their topic, then what was decided. Each is {number,
 * version or seq, stock or answer}; those never written are left out. */
#define ROWS (SIM_KEYS + SIM_OPS)

static bool
row_get(const struct table *t, unsigned i, uint64_t *version, int64_t *value)
{
	*version = i < SIM_KEYS ? t->rows[i].version : t->decided[i - SIM_KEYS];
	*value = i < SIM_KEYS ? t->rows[i].stock : t->answers[i - SIM_KEYS];
	return *version != 0;
}

static bool
dump(void *ctx, struct buf *cursor, size_t max, struct buf *rows)
{
	(void)max; /* as small as they can be: more chunks, more states between them */
	const struct node *n = ctx;
	uint64_t version;
	int64_t value;
	unsigned count = 0;
	unsigned i = cursor->len > 0 ? cursor->data[0] : 0;
	for (; i < ROWS && count < n->world->mood.chunk; i++) {
		if (!row_get(&n->disk.live.table, i, &version, &value))
			continue;
		buf_u8(rows, (uint8_t)i);
		buf_u64(rows, version);
		buf_u64(rows, (uint64_t)value);
		count++;
	}
	while (i < ROWS && !row_get(&n->disk.live.table, i, &version, &value))
		i++;
	buf_clear(cursor);
	buf_u8(cursor, (uint8_t)i);
	return i < ROWS;
}

void
shop_load(struct table *t, const uint8_t *rows, size_t rows_len)
{
	struct cur c = cur_make(rows, rows_len);
	while (c.at < c.end && cur_ok(&c)) {
		unsigned i = cur_u8(&c) % ROWS;
		uint64_t version = cur_u64(&c);
		int64_t value = (int64_t)cur_u64(&c);
		if (i < SIM_KEYS) {
			t->rows[i] = (struct row){version, value};
		} else {
			t->decided[i - SIM_KEYS] = version;
			t->answers[i - SIM_KEYS] = value;
		}
	}
}

struct machine
shop_machine(struct node *n)
{
	return (struct machine){n, decided, begin, execute, log_read, log_first, dump};
}
