#include "fcgi/catalog/operation.h"

#include <string.h>

#include "fcgi/catalog/reserve.h"
#include "fcgi/catalog/rows.h"

#define ANSWER_VERSION 1

/* ---- Operations: every kind starts with {u64 fingerprint, u8 keep} ---- */

static void
start(struct buf *args, uint64_t fingerprint, bool keep)
{
	buf_u64(args, fingerprint);
	buf_u8(args, keep);
}

static void
add_books(struct buf *args, const struct book *books, size_t count)
{
	buf_u32(args, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		book_encode(args, &books[i]);
}

void
catalog_op_seed(struct buf *args, const struct book *books, size_t count)
{
	start(args, 0, false);
	buf_u8(args, false);
	add_books(args, books, count);
}

static size_t
at_most(size_t count, size_t most)
{
	return count < most ? count : most;
}

void
catalog_op_price(struct buf *args, uint64_t fingerprint, bool keep, uint64_t id, int64_t price,
    const int64_t *expected, size_t expected_count)
{
	expected_count = at_most(expected_count, CATALOG_EXPECTED_MAX);
	start(args, fingerprint, keep);
	buf_u64(args, id);
	buf_u64(args, (uint64_t)price);
	buf_u32(args, (uint32_t)expected_count);
	for (size_t i = 0; i < expected_count; i++)
		buf_u64(args, (uint64_t)expected[i]);
}

void
catalog_op_stock(struct buf *args, uint64_t fingerprint, bool keep, uint64_t id, int64_t change)
{
	start(args, fingerprint, keep);
	buf_u64(args, id);
	buf_u64(args, (uint64_t)change);
}

void
catalog_op_reserve(struct buf *args, const struct catalog_line *lines, size_t count)
{
	start(args, 0, false);
	for (size_t i = 0; i < count; i++)
		reserve_line_encode(args, &lines[i]);
}

void
catalog_op_import(
    struct buf *args, uint64_t fingerprint, bool replace, const struct book *books, size_t count)
{
	start(args, fingerprint, true);
	buf_u8(args, replace);
	add_books(args, books, count);
}

void
catalog_op_add(struct buf *args, uint64_t fingerprint, bool keep, const struct book *b)
{
	start(args, fingerprint, keep);
	buf_u8(args, false);
	add_books(args, b, 1);
}

void
catalog_op_withdraw(struct buf *args, uint64_t fingerprint, bool keep, uint64_t id,
    const uint64_t *expected, size_t expected_count)
{
	expected_count = at_most(expected_count, CATALOG_EXPECTED_MAX);
	start(args, fingerprint, keep);
	buf_u64(args, id);
	buf_u32(args, (uint32_t)expected_count);
	for (size_t i = 0; i < expected_count; i++)
		buf_u64(args, expected[i]);
}

static void
decode_books(struct cur *c, struct request *out)
{
	out->replace = cur_u8(c);
	out->count = cur_u32(c);
	out->books = *c;
	if (out->count > CATALOG_IMPORT_MAX)
		c->bad = true;
	struct book b;
	for (size_t i = 0; i < out->count && cur_ok(c); i++)
		if (!book_decode(c, &b))
			c->bad = true;
}

static void
decode_expected(struct cur *c, struct request *out)
{
	out->expected_count = cur_u32(c);
	if (out->expected_count > CATALOG_EXPECTED_MAX)
		c->bad = true;
	for (size_t i = 0; i < out->expected_count && cur_ok(c); i++)
		out->expected[i] = cur_u64(c);
}

static void
decode_lines(struct cur *c, struct request *out)
{
	while (!cur_end(c) && cur_ok(c) && out->line_count < CATALOG_LINES_MAX)
		reserve_line_decode(c, &out->lines[out->line_count++]);
	if (!reserve_lines_valid(out->lines, out->line_count))
		c->bad = true;
}

int
request_decode(const struct op *op, struct request *out)
{
	*out = (struct request){0};
	struct cur c = cur_make(op->args.data, op->args.len);
	out->fingerprint = cur_u64(&c);
	out->keep = cur_u8(&c);
	switch ((enum catalog_op_kind)op->kind) {
	case CATALOG_SEED:
	case CATALOG_IMPORT:
	case CATALOG_ADD:
		decode_books(&c, out);
		break;
	case CATALOG_PRICE:
		out->id = cur_u64(&c);
		out->price = (int64_t)cur_u64(&c);
		decode_expected(&c, out);
		break;
	case CATALOG_WITHDRAW:
		out->id = cur_u64(&c);
		decode_expected(&c, out);
		break;
	case CATALOG_STOCK:
		out->id = cur_u64(&c);
		out->change = (int64_t)cur_u64(&c);
		break;
	case CATALOG_RESERVE:
		decode_lines(&c, out);
		break;
	default:
		return -1;
	}
	return cur_end(&c) ? 0 : -1;
}

/* ---- Answers ---- */

void
catalog_answer_encode(struct buf *out, uint64_t fingerprint, const struct catalog_answer *answer)
{
	buf_u8(out, ANSWER_VERSION);
	buf_u64(out, fingerprint);
	buf_u8(out, (uint8_t)answer->result);
	buf_u64(out, (uint64_t)answer->available);
	buf_u32(out, answer->count);
	buf_u8(out, answer->book.id != 0);
	if (answer->book.id != 0)
		book_encode(out, &answer->book);
}

int
catalog_answer_decode(
    const void *bytes, size_t len, uint64_t fingerprint, struct catalog_answer *out)
{
	memset(out, 0, sizeof(*out));
	struct cur c = cur_make(bytes, len);
	uint8_t version = cur_u8(&c);
	uint64_t decided_for = cur_u64(&c);
	uint8_t result = cur_u8(&c);
	out->available = (int64_t)cur_u64(&c);
	out->count = cur_u32(&c);
	bool book_ok = cur_u8(&c) == 0 || book_decode(&c, &out->book);
	if (version != ANSWER_VERSION || result > CATALOG_CONFLICT || !book_ok || !cur_end(&c))
		return -1;
	out->result = (enum catalog_result)result;
	if (fingerprint != 0 && decided_for != 0 && fingerprint != decided_for)
		*out = (struct catalog_answer){.result = CATALOG_KEY_REUSED};
	return 0;
}
