/* bazarctl wait: until every replica says that it is ready. Exit status 3: only some do, but the
 * shop can be read. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "replica/ctl/ctl.h"

#define POLL_MS 50
#define TIMEOUT_S 30
#define TIMEOUT_MAX_S 3600

static bool
is_ready(struct ctl *ctl, const struct node *node)
{
	struct http_answer a = {0};
	int status = http_get(ctl->http, node, "/readyz", HTTP_GLANCE_MS, &a);
	buf_free(&a.body);
	return status == 200;
}

/* The first replica from `from` on that is not ready; nodes.count when all are. Those before it
 * were, and are not asked again. */
static size_t
first_missing(struct ctl *ctl, size_t from)
{
	while (from < ctl->nodes.count && is_ready(ctl, &ctl->nodes.node[from]))
		from++;
	return from;
}

static int
give_up(struct ctl *ctl, unsigned long seconds)
{
	bool serves[] = {[NODE_CATALOG] = false, [NODE_ORDER] = false};
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		const struct node *node = &ctl->nodes.node[i];
		if (is_ready(ctl, node))
			serves[node->service] = true;
		else
			ctl_fail("%s is not ready after %lu s: %s (its log: %s/log/%s.log)",
			    node->name, seconds, http_error(ctl->http), ctl->run, node->name);
	}
	return serves[NODE_CATALOG] && serves[NODE_ORDER] ? CTL_PARTLY : CTL_FAILED;
}

int
command_wait(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"timeout", required_argument, NULL, 't'}, {0}};
	unsigned long seconds = TIMEOUT_S;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		char *end = NULL;
		if (option != 't')
			return ctl_usage(argv[0]);
		seconds = strtoul(optarg, &end, 10);
		if (*optarg < '0' || *optarg > '9' || *end != '\0' || seconds > TIMEOUT_MAX_S)
			return ctl_usage(argv[0]);
	}
	if (optind != argc)
		return ctl_usage(argv[0]);

	uint64_t end = clock_ms() + seconds * 1000;
	size_t missing = 0;
	while ((missing = first_missing(ctl, missing)) < ctl->nodes.count) {
		if (clock_ms() >= end)
			return give_up(ctl, seconds);
		ctl_sleep_ms(POLL_MS);
	}
	return CTL_OK;
}
