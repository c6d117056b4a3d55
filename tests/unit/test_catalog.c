/* The catalog's rules on a real store: every result, every key touched, every row kept right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/hash.h"
#include "fcgi/catalog/catalog.h"
#include "fcgi/catalog/index.h"
#include "fcgi/catalog/seed.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suites.h"

static struct fixture f;
static struct machine machine;

/* ---- A small shop ---- */

static struct book
make_book(uint64_t id, const char *title, const char *topic, int64_t price, int64_t quantity)
{
	struct book b = {.id = id, .price = price, .quantity = quantity};
	snprintf(b.title, sizeof(b.title), "%s", title);
	snprintf(b.topic, sizeof(b.topic), "%s", topic);
	return b;
}

static void
set(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

static void
open_catalog(void)
{
	fixture_open_catalog(&f, &machine);
}

static void
close_catalog(void)
{
	catalog_free(machine.ctx);
	fixture_close(&f);
}

static struct catalog_answer
answer_for(uint64_t fingerprint)
{
	struct catalog_answer a;
	CU_ASSERT_EQUAL(
	    catalog_answer_decode(f.out.answer.data, f.out.answer.len, fingerprint, &a), 0);
	return a;
}

/* Runs one operation under a new id. */
static struct catalog_answer
run(uint8_t kind, struct buf *args)
{
	struct uuid id = uuid_random();
	CU_ASSERT_FALSE(fixture_run(&f, &machine, &id, kind, args));
	return answer_for(0);
}

static struct catalog_answer
import(const struct book *books, size_t count, bool replace)
{
	struct buf args = {0};
	catalog_op_import(&args, 0, replace, books, count);
	struct catalog_answer a = run(CATALOG_IMPORT, &args);
	buf_free(&args);
	return a;
}

static struct catalog_answer
change_stock(uint64_t id, int64_t change)
{
	struct buf args = {0};
	catalog_op_stock(&args, 0, false, id, change);
	struct catalog_answer a = run(CATALOG_STOCK, &args);
	buf_free(&args);
	return a;
}

static struct catalog_answer
change_price(uint64_t id, int64_t price, const int64_t *expected, size_t count)
{
	struct buf args = {0};
	catalog_op_price(&args, 0, false, id, price, expected, count);
	struct catalog_answer a = run(CATALOG_PRICE, &args);
	buf_free(&args);
	return a;
}

static struct catalog_answer
reserve(uint64_t id, uint32_t quantity)
{
	struct buf args = {0};
	catalog_op_reserve(&args, &(struct catalog_line){id, quantity}, 1);
	struct catalog_answer a = run(CATALOG_RESERVE, &args);
	buf_free(&args);
	return a;
}

/* Two books of nature, one of history. */
static void
open_shop(void)
{
	open_catalog();
	const struct book books[] = {make_book(1, "Trees", "Nature", 4500, 10),
	    make_book(2, "Stones", "nature", 1250, 0), make_book(3, "Rome", "History", 999, 5)};
	struct buf args = {0};
	catalog_op_seed(&args, books, 3);
	struct catalog_answer a = run(CATALOG_SEED, &args);
	CU_ASSERT_EQUAL(a.result, CATALOG_OK);
	CU_ASSERT_EQUAL(a.count, 3);
	buf_free(&args);
}

static struct book
look_up(uint64_t id)
{
	struct book b;
	CU_ASSERT_TRUE_FATAL(catalog_book(store_view(f.store), id, &b));
	return b;
}

/* ---- Searches and topics as text: "1 2 3 ", "History:1 Nature:2 " ---- */

static bool
add_id(void *arg, const struct book *b)
{
	buf_printf(arg, "%llu ", (unsigned long long)b->id);
	return true;
}

static void
check_search(const char *folded, uint64_t after, size_t limit, const char *want, bool want_more)
{
	struct buf ids = {0};
	bool more;
	catalog_search(store_view(f.store), folded, after, limit, &more, add_id, &ids);
	CU_ASSERT_STRING_EQUAL(buf_cstr(&ids), want);
	CU_ASSERT_EQUAL(more, want_more);
	buf_free(&ids);
}

static void
add_topic(void *arg, const char *topic, uint64_t books)
{
	buf_printf(arg, "%s:%llu ", topic, (unsigned long long)books);
}

static void
check_topics(const char *want)
{
	struct buf topics = {0};
	catalog_topics(store_view(f.store), add_topic, &topics);
	CU_ASSERT_STRING_EQUAL(buf_cstr(&topics), want);
	buf_free(&topics);
}

/* Exactly these keys were touched: the shelves, book's info, and each topic given, and the list of
 * topics. */
static void
check_keys(uint64_t id, const char *topic, const char *other_topic, bool topics)
{
	size_t want = 3 + (other_topic != NULL) + topics;
	CU_ASSERT_TRUE(fixture_touched(&f, catalog_key_shelves()));
	CU_ASSERT_TRUE(fixture_touched(&f, catalog_key_book(id)));
	CU_ASSERT_TRUE(fixture_touched(&f, catalog_key_topic(topic)));
	CU_ASSERT_TRUE(other_topic == NULL || fixture_touched(&f, catalog_key_topic(other_topic)));
	CU_ASSERT_EQUAL(fixture_touched(&f, catalog_key_topics()), topics);
	CU_ASSERT_EQUAL(fixture_touched_count(&f), want);
}

static void
check_refused(void)
{
	CU_ASSERT_EQUAL(fixture_touched_count(&f), 0);
}

/* ---- Tests ---- */

static void
test_seed(void)
{
	open_shop();
	struct book b = look_up(1);
	CU_ASSERT_STRING_EQUAL(b.title, "Trees");
	CU_ASSERT_EQUAL(b.quantity, 10);
	CU_ASSERT_EQUAL(b.stocked, 10);
	check_search("nature", 0, 100, "1 2 ", false);
	check_search("history", 0, 100, "3 ", false);
	check_search("hist", 0, 100, "", false);
	check_topics("History:1 Nature:2 ");
	CU_ASSERT_FALSE(catalog_book(store_view(f.store), 4, &b));
	close_catalog();
}

static void
test_price(void)
{
	open_shop();
	struct catalog_answer a = change_price(1, 100, NULL, 0);
	CU_ASSERT_EQUAL(a.result, CATALOG_OK);
	CU_ASSERT_EQUAL(a.book.price, 100);
	CU_ASSERT_STRING_EQUAL(a.book.title, "Trees");
	check_keys(1, "nature", NULL, false);
	CU_ASSERT_EQUAL(look_up(1).price, 100);

	const int64_t expected[] = {7, 100};
	CU_ASSERT_EQUAL(change_price(1, 200, expected, 2).result, CATALOG_OK);
	a = change_price(1, 300, expected, 2);
	CU_ASSERT_EQUAL(a.result, CATALOG_PRECONDITION);
	CU_ASSERT_EQUAL(a.book.price, 200);
	check_refused();
	CU_ASSERT_EQUAL(look_up(1).price, 200);
	CU_ASSERT_EQUAL(change_price(9, 300, NULL, 0).result, CATALOG_NO_BOOK);
	check_refused();
	close_catalog();
}

static void
test_stock(void)
{
	open_shop();
	struct catalog_answer a = change_stock(1, 5);
	CU_ASSERT_EQUAL(a.result, CATALOG_OK);
	CU_ASSERT_EQUAL(a.book.quantity, 15);
	CU_ASSERT_EQUAL(a.book.stocked, 15);
	check_keys(1, "nature", NULL, false);
	CU_ASSERT_EQUAL(change_stock(1, -15).book.quantity, 0);
	a = change_stock(3, -6);
	CU_ASSERT_EQUAL(a.result, CATALOG_INSUFFICIENT);
	CU_ASSERT_EQUAL(a.available, 5);
	check_refused();
	CU_ASSERT_EQUAL(change_stock(3, INT64_MIN).result, CATALOG_INSUFFICIENT);
	CU_ASSERT_EQUAL(change_stock(3, INT64_MAX).result, CATALOG_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(change_stock(3, BOOK_QUANTITY_MAX - 4).result, CATALOG_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(change_stock(3, BOOK_QUANTITY_MAX - 5).result, CATALOG_OK);
	CU_ASSERT_EQUAL(look_up(3).quantity, BOOK_QUANTITY_MAX);
	CU_ASSERT_EQUAL(change_stock(9, 1).result, CATALOG_NO_BOOK);
	close_catalog();
}

static void
test_reserve(void)
{
	open_shop();
	struct catalog_answer a = reserve(1, 3);
	CU_ASSERT_EQUAL(a.result, CATALOG_OK);
	CU_ASSERT_EQUAL(a.book.quantity, 7);
	CU_ASSERT_EQUAL(a.book.price, 4500);
	check_keys(1, "nature", NULL, false);
	struct book b = look_up(1);
	CU_ASSERT_EQUAL(b.quantity, 7);
	CU_ASSERT_EQUAL(b.stocked, 10);
	a = reserve(1, 8);
	CU_ASSERT_EQUAL(a.result, CATALOG_INSUFFICIENT);
	CU_ASSERT_EQUAL(a.available, 7);
	check_refused();
	CU_ASSERT_EQUAL(reserve(2, 1).result, CATALOG_SOLD_OUT);
	CU_ASSERT_EQUAL(reserve(9, 1).result, CATALOG_NO_BOOK);
	close_catalog();
}

struct total {
	int64_t reserved, count;
};

static bool
add_reservation(void *arg, const struct reservation *r)
{
	struct total *t = arg;
	t->count++;
	CU_ASSERT_EQUAL(r->count, 1);
	if (r->answer.result == CATALOG_OK && r->line[0].book_id == 1) {
		CU_ASSERT_EQUAL(r->sold[0].price, 4500);
		t->reserved += r->line[0].quantity;
	}
	return true;
}

/* Within a batch every decision counts; outside, nothing shows before the commit. */
static void
test_forty_buyers_in_one_batch(void)
{
	open_shop();
	struct buf args = {0};
	struct uuid id = {{0}};
	int sold = 0;
	for (int i = 0; i < 40; i++) {
		id.bytes[0] = (uint8_t)i;
		buf_clear(&args);
		catalog_op_reserve(&args, &(struct catalog_line){1, 1}, 1);
		fixture_decide(&f, &machine, &id, CATALOG_RESERVE, &args);
		enum catalog_result result = answer_for(0).result;
		CU_ASSERT_TRUE(result == CATALOG_OK || result == CATALOG_SOLD_OUT);
		sold += result == CATALOG_OK;
	}
	CU_ASSERT_EQUAL(look_up(1).quantity, 10);
	fixture_commit(&f);
	CU_ASSERT_EQUAL(sold, 10);
	CU_ASSERT_EQUAL(look_up(1).quantity, 0);

	struct total all = {0}, rest = {0};
	catalog_reservations(store_view(f.store), NULL, add_reservation, &all);
	CU_ASSERT_EQUAL(all.count, 40);
	struct book b = look_up(1);
	CU_ASSERT_EQUAL(b.quantity + all.reserved, b.stocked);
	id.bytes[0] = 29;
	catalog_reservations(store_view(f.store), &id, add_reservation, &rest);
	CU_ASSERT_EQUAL(rest.count, 10);
	buf_free(&args);
	close_catalog();
}

/* ---- Repeats ---- */

static void
test_a_repeated_reservation_is_one(void)
{
	open_shop();
	struct buf args = {0};
	struct uuid id = uuid_random(), none = uuid_random();
	for (int round = 0; round < 3; round++) {
		catalog_op_reserve(&args, &(struct catalog_line){1, 2}, 1);
		CU_ASSERT_EQUAL(fixture_run(&f, &machine, &id, CATALOG_RESERVE, &args), round > 0);
		CU_ASSERT_EQUAL(answer_for(0).result, CATALOG_OK);
		CU_ASSERT_EQUAL(answer_for(0).book.quantity, 8);
		catalog_op_reserve(&args, &(struct catalog_line){9, 2}, 1);
		CU_ASSERT_EQUAL(
		    fixture_run(&f, &machine, &none, CATALOG_RESERVE, &args), round > 0);
		CU_ASSERT_EQUAL(answer_for(0).result, CATALOG_NO_BOOK);
	}
	CU_ASSERT_EQUAL(look_up(1).quantity, 8);
	buf_free(&args);
	close_catalog();
}

static void
test_a_key_used_for_another_request(void)
{
	open_shop();
	struct buf args = {0};
	struct uuid id = uuid_random(), refused = uuid_random();
	catalog_op_stock(&args, 11, true, 1, 5);
	CU_ASSERT_FALSE(fixture_run(&f, &machine, &id, CATALOG_STOCK, &args));
	CU_ASSERT_EQUAL(answer_for(11).result, CATALOG_OK);
	catalog_op_stock(&args, 11, true, 1, 5);
	CU_ASSERT_TRUE(fixture_run(&f, &machine, &id, CATALOG_STOCK, &args));
	CU_ASSERT_EQUAL(answer_for(11).book.quantity, 15);
	catalog_op_price(&args, 12, true, 1, 5, NULL, 0);
	CU_ASSERT_TRUE(fixture_run(&f, &machine, &id, CATALOG_PRICE, &args));
	CU_ASSERT_EQUAL(answer_for(12).result, CATALOG_KEY_REUSED);
	CU_ASSERT_EQUAL(answer_for(0).result, CATALOG_OK);
	for (int round = 0; round < 2; round++) {
		catalog_op_stock(&args, 13, true, 9, 5);
		CU_ASSERT_EQUAL(
		    fixture_run(&f, &machine, &refused, CATALOG_STOCK, &args), round > 0);
		CU_ASSERT_EQUAL(answer_for(13).result, CATALOG_NO_BOOK);
	}
	CU_ASSERT_EQUAL(look_up(1).quantity, 15);
	buf_free(&args);
	close_catalog();
}

static bool
was_kept(const struct uuid *id)
{
	struct op *op = op_new(*id, 0, CATALOG_STOCK, NULL);
	struct buf answer = {0};
	bool kept = catalog_decided(machine.ctx, op, &answer);
	op_free(op);
	buf_free(&answer);
	return kept;
}

static void
run_kept(const struct uuid *id)
{
	struct buf args = {0};
	catalog_op_stock(&args, 1, true, 1, 1);
	CU_ASSERT_FALSE(fixture_run(&f, &machine, id, CATALOG_STOCK, &args));
	buf_free(&args);
}

static void
test_answers_are_forgotten_in_time(void)
{
	open_shop();
	struct uuid ids[10], later[3];
	for (int i = 0; i < 10; i++) {
		ids[i] = uuid_random();
		run_kept(&ids[i]);
		f.time_ms++;
	}
	f.time_ms += OPERATION_KEEP_MS - 10;
	later[0] = uuid_random();
	run_kept(&later[0]); /* the oldest are just not old enough */
	for (int i = 0; i < 10; i++)
		CU_ASSERT_TRUE(was_kept(&ids[i]));

	/* Two in one batch forget four each; the second goes on where the first stopped. */
	f.time_ms += 100;
	struct buf args = {0};
	catalog_op_stock(&args, 1, true, 1, 1);
	for (int i = 1; i < 3; i++) {
		later[i] = uuid_random();
		fixture_decide(&f, &machine, &later[i], CATALOG_STOCK, &args);
	}
	fixture_commit(&f);
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(was_kept(&ids[i]), i >= 8);
	run_kept(&(struct uuid){{1}});
	for (int i = 0; i < 3; i++)
		CU_ASSERT_TRUE(was_kept(&later[i]));
	CU_ASSERT_FALSE(was_kept(&ids[9]));
	buf_free(&args);
	close_catalog();
}

/* ---- Import ---- */

static void
test_import_keeps_the_stock(void)
{
	open_shop();
	reserve(1, 1);
	struct book again = make_book(1, "Trees", "nature", 1, 777);
	set(again.author, sizeof(again.author), "A. Forester");
	struct book books[] = {again, make_book(8, "Sparta", "history", 2, 3)};
	struct catalog_answer a = import(books, 2, false);
	CU_ASSERT_EQUAL(a.result, CATALOG_OK);
	CU_ASSERT_EQUAL(a.count, 2);
	CU_ASSERT_EQUAL(a.book.id, 0);
	CU_ASSERT_TRUE(fixture_touched(&f, catalog_key_book(8)));
	struct book b = look_up(1);
	CU_ASSERT_EQUAL(b.quantity, 9);
	CU_ASSERT_EQUAL(b.stocked, 10);
	CU_ASSERT_EQUAL(b.price, 1);
	CU_ASSERT_STRING_EQUAL(b.author, "A. Forester");
	CU_ASSERT_EQUAL(look_up(8).stocked, 3);
	check_topics("History:2 Nature:2 ");
	check_search("history", 0, 9, "3 8 ", false);
	close_catalog();
}

static void
test_import_is_all_or_nothing(void)
{
	open_shop();
	struct book books[] = {
	    make_book(8, "Sparta", "history", 2, 3), make_book(3, "Athens", "history", 2, 3)};
	struct catalog_answer a = import(books, 2, false);
	CU_ASSERT_EQUAL(a.result, CATALOG_CONFLICT);
	CU_ASSERT_EQUAL(a.book.id, 3);
	CU_ASSERT_STRING_EQUAL(a.book.title, "Rome");
	check_refused();
	struct book b;
	CU_ASSERT_FALSE(catalog_book(store_view(f.store), 8, &b));
	CU_ASSERT_EQUAL(import(books, 2, true).result, CATALOG_OK);
	CU_ASSERT_STRING_EQUAL(look_up(3).title, "Athens");
	CU_ASSERT_EQUAL(look_up(3).quantity, 5);

	/* The same id twice in one chunk. */
	struct book twice[] = {make_book(20, "One", "x", 1, 1), make_book(20, "Two", "y", 1, 4)};
	CU_ASSERT_EQUAL(import(twice, 2, false).result, CATALOG_CONFLICT);
	CU_ASSERT_EQUAL(import(twice, 2, true).result, CATALOG_OK);
	CU_ASSERT_EQUAL(look_up(20).quantity, 1);
	check_topics("History:2 Nature:2 y:1 ");
	close_catalog();
}

static void
test_a_book_moves_to_another_topic(void)
{
	open_shop();
	struct book moved = make_book(1, "Trees", "HISTORY", 4500, 0);
	CU_ASSERT_EQUAL(import(&moved, 1, false).result, CATALOG_OK);
	check_keys(1, "nature", "history", true);
	check_search("nature", 0, 9, "2 ", false);
	check_search("history", 0, 9, "1 3 ", false);
	check_topics("History:2 Nature:1 "); /* named by its first book */
	CU_ASSERT_STRING_EQUAL(look_up(1).topic, "HISTORY");

	/* The last book of a topic takes it away; the next first one names it anew. */
	moved = make_book(2, "Stones", "history", 4500, 0);
	import(&moved, 1, false);
	check_topics("History:3 ");
	check_search("nature", 0, 9, "", false);
	set(moved.topic, sizeof(moved.topic), "NATURE");
	import(&moved, 1, false);
	check_topics("History:2 NATURE:1 ");

	/* Same topic, other spelling: not a move. */
	moved = make_book(2, "Stones", "nature", 4500, 0);
	import(&moved, 1, false);
	check_keys(2, "nature", NULL, false);
	check_topics("History:2 NATURE:1 ");
	close_catalog();
}

/* Different words of `letters` letters, as many as fit, another set for each `seed`. */
static void
fill_words(char *out, size_t size, size_t letters, unsigned seed)
{
	size_t at = 0;
	for (unsigned word = seed; at + letters + 1 < size; word++) {
		unsigned rest = word;
		for (size_t i = 0; i < letters; i++, rest /= 26)
			out[at++] = (char)('a' + rest % 26);
		out[at++] = ' ';
	}
	out[at] = '\0';
}

/* The longest books there can be, each in a block of its own, all moving, and with none of the
 * words they had: still one entry that fits. */
static void
test_the_largest_chunk_fits_an_entry(void)
{
	open_catalog();
	static struct book books[CATALOG_IMPORT_MAX];
	for (size_t i = 0; i < CATALOG_IMPORT_MAX; i++) {
		struct book *b = &books[i];
		*b = make_book(INDEX_BLOCK * (i + 1), "", "", BOOK_PRICE_MAX, BOOK_QUANTITY_MAX);
		fill_words(b->title, BOOK_TITLE_SIZE, WORD_SIZE, 0);
		fill_words(b->author, BOOK_AUTHOR_SIZE, WORD_SIZE, 1000);
		for (size_t at = 0; at + 2 < BOOK_TOPIC_SIZE;
		     at += 2) /* folds to three times its size */
			memcpy(b->topic + at, "\xce\x90", 2);
		char number[8];
		int len = snprintf(number, sizeof(number), "%zu", i);
		memcpy(b->topic, number, (size_t)len + (size_t)len % 2);
		if (len % 2 == 1)
			b->topic[len] = '-';
		CU_ASSERT_PTR_NULL(book_problem(b));
	}
	CU_ASSERT_EQUAL(import(books, CATALOG_IMPORT_MAX, false).result, CATALOG_OK);
	for (size_t i = 0; i < CATALOG_IMPORT_MAX; i++) {
		memcpy(books[i].topic + 6, "\xce\xb0", 2);
		fill_words(books[i].title, BOOK_TITLE_SIZE, WORD_SIZE, 2000);
		fill_words(books[i].author, BOOK_AUTHOR_SIZE, WORD_SIZE, 3000);
	}
	CU_ASSERT_EQUAL(import(books, CATALOG_IMPORT_MAX, true).result, CATALOG_OK);
	CU_ASSERT_TRUE(fixture_touched_count(&f) == 3 * CATALOG_IMPORT_MAX + 2);
	close_catalog();
}

/* ---- Books that come and go ---- */

static struct catalog_answer
add_book(const struct book *b)
{
	struct buf args = {0};
	catalog_op_add(&args, 0, false, b);
	struct catalog_answer a = run(CATALOG_ADD, &args);
	buf_free(&args);
	return a;
}

static struct catalog_answer
withdraw(uint64_t id, const uint64_t *expected, size_t count)
{
	struct buf args = {0};
	catalog_op_withdraw(&args, 0, false, id, expected, count);
	struct catalog_answer a = run(CATALOG_WITHDRAW, &args);
	buf_free(&args);
	return a;
}

static void
test_a_book_is_added(void)
{
	open_shop();
	struct book b = make_book(0, "Athens", "History", 700, 4);
	struct catalog_answer a = add_book(&b);
	CU_ASSERT_EQUAL(a.result, CATALOG_OK);
	CU_ASSERT_EQUAL(a.book.id, 4);
	CU_ASSERT_EQUAL(a.book.stocked, 4);
	check_keys(4, "history", NULL, true);
	check_search("history", 0, 9, "3 4 ", false);

	b.id = 3;
	a = add_book(&b);
	CU_ASSERT_EQUAL(a.result, CATALOG_CONFLICT);
	CU_ASSERT_EQUAL(a.book.id, 3);
	check_refused();

	b.id = 50;
	CU_ASSERT_EQUAL(add_book(&b).result, CATALOG_OK);
	b.id = 0;
	CU_ASSERT_EQUAL(add_book(&b).book.id, 51);
	CU_ASSERT_EQUAL(withdraw(51, NULL, 0).result, CATALOG_OK);
	CU_ASSERT_EQUAL(add_book(&b).book.id, 52); /* no id is ever given twice */

	b.id = BOOK_ID_MAX;
	CU_ASSERT_EQUAL(add_book(&b).result, CATALOG_OK);
	b.id = 0;
	CU_ASSERT_EQUAL(add_book(&b).result, CATALOG_OUT_OF_RANGE);
	close_catalog();
}

/* Two in one batch get two ids. */
static void
test_books_added_in_one_batch(void)
{
	open_shop();
	struct book b = make_book(0, "Athens", "History", 700, 4);
	struct buf args = {0};
	catalog_op_add(&args, 0, false, &b);
	for (unsigned i = 0; i < 2; i++) {
		struct uuid id = uuid_random();
		fixture_decide(&f, &machine, &id, CATALOG_ADD, &args);
		CU_ASSERT_EQUAL(answer_for(0).book.id, 4 + i);
	}
	fixture_commit(&f);
	check_search("history", 0, 9, "3 4 5 ", false);
	buf_free(&args);
	close_catalog();
}

static void
test_a_book_is_withdrawn(void)
{
	open_shop();
	struct book b = look_up(3);
	reserve(3, 2);
	uint64_t expected[] = {0, catalog_tag(&b)};
	struct catalog_answer a = withdraw(3, expected, 2);
	CU_ASSERT_EQUAL(a.result, CATALOG_PRECONDITION);
	CU_ASSERT_EQUAL(a.book.quantity, 3);
	check_refused();
	expected[0] = catalog_tag(&a.book);
	a = withdraw(3, expected, 2);
	CU_ASSERT_EQUAL(a.result, CATALOG_OK);
	CU_ASSERT_STRING_EQUAL(a.book.title, "Rome");
	check_keys(3, "history", NULL, true);
	CU_ASSERT_FALSE(catalog_book(store_view(f.store), 3, &b));
	check_search("history", 0, 9, "", false);
	check_topics("Nature:2 ");
	CU_ASSERT_EQUAL(reserve(3, 1).result, CATALOG_NO_BOOK);
	CU_ASSERT_EQUAL(withdraw(3, NULL, 0).result, CATALOG_NO_BOOK);

	/* What was sold of it is not forgotten, so that orders and books go on adding up. */
	CU_ASSERT_TRUE(catalog_withdrawn(store_view(f.store), 3, &b));
	CU_ASSERT_EQUAL(b.quantity, 0);
	CU_ASSERT_EQUAL(b.stocked, 2);
	struct book again = make_book(3, "Rome", "History", 100, 7);
	CU_ASSERT_EQUAL(add_book(&again).result, CATALOG_OK);
	CU_ASSERT_EQUAL(look_up(3).quantity, 7);
	CU_ASSERT_EQUAL(look_up(3).stocked, 9);
	CU_ASSERT_FALSE(catalog_withdrawn(store_view(f.store), 3, &b));
	withdraw(3, NULL, 0);
	CU_ASSERT_EQUAL(import(&again, 1, false).result, CATALOG_OK);
	CU_ASSERT_EQUAL(look_up(3).stocked, 9);
	close_catalog();
}

/* ---- Many books ---- */

static bool
count_book(void *arg, const struct book *b)
{
	uint64_t *last = arg;
	CU_ASSERT_EQUAL(b->id, *last + 1);
	*last = b->id;
	return b->id != 3500;
}

static bool
keep_last(void *arg, const struct book *b)
{
	uint64_t *last = arg;
	CU_ASSERT_EQUAL(b->id, *last + 1);
	*last = b->id;
	return true;
}

static void
test_pages_of_a_large_topic(void)
{
	open_catalog();
	enum { BOOKS = 5000 };
	static struct book books[CATALOG_IMPORT_MAX];
	for (uint64_t id = 1; id <= BOOKS; id += CATALOG_IMPORT_MAX) {
		for (uint64_t i = 0; i < CATALOG_IMPORT_MAX; i++)
			books[i] = make_book(id + i, "Title", "Fiction", 100, 1);
		CU_ASSERT_EQUAL(import(books, CATALOG_IMPORT_MAX, false).count, CATALOG_IMPORT_MAX);
	}
	CU_ASSERT_EQUAL(fixture_touched_count(&f), CATALOG_IMPORT_MAX + 3);
	check_topics("Fiction:5000 ");

	uint64_t last = 0;
	for (bool more = true; more;) {
		uint64_t before = last;
		size_t count = catalog_search(
		    store_view(f.store), "fiction", last, 300, &more, keep_last, &last);
		CU_ASSERT_EQUAL(count, last - before);
		CU_ASSERT_EQUAL(count, more ? 300 : BOOKS % 300);
	}
	CU_ASSERT_EQUAL(last, BOOKS);
	check_search("fiction", 4998, 2, "4999 5000 ", false);
	check_search("fiction", 4997, 2, "4998 4999 ", true);
	last = 3000;
	catalog_books(store_view(f.store), last, count_book, &last);
	CU_ASSERT_EQUAL(last, 3500);
	close_catalog();
}

/* ---- What is a book; what is an answer; the authority ---- */

static void
test_book_problem(void)
{
	struct book good = make_book(1, "T", "topic", 1, 0), b = good;
	CU_ASSERT_PTR_NULL(book_problem(&b));
	b.id = 0;
	CU_ASSERT_PTR_NOT_NULL(book_problem(&b));
	b.id = BOOK_ID_MAX + 1;
	CU_ASSERT_PTR_NOT_NULL(book_problem(&b));
	const char *const bad[] = {"", "a\nb", "\xff", "a\x7f"};
	for (size_t i = 0; i < 4; i++) {
		b = good;
		set(b.title, sizeof(b.title), bad[i]);
		CU_ASSERT_PTR_NOT_NULL(book_problem(&b));
		b = good;
		set(b.topic, sizeof(b.topic), bad[i]);
		CU_ASSERT_PTR_NOT_NULL(book_problem(&b));
		b = good;
		set(b.author, sizeof(b.author), bad[i]);
		CU_ASSERT_EQUAL(book_problem(&b) == NULL, i == 0);
	}
	const int64_t prices[] = {-1, 0, BOOK_PRICE_MAX + 1};
	const int64_t quantities[] = {-1, BOOK_QUANTITY_MAX + 1, INT64_MIN};
	for (size_t i = 0; i < 3; i++) {
		b = good;
		b.price = prices[i];
		CU_ASSERT_PTR_NOT_NULL(book_problem(&b));
		b = good;
		b.quantity = quantities[i];
		CU_ASSERT_PTR_NOT_NULL(book_problem(&b));
	}
}

static void
test_malformed_answers(void)
{
	open_shop();
	change_stock(1, 1);
	struct catalog_answer a;
	for (size_t len = 0; len < f.out.answer.len; len++)
		CU_ASSERT_EQUAL(catalog_answer_decode(f.out.answer.data, len, 0, &a), -1);
	buf_u8(&f.out.answer, 0);
	CU_ASSERT_EQUAL(catalog_answer_decode(f.out.answer.data, f.out.answer.len, 0, &a), -1);
	close_catalog();
}

static void
test_keys(void)
{
	CU_ASSERT_EQUAL(catalog_key_book(12), hash64("info:12", 7));
	CU_ASSERT_EQUAL(catalog_key_topic("nature"), hash64("search:nature", 13));
	CU_ASSERT_EQUAL(catalog_key_topics(), hash64("topics", 6));
	CU_ASSERT_EQUAL(catalog_key_shelves(), hash64("shelves", 7));
}

/* Beside this test program: build/tests/unit, build/bazar-init. */
static void
init_path(char *out, size_t size)
{
	char self[256] = "";
	CU_ASSERT_FATAL(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	for (int up = 0; up < 2; up++)
		*strrchr(self, '/') = '\0';
	snprintf(out, size, "%s/bazar-init", self);
}

static void
test_first_contents_come_from_sql(void)
{
	char init[300], path[] = "/tmp/bazar-seed-XXXXXX", command[400], error[300] = "";
	int fd = mkstemp(path);
	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	init_path(init, sizeof(init));
	snprintf(command, sizeof(command), "'%s' >%s", init, path);
	CU_ASSERT_EQUAL(system(command), 0);
	struct book *books;
	size_t count;
	CU_ASSERT_EQUAL(seed_load(path, &books, &count, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL_FATAL(count, 7);
	CU_ASSERT_STRING_EQUAL(
	    books[0].title, "How to get a good grade in DOS in 40 minutes a day");
	CU_ASSERT_STRING_EQUAL(books[6].topic, "nature");
	CU_ASSERT_EQUAL(books[6].price, 4500);
	CU_ASSERT_EQUAL(books[6].quantity, 100);
	free(books);
	unlink(path);
}

static void
check_seed_error(const char *json, const char *want)
{
	char path[] = "/tmp/bazar-seed-XXXXXX", error[300] = "";
	int fd = mkstemp(path);
	CU_ASSERT_EQUAL(write(fd, json, strlen(json)), (ssize_t)strlen(json));
	close(fd);
	struct book *books;
	size_t count;
	CU_ASSERT_EQUAL(seed_load(path, &books, &count, error, sizeof(error)), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, want));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, path));
	unlink(path);
}

static void
test_bad_first_contents(void)
{
	check_seed_error("", "line 1");
	check_seed_error("{\"books\":[]}", "1 to 100 books");
	check_seed_error("{\"books\":[{\"id\":1}]}", "book 1: it needs id");
	check_seed_error("{\"books\":[{\"id\":1,\"title\":\"t\",\"author\":\"\",\"topic\":\"x\","
			 "\"price\":0,\"quantity\":1}]}",
	    "book 1: price must be");
}

/* The schema is the authority; the constants in catalog.h must say the same. */
static const struct {
	const char *before;
	long long limit;
} limits[] = {
    {"length(CAST(title AS BLOB)) BETWEEN 1 AND ", BOOK_TITLE_SIZE - 1},
    {"length(CAST(author AS BLOB)) <= ", BOOK_AUTHOR_SIZE - 1},
    {"length(CAST(topic AS BLOB)) BETWEEN 1 AND ", BOOK_TOPIC_SIZE - 1},
    {"id BETWEEN 1 AND ", BOOK_ID_MAX},
    {"price BETWEEN 1 AND ", BOOK_PRICE_MAX},
    {"quantity BETWEEN 0 AND ", BOOK_QUANTITY_MAX},
    {"quantity BETWEEN 1 AND ", BUY_QUANTITY_MAX},
};

static void
test_limits_agree_with_schema(void)
{
	struct buf schema = {0}, want = {0};
	char block[1024];
	FILE *file = fopen("sql/schema.sql", "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	for (size_t n; (n = fread(block, 1, sizeof(block), file)) > 0;)
		buf_add(&schema, block, n);
	fclose(file);
	const char *text = buf_cstr(&schema);
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		buf_clear(&want);
		buf_printf(&want, "%s%lld)", limits[i].before, limits[i].limit);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, buf_cstr(&want)));
	}
	buf_free(&schema);
	buf_free(&want);
}

void
register_catalog(void)
{
	CU_TestInfo tests[] = {
	    {"first contents", test_seed},
	    {"prices, with and without If-Match", test_price},
	    {"stock stays in range", test_stock},
	    {"reservations", test_reserve},
	    {"40 buyers of 10 copies in one batch", test_forty_buyers_in_one_batch},
	    {"a repeated reservation is one", test_a_repeated_reservation_is_one},
	    {"a key used for another request", test_a_key_used_for_another_request},
	    {"kept answers are forgotten in time", test_answers_are_forgotten_in_time},
	    {"import leaves existing stock alone", test_import_keeps_the_stock},
	    {"import is all or nothing", test_import_is_all_or_nothing},
	    {"a book moves to another topic", test_a_book_moves_to_another_topic},
	    {"the largest chunk fits an entry", test_the_largest_chunk_fits_an_entry},
	    {"a book is added", test_a_book_is_added},
	    {"books added in one batch", test_books_added_in_one_batch},
	    {"a book is withdrawn", test_a_book_is_withdrawn},
	    {"pages of a topic with 5,000 books", test_pages_of_a_large_topic},
	    {"what is a book", test_book_problem},
	    {"malformed answers", test_malformed_answers},
	    {"keys", test_keys},
	    {"first contents come from sql/", test_first_contents_come_from_sql},
	    {"bad first contents", test_bad_first_contents},
	    {"limits agree with schema.sql", test_limits_agree_with_schema},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "catalog", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
