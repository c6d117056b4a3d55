/* Condition variables that wait until a moment of clock_ms's length, on a clock nobody sets. */
#ifndef BAZAR_BASE_WAIT_H
#define BAZAR_BASE_WAIT_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "fcgi/base/clock.h"

static inline void
wait_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* As pthread_cond_timedwait, until clock_ms() reaches `deadline_ms`; false when it has. Wakes up
 * early as condition variables do: call it in a loop that looks at the condition first. */
static inline bool
wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ms)
{
	uint64_t now = clock_ms();
	if (now >= deadline_ms)
		return false;
	uint64_t left = deadline_ms - now;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(left / 1000);
	t.tv_nsec += (long)(left % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return pthread_cond_timedwait(cond, mutex, &t) != ETIMEDOUT;
}

#endif
