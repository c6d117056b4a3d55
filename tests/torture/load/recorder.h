/*
 * Writes the history (tests/torture/checker/history.h) as it happens. Thread-safe.
 */
#ifndef BAZAR_LOAD_RECORDER_H
#define BAZAR_LOAD_RECORDER_H

#include <stdint.h>

#define WORDS_MAX 1024 /* of an outcome with its values */

/* One request as a line of the history. Texts point to somebody else's. */
struct line {
	int64_t invoked, returned; /* nanoseconds of CLOCK_MONOTONIC */
	unsigned client;
	const char *at, *served, *cache, *kind, *object, *argument;
	uint64_t key; /* 0: none */
	const char *outcome;
};

int64_t recorder_now(void);

/* Ends the process when `path` cannot be written, then and later. */
void recorder_open(const char *path);
void recorder_book(uint64_t id, const char *topic, int64_t price, int64_t stock);
void recorder_write(const struct line *line);
void recorder_close(void);

#endif
