/*
 * load: many clients of a shop that is being tortured; writes what they saw as a history. It stops
 * beginning anything at SIGTERM (or SIGINT), then decides what is undecided, and reads everything
 * once more.
 *
 *     load --out FILE --door front=PORT --door catalog-1=PORT ... [--clients N] [--rate N] [--seed
 * N]
 *
 * Exit status: 0; 1: something stayed undecided or unread, or was answered as nothing should be; 2:
 * usage.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/log.h"
#include "tests/torture/load/client.h"
#include "tests/torture/load/http.h"
#include "tests/torture/load/recorder.h"

#define CLIENTS_MAX 48 /* fewer than the checker has slots for pending operations */
#define SETTLE_NS INT64_C(30000000000)
#define FIRST_PRICE 10000 /* no book begins with it, and none is given out twice */

static struct load load = {.pause_s = 0, .give_up = INT64_MAX, .keys = 1, .prices = FIRST_PRICE};

static int
usage(void)
{
	fputs("usage: load --out FILE --door NAME=PORT ... [--clients N] [--rate N] [--seed N]\n",
	    stderr);
	return 2;
}

static bool
add_door(const char *text)
{
	struct shop *s = &load.shop;
	struct door *d = &s->doors[s->door_count];
	size_t len = strcspn(text, "=");
	if (s->door_count == SHOP_DOORS_MAX || len >= sizeof(d->name) || text[len] != '=')
		return false;
	memcpy(d->name, text, len);
	d->port = (unsigned)strtoul(text + len + 1, NULL, 10);
	s->door_count++;
	return true;
}

static void
run(struct client *clients, unsigned count, const sigset_t *ends)
{
	pthread_t threads[CLIENTS_MAX];
	int signal;
	for (unsigned i = 0; i < count; i++) {
		clients[i] = (struct client){&load, i + 1, i % 2 == 0};
		if (pthread_create(&threads[i], NULL, client_main, &clients[i]) != 0)
			log_fatal("cannot start a thread");
	}
	while (sigwait(ends, &signal) != 0)
		continue;
	atomic_store(&load.give_up, recorder_now() + SETTLE_NS);
	atomic_store(&load.stop, true);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"out", required_argument, NULL, 'o'},
	    {"door", required_argument, NULL, 'd'}, {"clients", required_argument, NULL, 'c'},
	    {"rate", required_argument, NULL, 'r'}, {"seed", required_argument, NULL, 's'}, {0}};
	static struct client clients[CLIENTS_MAX];
	const char *out = NULL;
	unsigned long count = 24, rate = 0;
	int option;
	log_setup("load", LOG_INFO);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'o')
			out = optarg;
		else if (option == 'c')
			count = strtoul(optarg, NULL, 10);
		else if (option == 'r')
			rate = strtoul(optarg, NULL, 10);
		else if (option == 's')
			load.seed = strtoull(optarg, NULL, 10);
		else if (option != 'd' || !add_door(optarg))
			return usage();
	}
	if (out == NULL || optind != argc || load.shop.door_count == 0 || count < 1 ||
	    count > CLIENTS_MAX)
		return usage();
	load.pause_s = rate > 0 ? (double)count / (double)rate : 0;

	sigset_t ends; /* blocked in every thread, taken by this one */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &ends, NULL) != 0)
		log_fatal("cannot block signals");
	http_setup(load.seed);
	recorder_open(out);
	client_discover(&load);
	run(clients, (unsigned)count, &ends);
	unsigned unread = client_last_look(&load, (unsigned)count + 1);
	recorder_close();
	unsigned undecided = atomic_load(&load.undecided), odd = atomic_load(&load.unexpected);
	printf("%u writes undecided, %u last reads unanswered, %u answers unexpected\n", undecided,
	    unread, odd);
	return undecided + unread + odd == 0 ? 0 : 1;
}
