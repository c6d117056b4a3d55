/* The only source of chance in a schedule: the same seed gives the same schedule (splitmix64). */
#ifndef BAZAR_SIM_RANDOM_H
#define BAZAR_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t
random_u64(struct random *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 0 to below - 1. */
static inline uint64_t
random_below(struct random *r, uint64_t below)
{
	return ((random_u64(r) >> 32) * below) >> 32;
}

/* from to to, both included. */
static inline uint64_t
random_between(struct random *r, uint64_t from, uint64_t to)
{
	return from + random_below(r, to - from + 1);
}

/* True `permille` times in a thousand. */
static inline bool
random_chance(struct random *r, unsigned permille)
{
	return random_below(r, 1000) < permille;
}

#endif
