/* Words, and looking through all books: against a search that reads every book, on a real store. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/catalog/find.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suites.h"

static struct fixture f;
static struct machine machine;

static void
open_shelves(void)
{
	fixture_open_catalog(&f, &machine);
}

static void
close_shelves(void)
{
	catalog_free(machine.ctx);
	fixture_close(&f);
}

static struct book
make_book(uint64_t id, const char *title, const char *author, int64_t price, int64_t quantity)
{
	struct book b = {.id = id, .price = price, .quantity = quantity};
	snprintf(b.title, sizeof(b.title), "%s", title);
	snprintf(b.author, sizeof(b.author), "%s", author);
	snprintf(b.topic, sizeof(b.topic), "Topic %llu", (unsigned long long)id % 3);
	return b;
}

static void
run(uint8_t kind, struct buf *args)
{
	struct uuid id = uuid_random();
	fixture_run(&f, &machine, &id, kind, args);
	buf_free(args);
}

static void
put(const struct book *books, size_t count)
{
	struct buf args = {0};
	catalog_op_import(&args, 0, true, books, count);
	run(CATALOG_IMPORT, &args);
}

static void
withdraw(uint64_t id)
{
	struct buf args = {0};
	catalog_op_withdraw(&args, 0, false, id, NULL, 0);
	run(CATALOG_WITHDRAW, &args);
}

/* ---- Words ---- */

static void
check_words(const char *text, const char *want, bool open)
{
	struct words words;
	struct buf got = {0};
	words_of_text(text, WORDS_MAX, &words);
	for (size_t i = 0; i < words.count; i++)
		buf_printf(&got, "%s ", words.word[i].text);
	CU_ASSERT_STRING_EQUAL(buf_cstr(&got), want);
	CU_ASSERT_EQUAL(words.open, open);
	buf_free(&got);
}

static void
test_words_are_folded(void)
{
	check_words("", "", false);
	check_words(" ?! ", "", false);
	check_words("Harry Pot", "harry pot ", true);
	check_words("harry pot ", "harry pot ", false);
	check_words("harry, HARRY", "harry ", true);
	check_words("pot harry pot", "pot harry ", false);
	check_words("Bront\xc3\xab, Stra\xc3\x9f"
		    "e",
	    "bronte strasse ", true);
	check_words("Bronte\xcc\x88", "bronte ", true); /* the same, decomposed */
	check_words("\xef\xac\x81sh \xef\xbc\xb1", "fish q ", true);
	check_words("\xce\x9f\xce\x94\xce\xa5\xce\xa3\xce\xa3\xce\x95\xce\xa5\xce\xa3",
	    "\xce\xbf\xce\xb4\xcf\x85\xcf\x83\xcf\x83\xce\xb5\xcf\x85\xcf\x83 ", true);
	check_words("\xff", "", false);
}

static void
test_words_are_joined(void)
{
	check_words("Sorcerer's Stone", "sorcerers stone ", true);
	check_words("Sorcerer\xe2\x80\x99s 'quoted'", "sorcerers quoted ", false);
	check_words("J.K. Rowling", "jk rowling ", true);
	check_words("J.R.R.Tolkien", "jrrtolkien ", true);
	check_words("St. Clair vol.2 a+b", "st clair vol 2 a b ", true);
	check_words("catch-22, 1984", "catch 22 1984 ", true);
}

static void
test_words_are_bounded(void)
{
	char text[2000] = "";
	struct words words;
	for (int i = 0; i < 100; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "w%d ", i);
	words_of_text(text, 5, &words);
	CU_ASSERT_EQUAL(words.count, 5);
	CU_ASSERT_FALSE(words.open);
	struct book b = make_book(1, "", "Last Author", 1, 1);
	snprintf(b.title, sizeof(b.title), "%.500s", text);
	words_of_book(&b, &words);
	CU_ASSERT_EQUAL(words.count, WORDS_TITLE + 2);
	CU_ASSERT_PTR_NOT_NULL(words_find(&words, "author"));
	/* 12 letters of two bytes; no half of one. */
	text[0] = 'o';
	text[1] = '\0';
	for (int i = 0; i < 40; i++)
		strcat(text, "\xc3\xb8");
	words_of_text(text, 5, &words);
	CU_ASSERT_EQUAL(strlen(words.word[0].text), WORD_SIZE - 2);
}

static void
test_words_have_weights(void)
{
	struct words w;
	struct book b = make_book(1, "The Stand of the King", "Stephen King", 1, 1);
	words_of_book(&b, &w);
	CU_ASSERT_EQUAL(words_find(&w, "the")->weight, WORD_WEIGHT_TITLE + WORD_WEIGHT_FIRST);
	CU_ASSERT_EQUAL(words_find(&w, "king")->weight, WORD_WEIGHT_TITLE);
	CU_ASSERT_EQUAL(words_find(&w, "stephen")->weight, WORD_WEIGHT_AUTHOR);
	b = make_book(1, "Dune Messiah", "", 1, 1);
	words_of_book(&b, &w);
	CU_ASSERT_EQUAL(words_find(&w, "messiah")->weight, WORD_WEIGHT_TITLE + WORD_WEIGHT_SHORT);
	b = make_book(1, "It", "", 1, 1);
	words_of_book(&b, &w);
	CU_ASSERT_EQUAL(words_find(&w, "it")->weight, WORD_WEIGHT_WHOLE);
}

/* ---- Finding ---- */

static struct find
question(const char *words, size_t limit)
{
	struct find q = {.most = BOOK_PRICE_MAX, .limit = limit};
	words_of_text(words, FIND_WORDS, &q.words);
	q.sort = q.words.count > 0 ? FIND_BY_RELEVANCE : FIND_BY_ID;
	return q;
}

struct list {
	uint64_t ids[40000];
	size_t count;
};

static void
add(void *arg, const struct book *b)
{
	struct list *l = arg;
	CU_ASSERT_TRUE_FATAL(l->count < 40000);
	l->ids[l->count++] = b->id;
}

/* All pages, each place going through its bytes as it does through a client. Returns how many. */
static size_t
find_all(struct find q, struct list *l, struct found *first)
{
	struct found found = {.more = true};
	size_t pages = 0;
	l->count = 0;
	for (; found.more; pages++) {
		struct buf place = {0};
		found = catalog_find(store_view(f.store), &q, add, l);
		CU_ASSERT_TRUE(found.count <= q.limit);
		if (pages == 0)
			*first = found;
		find_place_encode(&place, q.sort, &found.next);
		CU_ASSERT_EQUAL(
		    find_place_decode(place.data, place.len, q.sort, &q.from), found.more);
		buf_free(&place);
		CU_ASSERT_TRUE_FATAL(pages < 10000);
	}
	return pages;
}

static void
check_found(struct find q, const char *want)
{
	static struct list l;
	struct found first;
	struct buf got = {0};
	for (q.limit = 1; q.limit < 5; q.limit++) {
		buf_clear(&got);
		find_all(q, &l, &first);
		for (size_t i = 0; i < l.count; i++)
			buf_printf(&got, "%llu ", (unsigned long long)l.ids[i]);
		CU_ASSERT_STRING_EQUAL(buf_cstr(&got), want);
		if (q.words.count > 0) {
			CU_ASSERT_TRUE(first.counted);
			CU_ASSERT_EQUAL(first.total, l.count);
		}
	}
	buf_free(&got);
}

static void
check_query(const char *words, const char *want)
{
	check_found(question(words, 1), want);
}

static void
open_library(void)
{
	const struct book books[] = {make_book(1, "The King of Elfland", "Lord Dunsany", 900, 1),
	    make_book(2, "It", "Stephen King", 800, 0),
	    make_book(3, "King", "J.K. Rowling", 700, 2),
	    make_book(40, "Kingdom Come", "Bront\xc3\xab", 600, 3),
	    make_book(70, "King Lear", "", 500, 4),
	    make_book(BOOK_ID_MAX, "It Ends", "Anne King", 400, 5)};
	open_shelves();
	put(books, 6);
}

static void
test_all_words_must_match(void)
{
	open_library();
	check_query("king", "3 70 40 1 2 999999999999999999 ");
	check_query("king ", "3 70 1 2 999999999999999999 ");
	check_query("KIN", "3 40 70 1 2 999999999999999999 ");
	check_query("king l", "70 1 ");
	check_query("l king ", "");
	check_query("it king", "2 999999999999999999 ");
	check_query("jk row", "3 ");
	check_query("bronte", "40 ");
	check_query("zebra king", "");
	check_query("", "1 2 3 40 70 999999999999999999 ");
	close_shelves();
}

static void
test_filters(void)
{
	open_library();
	struct find q = question("", 1);
	q.topic = "topic 1";
	check_found(q, "1 40 70 ");
	q.least = 600;
	check_found(q, "1 40 ");
	q.most = 899;
	check_found(q, "40 ");
	q = question("king", 1);
	q.topic = "topic 1";
	check_found(q, "70 40 1 ");
	q.most = 600;
	check_found(q, "70 40 ");
	q = question("it king", 1);
	q.in_stock = true;
	check_found(q, "999999999999999999 ");
	q.topic = "no such";
	check_found(q, "");
	close_shelves();
}

static void
test_orders(void)
{
	open_library();
	struct find q = question("", 1);
	q.sort = FIND_BY_PRICE;
	check_found(q, "999999999999999999 70 40 3 2 1 ");
	q.sort = FIND_BY_PRICE_DOWN;
	check_found(q, "1 2 3 40 70 999999999999999999 ");
	q.sort = FIND_BY_TITLE;
	check_found(q, "2 999999999999999999 3 70 40 1 ");
	q = question("king", 1);
	q.sort = FIND_BY_TITLE;
	check_found(q, "2 999999999999999999 3 70 40 1 ");
	q.sort = FIND_BY_ID;
	check_found(q, "1 2 3 40 70 999999999999999999 ");
	close_shelves();
}

/* Folded, and the same whether a letter is one code point or two. */
static void
test_titles_are_ordered(void)
{
	const struct book books[] = {make_book(1, "\xc3\x89mile", "", 1, 1),
	    make_book(2, "E\xcc\x81mile", "", 1, 1), make_book(3, "zebra", "", 1, 1),
	    make_book(4, "ABC", "", 1, 1), make_book(5, "abd", "", 1, 1),
	    make_book(6, "abb", "", 1, 1)};
	open_shelves();
	put(books, 6);
	struct find q = question("", 1);
	q.sort = FIND_BY_TITLE;
	check_found(q, "6 4 5 3 1 2 ");
	close_shelves();
}

static void
test_the_index_follows(void)
{
	open_library();
	struct book b = make_book(3, "Queen", "King", 700, 0);
	put(&b, 1);
	check_query("queen", "3 ");
	check_query("rowling", "");
	check_query("king ", "70 1 2 3 999999999999999999 ");
	withdraw(70);
	check_query("king ", "1 2 3 999999999999999999 ");
	check_query("lear", "");
	b = make_book(70, "Lear", "", 1, 1);
	put(&b, 1);
	check_query("lear", "70 ");
	close_shelves();
}

/* ---- Against a search that reads every book ---- */

static struct find asked;
struct naive {
	struct book book[512];
	unsigned score[512];
	size_t count;
};

static unsigned
naive_score(const struct words *have, const char *word, bool open)
{
	unsigned best = 0;
	for (size_t i = 0; i < have->count; i++) {
		const struct word *w = &have->word[i];
		unsigned value = 2u * w->weight + (strcmp(w->text, word) == 0);
		bool hit =
		    open ? strncmp(w->text, word, strlen(word)) == 0 : strcmp(w->text, word) == 0;
		if (hit && value > best)
			best = value;
	}
	return best;
}

static bool
naive_book(void *arg, const struct book *b)
{
	struct naive *n = arg;
	struct words have;
	char folded[BOOK_TOPIC_FOLDED_SIZE];
	unsigned total = 0;
	words_of_book(b, &have);
	text_fold(b->topic, strlen(b->topic), folded, sizeof(folded));
	for (size_t i = 0; i < asked.words.count; i++) {
		bool open = asked.words.open && i == asked.words.count - 1;
		unsigned score = naive_score(&have, asked.words.word[i].text, open);
		if (score == 0)
			return true;
		total += score;
	}
	if (b->price < asked.least || b->price > asked.most ||
	    (asked.in_stock && b->quantity == 0) ||
	    (asked.topic != NULL && strcmp(asked.topic, folded) != 0))
		return true;
	n->book[n->count] = *b;
	n->score[n->count++] = total;
	return true;
}

/* Whether book i comes before book j. */
static bool
naive_before(const struct naive *n, size_t i, size_t j)
{
	const struct book *a = &n->book[i], *b = &n->book[j];
	int title = strcasecmp(a->title, b->title);
	if (asked.sort == FIND_BY_RELEVANCE && n->score[i] != n->score[j])
		return n->score[i] > n->score[j];
	if (asked.sort == FIND_BY_PRICE && a->price != b->price)
		return a->price < b->price;
	if (asked.sort == FIND_BY_PRICE_DOWN && a->price != b->price)
		return a->price > b->price;
	if (asked.sort == FIND_BY_TITLE && title != 0)
		return title < 0;
	return a->id < b->id;
}

static void
compare_with_naive(void)
{
	static struct naive n;
	static struct list l;
	struct found first;
	n.count = 0;
	catalog_books(store_view(f.store), 0, naive_book, &n);
	find_all(asked, &l, &first);
	CU_ASSERT_EQUAL_FATAL(l.count, n.count);
	for (size_t i = 0; i < n.count; i++) {
		size_t before = 0;
		for (size_t j = 0; j < n.count; j++)
			before += j != i && naive_before(&n, j, i);
		CU_ASSERT_EQUAL(l.ids[before], n.book[i].id);
	}
}

static unsigned
any(unsigned below)
{
	return (unsigned)rand() % below;
}

/* Words that are beginnings of each other. */
static void
random_words(char *out, size_t size, unsigned most)
{
	static const char *const vocabulary[] = {
	    "a", "ab", "abc", "abd", "b", "ba", "bab", "king", "kings", "kingdom", "zoo"};
	out[0] = '\0';
	for (unsigned i = any(most + 1); i > 0; i--)
		snprintf(out + strlen(out), size - strlen(out), "%s%s",
		    vocabulary[any(sizeof(vocabulary) / sizeof(*vocabulary))], i > 1 ? " " : "");
}

static void
random_change(void)
{
	struct book books[8];
	for (size_t i = 0; i < 8; i++) {
		books[i] = make_book(1 + any(300), "Z", "", 1 + any(9), any(3));
		random_words(books[i].title + 1, sizeof(books[i].title) - 1, 5);
		random_words(books[i].author, sizeof(books[i].author), 2);
	}
	put(books, 8);
	for (int i = 0; i < 2; i++)
		withdraw(1 + any(300));
}

static void
test_random_searches(void)
{
	char words[64];
	srand(4);
	open_shelves();
	for (int round = 0; round < 300; round++) {
		random_change();
		random_words(words, sizeof(words), 3);
		if (any(2) == 0)
			strcat(words, " ");
		asked = question(words, 1 + any(20));
		if (any(2) == 0)
			asked.sort = (enum find_sort)any(FIND_BY_PRICE_DOWN + 1);
		if (any(4) == 0)
			asked.topic = "topic 2";
		if (any(4) == 0)
			asked.least = any(5);
		if (any(4) == 0)
			asked.most = 3 + any(5);
		asked.in_stock = any(4) == 0;
		compare_with_naive();
	}
	close_shelves();
}

/* ---- More than one request looks at ---- */

#define MANY 20000

static void
open_warehouse(void)
{
	static struct book books[CATALOG_IMPORT_MAX];
	char title[64];
	open_shelves();
	for (uint64_t id = 1; id <= MANY; id += CATALOG_IMPORT_MAX) {
		for (uint64_t i = 0; i < CATALOG_IMPORT_MAX; i++) {
			snprintf(title, sizeof(title), "Common book n%" PRIu64, id + i);
			books[i] =
			    make_book(id + i, title, "Everybody", (int64_t)(1 + (id + i) % 7), 1);
		}
		put(books, CATALOG_IMPORT_MAX);
	}
}

/* Every book is there once. */
static void
check_each_once(const struct list *l, size_t want)
{
	static uint8_t seen[MANY + 1];
	memset(seen, 0, sizeof(seen));
	CU_ASSERT_EQUAL(l->count, want);
	for (size_t i = 0; i < l->count; i++)
		CU_ASSERT_EQUAL(seen[l->ids[i]]++, 0);
}

static void
test_windows(void)
{
	static struct list l;
	struct found first;
	open_warehouse();
	static const enum find_sort sorts[] = {
	    FIND_BY_RELEVANCE, FIND_BY_PRICE, FIND_BY_ID, FIND_BY_TITLE};
	for (size_t i = 0; i < 4; i++) {
		struct find q = question("common book ", 1000);
		q.sort = sorts[i];
		find_all(q, &l, &first);
		check_each_once(&l, MANY);
		CU_ASSERT_FALSE(first.counted);
		q = question("", 1000);
		q.sort = sorts[i] == FIND_BY_RELEVANCE ? FIND_BY_ID : sorts[i];
		find_all(q, &l, &first);
		check_each_once(&l, MANY);
	}

	/* A rare word finds its book at once, however common the others. */
	struct find q = question("common everybody n19999", 10);
	CU_ASSERT_EQUAL(find_all(q, &l, &first), 1);
	CU_ASSERT_EQUAL(l.count, 1);
	CU_ASSERT_EQUAL(l.ids[0], 19999);
	CU_ASSERT_TRUE(first.counted);
	/* A beginning with more words than can be read is looked for in the books themselves. */
	q = question("n19998 common n1", 10);
	find_all(q, &l, &first);
	CU_ASSERT_EQUAL(l.count, 1);
	q = question("common n1999", 100);
	find_all(q, &l, &first);
	CU_ASSERT_EQUAL(l.count, 11);
	q = question("common n", 1000);
	find_all(q, &l, &first);
	check_each_once(&l, MANY);
	/* Alone, it finds as many as are read. */
	q = question("n", 1000);
	find_all(q, &l, &first);
	CU_ASSERT_EQUAL(l.count, FIND_SCAN);
	CU_ASSERT_FALSE(first.counted);
	close_shelves();
}

static void
test_bad_places(void)
{
	struct find_place p;
	uint8_t bytes[FIND_PLACE_MAX + 1] = {0};
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		CU_ASSERT_EQUAL(
		    find_place_decode(bytes, len, FIND_BY_RELEVANCE, &p), len == 8 || len == 17);
		CU_ASSERT_EQUAL(
		    find_place_decode(bytes, len, FIND_BY_TITLE, &p), len == 8 || len == 48);
	}
	bytes[0] = 0xff;
	CU_ASSERT_FALSE(find_place_decode(bytes, 8, FIND_BY_ID, &p));
}

void
register_find(void)
{
	CU_TestInfo tests[] = {
	    {"words are folded", test_words_are_folded},
	    {"words are joined", test_words_are_joined},
	    {"words are bounded", test_words_are_bounded},
	    {"words have weights", test_words_have_weights},
	    {"all words must match", test_all_words_must_match},
	    {"filters", test_filters},
	    {"orders", test_orders},
	    {"titles are ordered", test_titles_are_ordered},
	    {"the index follows its books", test_the_index_follows},
	    {"random searches, against reading every book", test_random_searches},
	    {"windows of 20,000 books", test_windows},
	    {"bad places", test_bad_places},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "find", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
