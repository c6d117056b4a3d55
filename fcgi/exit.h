/* Exit statuses of a worker, for whoever starts it. */
#ifndef BAZAR_EXIT_H
#define BAZAR_EXIT_H

enum worker_exit {
	EXIT_DISK = 1, /* something on disk or in the system fails: start it again, with patience */
	EXIT_USAGE = 2, /* started or configured wrongly */
	EXIT_ANEW = 3   /* its store is set aside: start it again at once, with an empty one */
};

#endif
