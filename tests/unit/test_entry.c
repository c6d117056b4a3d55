/* Log entries and messages: what is encoded comes back, anything else is refused. */
#include <string.h>

#include <CUnit/CUnit.h>

#include "replica/core/entry.h"
#include "replica/core/message.h"
#include "tests/unit/suites.h"

static struct entry *
make_entry(uint64_t seq)
{
	static const uint64_t keys[] = {UINT64_MAX, 7};
	const struct entry_parts parts = {
	    .at = {{3, 1}, seq},
	    .prev = {{2, 1}, seq - 1},
	    .time_ms = 1700000000000u,
	    .op_id = {{1, 2, 3}},
	    .keys = keys,
	    .key_count = 2,
	    .effects = (const uint8_t *)"effects",
	    .effects_len = 7,
	    .answer = (const uint8_t *)"answer",
	    .answer_len = 6,
	};
	return entry_new(&parts);
}

static void
check_same(const struct entry *a, const struct entry *b)
{
	CU_ASSERT_TRUE(position_equal(a->at, b->at));
	CU_ASSERT_TRUE(position_equal(a->prev, b->prev));
	CU_ASSERT_EQUAL(a->time_ms, b->time_ms);
	CU_ASSERT_TRUE(uuid_equal(&a->op_id, &b->op_id));
	CU_ASSERT_EQUAL_FATAL(a->key_count, b->key_count);
	CU_ASSERT_EQUAL(memcmp(a->keys, b->keys, a->key_count * sizeof(*a->keys)), 0);
	CU_ASSERT_EQUAL_FATAL(a->effects_len, b->effects_len);
	CU_ASSERT_EQUAL(memcmp(a->effects, b->effects, a->effects_len), 0);
	CU_ASSERT_EQUAL_FATAL(a->answer_len, b->answer_len);
	CU_ASSERT_EQUAL(memcmp(a->answer, b->answer, a->answer_len), 0);
	CU_ASSERT_EQUAL(a->crc, b->crc);
}

static void
test_entry_round_trip(void)
{
	struct entry *e = make_entry(5);
	NEED(e);
	struct entry *decoded = entry_decode(e->bytes, e->bytes_len);
	NEED(decoded);
	struct entry *copy = entry_copy(decoded);
	check_same(e, decoded);
	entry_free(decoded);
	check_same(e, copy);
	CU_ASSERT_EQUAL(copy->keys[0], UINT64_MAX);
	CU_ASSERT_EQUAL(memcmp(copy->answer, "answer", 6), 0);
	entry_free(copy);
	entry_free(e);
}

static void
test_a_changed_byte_is_noticed(void)
{
	struct entry *e = make_entry(5);
	struct buf bytes = {0};
	buf_add(&bytes, e->bytes, e->bytes_len);
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 0x40;
		CU_ASSERT_PTR_NULL(entry_decode(bytes.data, bytes.len));
		CU_ASSERT_PTR_NULL(entry_decode(e->bytes, i));
		bytes.data[i] ^= 0x40;
	}
	buf_u8(&bytes, 0);
	CU_ASSERT_PTR_NULL(entry_decode(bytes.data, bytes.len));
	buf_free(&bytes);
	entry_free(e);
}

static void
test_entry_limits(void)
{
	struct entry_parts parts = {.at = {{1, 1}, 1}};
	struct buf big = {0};
	while (big.len < ENTRY_BYTES_MAX)
		buf_u64(&big, 0);
	parts.effects = big.data;
	parts.effects_len = ENTRY_BYTES_MAX;
	CU_ASSERT_PTR_NULL(entry_new(&parts));
	parts.effects_len = ENTRY_BYTES_MAX - 100; /* the other fields take 80 bytes */
	struct entry *e = entry_new(&parts);
	CU_ASSERT_PTR_NOT_NULL(e);
	entry_free(e);
	parts.effects_len = 0;
	parts.keys = (const uint64_t *)(const void *)big.data;
	parts.key_count = ENTRY_KEYS_MAX + 1;
	CU_ASSERT_PTR_NULL(entry_new(&parts));
	parts.key_count = 0;
	parts.at.seq = 2; /* does not follow prev.seq 0 */
	CU_ASSERT_PTR_NULL(entry_new(&parts));
	buf_free(&big);
}

static void
test_order_of_positions(void)
{
	const struct position old = {{1, 2}, 9}, new = {{2, 1}, 3};
	CU_ASSERT_TRUE(position_compare(old, new) < 0);
	CU_ASSERT_TRUE(position_compare(new, old) > 0);
	CU_ASSERT_TRUE(epoch_compare((struct epoch){1, 2}, (struct epoch){1, 3}) < 0);
	CU_ASSERT_EQUAL(position_compare(old, old), 0);
	CU_ASSERT_FALSE(position_equal(old, new));
}

static struct message
make_message(struct entry **entries, size_t count)
{
	return (struct message){
	    .kind = MSG_APPEND,
	    .from = 1,
	    .to = 2,
	    .epoch = {3, 1},
	    .incarnation = {{9}},
	    .boot = 11,
	    .peer_boot = 12,
	    .request = 13,
	    .prev = {{2, 1}, 4},
	    .last = {{3, 1}, 5},
	    .commit = {{2, 1}, 4},
	    .entries = entries,
	    .entry_count = count,
	};
}

static void
test_message_round_trip(void)
{
	struct entry *entries[] = {make_entry(5)};
	struct message m = make_message(entries, 1), d;
	struct buf bytes = {0};
	message_encode(&m, &bytes);
	CU_ASSERT_EQUAL_FATAL(message_decode(bytes.data, bytes.len, &d), 0);
	CU_ASSERT_EQUAL(d.kind, MSG_APPEND);
	CU_ASSERT_EQUAL(d.to, 2);
	CU_ASSERT_EQUAL(d.boot, 11);
	CU_ASSERT_EQUAL(d.peer_boot, 12);
	CU_ASSERT_EQUAL(d.request, 13);
	CU_ASSERT_TRUE(uuid_equal(&d.incarnation, &m.incarnation));
	CU_ASSERT_TRUE(position_equal(d.last, m.last));
	CU_ASSERT_TRUE(position_equal(d.commit, m.commit));
	CU_ASSERT_EQUAL_FATAL(d.entry_count, 1);
	check_same(d.entries[0], entries[0]);
	message_clear(&d);
	for (size_t len = 0; len < bytes.len; len++)
		CU_ASSERT_EQUAL(message_decode(bytes.data, len, &d), -1);
	buf_free(&bytes);
	entry_free(entries[0]);
}

static void
expect_refused(const struct message *m)
{
	struct message d;
	struct buf bytes = {0};
	message_encode(m, &bytes);
	CU_ASSERT_EQUAL(message_decode(bytes.data, bytes.len, &d), -1);
	CU_ASSERT_EQUAL(d.entry_count, 0);
	buf_free(&bytes);
}

static void
test_messages_that_make_no_sense(void)
{
	struct entry *entries[] = {make_entry(5)};
	struct message m = make_message(entries, 1);
	m.prev.seq = 3; /* the entry does not follow */
	expect_refused(&m);
	m = make_message(entries, 1);
	m.kind = MSG_APPENDED; /* carries none */
	expect_refused(&m);
	m = make_message(entries, 1);
	m.verdict = VERDICT_GAP; /* only answers have one */
	expect_refused(&m);
	m = make_message(NULL, 0);
	m.request = 0;
	expect_refused(&m);
	m = make_message(NULL, 0);
	m.kind = MSG_HANDED + 1;
	expect_refused(&m);
	entry_free(entries[0]);
}

void
register_entry(void)
{
	CU_pSuite suite = CU_add_suite("entry", NULL, NULL);
	CU_ADD_TEST(suite, test_entry_round_trip);
	CU_ADD_TEST(suite, test_a_changed_byte_is_noticed);
	CU_ADD_TEST(suite, test_entry_limits);
	CU_ADD_TEST(suite, test_order_of_positions);
	CU_ADD_TEST(suite, test_message_round_trip);
	CU_ADD_TEST(suite, test_messages_that_make_no_sense);
}
