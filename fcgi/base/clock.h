/* The clocks: two that only go forward (for waits, for measuring), one people read (for times
 * shown). */
#ifndef BAZAR_BASE_CLOCK_H
#define BAZAR_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds on CLOCK_BOOTTIME: goes on while the machine sleeps, so a time-out or a lease
 * cannot outlive a suspend. */
static inline uint64_t
clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Nanoseconds on CLOCK_MONOTONIC, for measuring how long something took. */
static inline uint64_t
clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Milliseconds since 1970. */
static inline uint64_t
clock_wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#endif
