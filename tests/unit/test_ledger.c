/* The books of both services: what adds up, and every way in which it may not. */
#include <string.h>

#include <CUnit/CUnit.h>

#include "replica/ctl/ledger.h"
#include "tests/unit/suites.h"

static char last_told[256];

static void
tell(const char *sentence)
{
	strncpy(last_told, sentence, sizeof(last_told) - 1);
}

static struct ledger_line
order(uint8_t id, uint64_t book, int64_t quantity, enum ledger_state state)
{
	return (struct ledger_line){{{id}}, book, quantity, state};
}

/* Two books, 10 copies each; of the first one order of 3, in both lists, one refused. */
static void
fill(struct ledger *l)
{
	struct ledger_book second = {2, 10, 10, 0}, first = {1, 7, 10, 0};
	struct ledger_line sold = order(5, 1, 3, LEDGER_CONFIRMED);
	struct ledger_line refused = order(4, 1, 100, LEDGER_REJECTED);
	*l = (struct ledger){0};
	ledger_add_book(l, &second);
	ledger_add_book(l, &first);
	ledger_add_order(l, &sold);
	ledger_add_order(l, &refused);
	ledger_add_reservation(l, &sold);
	ledger_add_reservation(l, &refused);
}

/* Checks and empties the ledger. */
static void
check(struct ledger *l, size_t mismatches, const char *told)
{
	struct ledger_totals t;
	last_told[0] = '\0';
	ledger_check(l, &t, tell);
	CU_ASSERT_EQUAL(t.mismatches, mismatches);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_told, told));
	ledger_clear(l);
}

static void
test_what_adds_up(void)
{
	struct ledger l;
	struct ledger_totals t;
	fill(&l);
	for (int again = 0; again < 2; again++) {
		ledger_check(&l, &t, tell);
		CU_ASSERT_EQUAL(t.mismatches, 0);
		CU_ASSERT_EQUAL(t.stock, 17);
		CU_ASSERT_EQUAL(t.sold, 3);
		CU_ASSERT_EQUAL(t.stocked, 20);
		CU_ASSERT_EQUAL(t.confirmed, 1);
		CU_ASSERT_EQUAL(t.rejected, 1);
		CU_ASSERT_EQUAL(t.pending, 0);
	}
	ledger_clear(&l);
	check(&l, 0, "");
}

static void
test_copies_lost_or_sold_twice(void)
{
	struct ledger l;
	fill(&l);
	l.books[0].quantity--;
	check(&l, 1, "book 2: 9 in stock + 0 sold is not 10 stocked");
	fill(&l);
	l.books[0].quantity = l.books[0].stocked = -1;
	check(&l, 1, "stock of -1");
}

static void
test_orders_against_reservations(void)
{
	struct ledger l;
	struct ledger_line more = order(9, 2, 1, LEDGER_CONFIRMED);
	fill(&l);
	l.reservations[0].state = LEDGER_REJECTED;
	check(&l, 1, "confirmed without a reservation");
	fill(&l);
	ledger_add_reservation(&l, &more);
	check(&l, 1, "has no order");
	fill(&l);
	ledger_add_order(&l, &more);
	check(&l, 2, "book 2");
	fill(&l);
	l.reservations[1].state = LEDGER_CONFIRMED;
	check(&l, 1, "rejected, but its copies are reserved");
	fill(&l);
	l.reservations[0].quantity++;
	check(&l, 1, "differ in quantity");
	fill(&l);
	more.book = 3;
	ledger_add_order(&l, &more);
	ledger_add_reservation(&l, &more);
	check(&l, 1, "book 3, which does not exist");
}

/* Line by line; but it is one order. */
static void
test_carts(void)
{
	struct ledger l;
	struct ledger_totals t;
	struct ledger_line one = order(7, 1, 1, LEDGER_CONFIRMED);
	struct ledger_line other = order(7, 2, 2, LEDGER_CONFIRMED);
	for (int taken = 2; taken >= 0; taken--) {
		fill(&l);
		ledger_add_order(&l, &other);
		ledger_add_order(&l, &one);
		if (taken > 0)
			ledger_add_reservation(&l, &one);
		if (taken > 1)
			ledger_add_reservation(&l, &other);
		l.books[0].stocked += 2;
		l.books[1].stocked += 1;
		ledger_check(&l, &t, tell);
		CU_ASSERT_EQUAL(t.mismatches, 2 - (size_t)taken);
		CU_ASSERT_EQUAL(t.confirmed, 2);
		CU_ASSERT_EQUAL(t.sold, 6);
		CU_ASSERT_EQUAL(t.reservations, taken > 0 ? 3 : 2);
		ledger_clear(&l);
	}
}

/* Its copies may be reserved already: that is what a pending order is. */
static void
test_pending_orders_are_counted(void)
{
	struct ledger l;
	struct ledger_totals t;
	fill(&l);
	l.orders[1].state = LEDGER_PENDING;
	ledger_check(&l, &t, tell);
	CU_ASSERT_EQUAL(t.pending, 1);
	CU_ASSERT_EQUAL(t.mismatches, 0);
	ledger_clear(&l);
}

void
register_ledger(void)
{
	CU_TestInfo tests[] = {
	    {"what adds up", test_what_adds_up},
	    {"copies lost or sold twice", test_copies_lost_or_sold_twice},
	    {"orders against reservations", test_orders_against_reservations},
	    {"carts", test_carts},
	    {"pending orders are counted", test_pending_orders_are_counted},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "ledger", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
