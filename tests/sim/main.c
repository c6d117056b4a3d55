/* sim [--schedules N] [--seed S] [--jobs J] [--show N] [--losses] [--trace] [--verbose] [--first]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define JOBS_MAX 64

struct options {
	uint64_t schedules, seed, show;
	unsigned jobs;
	bool losses, trace, verbose, first;
};

struct result {
	struct totals totals;
	uint64_t passed, failed;
	uint64_t running; /* this seed; 0: none */
};

static void
usage(void)
{
	fprintf(stderr, "usage: sim [--schedules N] [--seed S] [--jobs J] [--losses] "
			"[--trace] [--verbose] [--first] [--show N]\n"
			"  runs schedules S, S+1, ... S+N-1; --first ends at the first failure;\n"
			"  --losses: in each the operator may accept the loss of data\n");
	exit(2);
}

static uint64_t
number(const char *text)
{
	char *end;
	uint64_t v = text != NULL ? strtoull(text, &end, 10) : 0;
	if (text == NULL || end == text || *end != '\0')
		usage();
	return v;
}

static struct options
parse(char **argv)
{
	struct options o = {.schedules = 1000, .seed = 1, .jobs = 1, .show = 10};
	for (char **a = argv + 1; *a != NULL; a++) {
		if (strcmp(*a, "--schedules") == 0)
			o.schedules = number(*++a);
		else if (strcmp(*a, "--seed") == 0)
			o.seed = number(*++a);
		else if (strcmp(*a, "--show") == 0)
			o.show = number(*++a);
		else if (strcmp(*a, "--jobs") == 0)
			o.jobs = (unsigned)number(*++a);
		else if (strcmp(*a, "--losses") == 0)
			o.losses = true;
		else if (strcmp(*a, "--trace") == 0)
			o.trace = true;
		else if (strcmp(*a, "--verbose") == 0)
			o.verbose = true;
		else if (strcmp(*a, "--first") == 0)
			o.first = true;
		else
			usage();
		if (*a == NULL)
			usage();
	}
	if (o.jobs == 0 || o.jobs > JOBS_MAX)
		usage();
	return o;
}

/* Every jobs'th schedule, from the `job`th on. */
static void
run_job(const struct options *o, unsigned job, struct result *r)
{
	for (uint64_t i = job; i < o->schedules; i += o->jobs) {
		char why[256];
		r->running = o->seed + i;
		if (schedule_run(o->seed + i, o->losses, o->trace, &r->totals, why)) {
			r->passed++;
			continue;
		}
		if (r->failed++ < o->show)
			printf("FAILED seed %" PRIu64 ": %s\n", o->seed + i, why);
		fflush(stdout);
		if (o->first)
			break;
	}
	r->running = 0;
	fflush(stdout);
}

/* Results come back through shared memory. */
static int
run_all(const struct options *o, struct result *results)
{
	if (o->trace) {
		run_job(o, 0, results);
		return 0;
	}
	fflush(stdout);
	for (unsigned job = 0; job < o->jobs; job++) {
		pid_t pid = fork();
		if (pid < 0)
			return -1;
		if (pid == 0) {
			run_job(o, job, &results[job]);
			_exit(0);
		}
	}
	int status, rc = 0;
	while (wait(&status) > 0)
		rc |= status;
	for (unsigned job = 0; job < o->jobs; job++) {
		if (results[job].running != 0)
			printf("FAILED seed %" PRIu64 ": it ended the simulator\n",
			    results[job].running);
	}
	return rc == 0 ? 0 : -1;
}

static void
add_up(struct result *sum, const struct result *r)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)r;
	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += from[i];
}

static void
report(const struct options *o, const struct totals *t, double seconds)
{
	printf("%" PRIu64 " schedules from seed %" PRIu64 " in %.1f s (%.0f/s), %.0f steps each\n",
	    t->schedules, o->seed, seconds, (double)t->schedules / seconds,
	    (double)t->steps / (double)(t->schedules ? t->schedules : 1));
	printf("crashes %" PRIu64 ", disks lost %" PRIu64 ", gone %" PRIu64 ", pauses %" PRIu64
	       ", messages lost %" PRIu64 "\n",
	    t->crashes, t->wipes, t->gone, t->pauses, t->lost);
	printf("sets: shrunk %" PRIu64 ", grown %" PRIu64 ", other primary %" PRIu64
	       "; loads %" PRIu64 ", stores set aside %" PRIu64 ", histories replaced %" PRIu64
	       "\n",
	    t->shrinks, t->grows, t->terms, t->loads, t->abandoned, t->replaced);
	printf("commands %" PRIu64 ", done: min %" PRIu64 ", add %" PRIu64 ", remove %" PRIu64
	       ", hand over %" PRIu64 ", promote %" PRIu64 "\n",
	    t->commands, t->done[0], t->done[1], t->done[2], t->done[3], t->done[4]);
	printf("reads %" PRIu64 " (%" PRIu64 " from the cache), refused %" PRIu64
	       "; writes decided %" PRIu64 ", unknown %" PRIu64 ", not applied %" PRIu64 "\n",
	    t->reads, t->hits, t->refused_reads, t->decided, t->unknown, t->not_applied);
	printf("purchases ended %" PRIu64 " (carts %" PRIu64 "), told pending %" PRIu64
	       ", unknown %" PRIu64 "; trips to the catalog %" PRIu64 "\n",
	    t->bought, t->carts, t->bought_later, t->bought_unknown, t->trips);
	if (o->verbose)
		printf("simulated time %.0f s\n", (double)t->simulated_ms / 1000);
}

int
main(int argc, char **argv)
{
	(void)argc;
	struct options o = parse(argv);
	struct result *results = mmap(NULL, JOBS_MAX * sizeof(*results), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	int rc = run_all(&o, results);
	clock_gettime(CLOCK_MONOTONIC, &to);
	struct result sum = {0};
	for (unsigned job = 0; job < o.jobs; job++)
		add_up(&sum, &results[job]);
	report(&o, &sum.totals,
	    (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", sum.passed, sum.failed);
	return rc == 0 && sum.failed == 0 && sum.passed > 0 ? 0 : 1;
}
