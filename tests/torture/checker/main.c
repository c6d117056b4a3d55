/*
 * checker FILE: is this recorded history one that a correct shop can have had? Says what it checked
 * and what is wrong. Exit status 0: nothing; 1: something; 2: it cannot tell.
 *
 *     --mutate N [--seed S]   then also falsify N answers, one at a time, and demand to notice each
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/xalloc.h"
#include "tests/torture/checker/balance.h"
#include "tests/torture/checker/linear.h"
#include "tests/torture/checker/mutate.h"
#include "tests/torture/checker/orders.h"

enum { GOOD, BAD, CANNOT_TELL };

struct totals {
	size_t operations, open, balanced, most;
	bool gave_up;
};

static int
usage(void)
{
	fputs("usage: checker [--mutate N [--seed S]] HISTORY\n", stderr);
	return CANNOT_TELL;
}

/* A copy: checking changes them. */
static struct operations
copy(const struct operations *ops)
{
	struct operations other = {xcalloc(ops->count + 1, sizeof(*other.list)), ops->count};
	if (ops->count > 0)
		memcpy(other.list, ops->list, ops->count * sizeof(*other.list));
	return other;
}

static void
check_topic(const struct history *h, uint32_t topic, const struct operations *ops,
    struct findings *f, struct totals *t)
{
	size_t most = 0;
	t->operations += ops->count;
	for (size_t i = 0; i < ops->count; i++)
		t->open += ops->list[i].returned == NEVER;
	t->balanced += balance_check(h, topic, ops, f);
	struct operations once = copy(ops);
	t->gave_up |= linear_check(h, topic, &once, f, &most) == LINEAR_GAVE_UP;
	t->most = most > t->most ? most : t->most;
	operations_free(&once);
}

static int
check(const struct history *h, size_t mutations, uint64_t seed)
{
	struct findings f = {.out = stdout};
	struct totals t = {0};
	uint64_t began = clock_ms();
	struct operations *topics = operations_make(h, &f);
	for (uint32_t i = 0; i < h->topic_count; i++)
		check_topic(h, i, &topics[i], &f, &t);
	size_t orders = orders_check(h, &f);
	printf(
	    "%zu requests: %zu operations on %zu books in %zu topics (%zu left open), %zu orders\n",
	    h->record_count, t.operations, h->book_count, h->topic_count, t.open, orders);
	printf("stock equation: %zu of %zu books; at most %zu configurations; %.1f s\n", t.balanced,
	    h->book_count, t.most, (double)(clock_ms() - began) / 1000);
	if (mutations > 0 && f.count == 0) {
		struct mutations done = mutate(h, topics, mutations, seed, &f);
		printf("falsified answers: %zu made, %zu noticed\n", done.made, done.seen);
		if (done.made == 0)
			finding(&f, "there is no answer to falsify");
	}
	printf("%zu violation%s\n", f.count, f.count == 1 ? "" : "s");
	for (uint32_t i = 0; i < h->topic_count; i++)
		operations_free(&topics[i]);
	free(topics);
	if (t.gave_up)
		return CANNOT_TELL;
	return f.count == 0 ? GOOD : BAD;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"mutate", required_argument, NULL, 'm'}, {"seed", required_argument, NULL, 's'}, {0}};
	char error[HISTORY_ERROR];
	struct history h;
	uint64_t seed = 1;
	size_t mutations = 0;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm')
			mutations = strtoull(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return usage();
	}
	if (optind + 1 != argc)
		return usage();
	int result = CANNOT_TELL;
	if (history_load(argv[optind], &h, error) != 0)
		fprintf(stderr, "%s: %s\n", argv[optind], error);
	else
		result = check(&h, mutations, seed);
	history_free(&h);
	return result;
}
