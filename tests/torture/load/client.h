/*
 * A client of the tortured shop: one thread, one request at a time, chosen by chance. It reads
 * through the front and from the replicas, buys, changes stock and price, and repeats a write under
 * its key until it knows what became of it. Everything it sees goes to the recorder.
 */
#ifndef BAZAR_LOAD_CLIENT_H
#define BAZAR_LOAD_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/uuid.h"

#define SHOP_BOOKS_MAX 64
#define SHOP_DOORS_MAX 16

/* Where it can be asked: the front (the first), and each replica's own port. */
struct door {
	char name[32]; /* "front", "catalog-1" ... */
	unsigned port;
};

struct shop {
	struct door doors[SHOP_DOORS_MAX];
	unsigned door_count;
	struct {
		uint64_t id;
		char *topic; /* percent-encoded */
	} books[SHOP_BOOKS_MAX];
	unsigned book_count;
};

struct load {
	struct shop shop;
	uint64_t seed;
	double pause_s;             /* a client's mean pause between operations */
	atomic_bool stop;           /* begin nothing new */
	atomic_llong give_up;       /* recorder_now() after which an undecided write is left */
	atomic_ullong keys, prices; /* given out */
	atomic_uint undecided;      /* keyed writes that were left */
	atomic_uint unexpected;     /* answers that no client should ever get */
};

struct client {
	struct load *load;
	unsigned number;
	bool writes; /* else it only reads */
};

/* Reads topics and books, tells the recorder, and fills in load->shop. Ends the process when the
 * shop does not answer. */
void client_discover(struct load *load);

/* A thread: until load->stop. `arg` is a struct client. */
void *client_main(void *arg);

/* Reads every book and topic through every door, until each has answered or give_up is over.
 * Returns how many have not. */
unsigned client_last_look(struct load *load, unsigned number);

#endif
