/*
 * bazarctl reconcile: do books, reservations and orders add up? They do at rest; while people buy,
 * or while orders are pending, the check is made again for a while, and then says so.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/base/clock.h"
#include "replica/ctl/ctl.h"
#include "replica/ctl/ledger.h"

#define REST_MS 20000 /* for orders to end and writes to pause */
#define PAUSE_MS 200
#define TOLD_MAX 20

/* ---- Reading ---- */

static int64_t
number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

static const char *
text(const json_t *row, const char *key)
{
	const char *value = json_string_value(json_object_get(row, key));
	return value != NULL ? value : "";
}

static bool
take_book(void *arg, json_t *row)
{
	struct ledger_book book = {
	    .id = (uint64_t)number(row, "id"),
	    .quantity = number(row, "quantity"),
	    .stocked = number(row, "stocked"),
	};
	ledger_add_book(arg, &book);
	return true;
}

static void
take_lines(struct ledger *l, const json_t *row, enum ledger_state state,
    void (*add)(struct ledger *l, const struct ledger_line *line))
{
	struct ledger_line line = {.state = state};
	const json_t *lines = json_object_get(row, "lines"), *one;
	size_t i;
	uuid_parse_text(text(row, "order_id"), &line.id);
	json_array_foreach(lines, i, one)
	{
		line.book = (uint64_t)number(one, "book_id");
		line.quantity = number(one, "quantity");
		add(l, &line);
	}
}

static bool
take_order(void *arg, json_t *row)
{
	const char *status = text(row, "status");
	enum ledger_state state = strcmp(status, "PENDING") == 0     ? LEDGER_PENDING
				  : strcmp(status, "CONFIRMED") == 0 ? LEDGER_CONFIRMED
								     : LEDGER_REJECTED;
	take_lines(arg, row, state, ledger_add_order);
	return true;
}

static bool
take_reservation(void *arg, json_t *row)
{
	bool given = strcmp(text(row, "result"), "ok") == 0;
	take_lines(arg, row, given ? LEDGER_CONFIRMED : LEDGER_REJECTED, ledger_add_reservation);
	return true;
}

/* The seq up to which the replica has applied its log; -1 after saying why not. */
static int
read_applied(struct ctl *ctl, const struct node *node, uint64_t *applied)
{
	json_t *status = http_fetch(ctl->http, node, "/status");
	if (status == NULL)
		return -1;
	*applied = (uint64_t)number(json_object_get(status, "data"), "applied");
	json_decref(status);
	return 0;
}

struct pair {
	const struct node *catalog, *order;
};

/* Everything of both. *rest: nothing was written meanwhile. */
static int
read_ledger(struct ctl *ctl, const struct pair *p, struct ledger *l, bool *rest)
{
	uint64_t before[2], after[2];
	ledger_clear(l);
	if (read_applied(ctl, p->order, &before[0]) != 0 ||
	    read_applied(ctl, p->catalog, &before[1]) != 0 ||
	    http_walk(ctl->http, p->order, "/peer/orders", "after", NULL, take_order, l) != 0 ||
	    http_walk(ctl->http, p->catalog, "/peer/reservations", "after", NULL, take_reservation,
		l) != 0 ||
	    http_walk(ctl->http, p->catalog, "/peer/books", "after", NULL, take_book, l) != 0 ||
	    http_walk(ctl->http, p->catalog, "/peer/withdrawn", "after", NULL, take_book, l) != 0 ||
	    read_applied(ctl, p->order, &after[0]) != 0 ||
	    read_applied(ctl, p->catalog, &after[1]) != 0)
		return -1;
	*rest = before[0] == after[0] && before[1] == after[1];
	return 0;
}

/* ---- Telling ---- */

static size_t told;

static void
tell(const char *sentence)
{
	if (told++ < TOLD_MAX)
		ctl_fail("%s", sentence);
}

static void
tell_nothing(const char *sentence)
{
	(void)sentence;
}

static void
print_totals(
    const struct pair *p, const struct ledger *l, const struct ledger_totals *t, bool settled)
{
	printf("%s, %s\n", p->catalog->name, p->order->name);
	printf("  %-24s %12zu\n", "books", l->book_count);
	printf("  %-24s %12" PRId64 "\n", "copies in stock", t->stock);
	printf("  %-24s %12" PRId64 "\n", "copies sold", t->sold);
	printf("  %-24s %12" PRId64 "\n", "copies stocked", t->stocked);
	printf("  %-24s %12zu\n", "reservations, refusals", t->reservations);
	printf("  %-24s %12zu\n", "orders confirmed", t->confirmed);
	printf("  %-24s %12zu\n", "orders rejected", t->rejected);
	printf("  %-24s %12zu\n", "orders pending", t->pending);
	if (settled)
		printf("  %-24s %12zu\n", "mismatches", t->mismatches);
}

/* ---- The command ---- */

/* Reads until nobody writes and no order is pending (*settled), or until REST_MS have passed. A
 * backup may be a moment behind, so a mismatch is believed when it is seen twice. */
static int
read_at_rest(
    struct ctl *ctl, const struct pair *p, struct ledger *l, struct ledger_totals *t, bool *settled)
{
	uint64_t end = clock_ms() + REST_MS;
	bool rest, seen = false;
	for (;;) {
		if (read_ledger(ctl, p, l, &rest) != 0)
			return -1;
		ledger_check(l, t, tell_nothing);
		*settled = rest && t->pending == 0;
		if ((*settled && (t->mismatches == 0 || seen)) || clock_ms() >= end)
			return 0;
		seen = *settled;
		ctl_sleep_ms(PAUSE_MS);
	}
}

static int
reconcile(struct ctl *ctl, const struct pair *p)
{
	struct ledger l = {0};
	struct ledger_totals t;
	bool settled;
	int result = CTL_FAILED;
	if (read_at_rest(ctl, p, &l, &t, &settled) == 0) {
		if (settled && t.mismatches > 0)
			ledger_check(&l, &t, tell);
		print_totals(p, &l, &t, settled);
		if (!settled)
			ctl_fail("the shop is not at rest (%zu orders pending), so this says "
				 "nothing; reconcile again when nobody buys",
			    t.pending);
		result = settled && t.mismatches == 0 ? CTL_OK : CTL_FAILED;
	}
	ledger_clear(&l);
	return result;
}

/* Every replica of the catalog against every one of the order service. */
static int
reconcile_all(struct ctl *ctl)
{
	int result = CTL_OK;
	const struct nodes *nodes = &ctl->nodes;
	for (size_t i = 0; i < nodes->count; i++)
		for (size_t j = 0; j < nodes->count; j++) {
			struct pair p = {&nodes->node[i], &nodes->node[j]};
			if (p.catalog->service == NODE_CATALOG && p.order->service == NODE_ORDER &&
			    reconcile(ctl, &p) != CTL_OK)
				result = CTL_FAILED;
		}
	return result;
}

int
command_reconcile(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"all", no_argument, NULL, 'a'}, {0}};
	bool all = false;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'a')
			return ctl_usage(argv[0]);
		all = true;
	}
	if (optind != argc)
		return ctl_usage(argv[0]);
	if (all)
		return reconcile_all(ctl);
	struct pair p = {ctl_primary(ctl, NODE_CATALOG), ctl_primary(ctl, NODE_ORDER)};
	return p.catalog != NULL && p.order != NULL ? reconcile(ctl, &p) : CTL_FAILED;
}
