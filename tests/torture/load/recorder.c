#include "tests/torture/load/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fcgi/log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *file;

int64_t
recorder_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
recorder_open(const char *path)
{
	file = fopen(path, "we");
	if (file == NULL)
		log_fatal("%s: %s", path, strerror(errno));
}

static void
check(bool good)
{
	if (!good)
		log_fatal("the history cannot be written: %s", strerror(errno));
}

void
recorder_book(uint64_t id, const char *topic, int64_t price, int64_t stock)
{
	check(fprintf(file, "book %" PRIu64 " %s %" PRId64 " %" PRId64 "\n", id, topic, price,
		  stock) > 0);
}

void
recorder_write(const struct line *l)
{
	char key[24] = "-";
	if (l->key != 0)
		snprintf(key, sizeof(key), "%" PRIu64, l->key);
	pthread_mutex_lock(&lock);
	check(fprintf(file, "%" PRId64 " %" PRId64 " %u %s %s %s %s %s %s %s %s\n", l->invoked,
		  l->returned, l->client, l->at, l->served, l->cache, l->kind, l->object,
		  l->argument, key, l->outcome) > 0);
	pthread_mutex_unlock(&lock);
}

void
recorder_close(void)
{
	check(fclose(file) == 0);
}
