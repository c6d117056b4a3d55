/*
 * bazarctl verify: what replication promises, asked of every replica.
 *
 * Logs: each is a chain (prev is the entry before; epochs never go back), what is applied is in it,
 * and same (epoch, seq) has the same checksum everywhere. Tables: equal at the same applied_seq.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/xalloc.h"
#include "replica/ctl/ctl.h"

#define MEET_MS 20000 /* for replicas to be seen at the same applied_seq */
#define PAUSE_MS 50

struct place {
	uint64_t counter, replica, seq;
};

struct entry_seen {
	struct place at;
	uint64_t crc;
};

/* What one replica's log holds. */
struct log {
	const struct node *node;
	struct entry_seen *entries; /* by ascending seq */
	size_t count, cap;
	uint64_t applied; /* as of before the log was read */
	size_t *violations;
};

static void
violation(size_t *count, const char *replica, const char *what, uint64_t seq)
{
	(*count)++;
	ctl_fail("%s: %s (entry %" PRIu64 ")", replica, what, seq);
}

/* ---- Logs ---- */

static uint64_t
number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static struct place
place_of(const json_t *json)
{
	return (struct place){
	    number(json, "counter"), number(json, "replica"), number(json, "seq")};
}

static int
compare_epochs(const struct place *a, const struct place *b)
{
	if (a->counter != b->counter)
		return a->counter < b->counter ? -1 : 1;
	return a->replica < b->replica ? -1 : a->replica > b->replica;
}

static void
check_chain(struct log *log, const struct place *at, const struct place *prev)
{
	const char *name = log->node->name;
	if (prev->seq + 1 != at->seq)
		violation(log->violations, name, "prev is not the entry before", at->seq);
	if (compare_epochs(prev, at) > 0)
		violation(log->violations, name, "the epoch goes back", at->seq);
	if (log->count == 0)
		return;
	const struct place *before = &log->entries[log->count - 1].at;
	if (before->seq != prev->seq || compare_epochs(before, prev) != 0)
		violation(log->violations, name, "does not follow the entry before", at->seq);
}

static bool
take_entry(void *arg, json_t *row)
{
	struct log *log = arg;
	struct place at = place_of(json_object_get(row, "at"));
	struct place prev = place_of(json_object_get(row, "prev"));
	const char *crc = json_string_value(json_object_get(row, "crc"));
	check_chain(log, &at, &prev);
	if (log->count == log->cap) {
		log->cap = log->cap > 0 ? 2 * log->cap : 1024;
		log->entries = xrealloc(log->entries, log->cap * sizeof(*log->entries));
	}
	log->entries[log->count++] = (struct entry_seen){at, strtoull(crc ? crc : "", NULL, 16)};
	return true;
}

static int
read_log(struct ctl *ctl, struct log *log)
{
	json_t *status = http_fetch(ctl->http, log->node, "/status");
	if (status == NULL)
		return -1;
	log->applied = number(json_object_get(status, "data"), "applied");
	json_decref(status);
	if (http_walk(ctl->http, log->node, "/peer/log", "from", NULL, take_entry, log) != 0)
		return -1;
	uint64_t last = log->count > 0 ? log->entries[log->count - 1].at.seq : 0;
	/* Tables that were copied come without a log. */
	if (log->count > 0 && log->applied > last)
		violation(
		    log->violations, log->node->name, "applied, but not in the log", log->applied);
	printf("%s: %zu log entries up to %" PRIu64 ", applied up to %" PRIu64 "\n",
	    log->node->name, log->count, last, log->applied);
	return 0;
}

/* Entries both logs have. What only one of them has, or in another epoch, is not committed yet, or
 * was pruned. */
static size_t
compare_logs(const struct log *a, const struct log *b)
{
	size_t same = 0;
	for (size_t i = 0, j = 0; i < a->count && j < b->count;) {
		const struct entry_seen *x = &a->entries[i], *y = &b->entries[j];
		if (x->at.seq == y->at.seq && compare_epochs(&x->at, &y->at) == 0) {
			same++;
			if (x->crc != y->crc)
				violation(a->violations, b->node->name,
				    "differs from the primary's of the same epoch", x->at.seq);
		} else if (x->at.seq == y->at.seq && x->at.seq <= a->applied &&
			   y->at.seq <= b->applied) {
			violation(a->violations, b->node->name,
			    "applied, in another epoch than at the primary", x->at.seq);
		}
		i += x->at.seq <= y->at.seq;
		j += y->at.seq <= x->at.seq;
	}
	return same;
}

/* ---- Tables ---- */

struct digest {
	uint64_t applied;
	char text[32];
};

static int
read_digest(struct ctl *ctl, const struct node *node, struct digest *out)
{
	json_t *json = http_fetch(ctl->http, node, "/peer/digest");
	json_t *data = json_object_get(json, "data");
	const char *text = json_string_value(json_object_get(data, "digest"));
	out->applied = number(data, "applied_seq");
	snprintf(out->text, sizeof(out->text), "%s", text != NULL ? text : "");
	int result = text != NULL ? 0 : -1;
	json_decref(json);
	return result;
}

/* Digests of both at the same seq: while writes go on this takes some tries. */
static int
compare_tables(struct ctl *ctl, const struct node *a, const struct node *b, size_t *violations)
{
	struct digest x, y;
	uint64_t end = clock_ms() + MEET_MS;
	if (read_digest(ctl, a, &x) != 0 || read_digest(ctl, b, &y) != 0)
		return -1;
	while (x.applied != y.applied && clock_ms() < end) {
		/* The one that is behind will come by. */
		bool behind = x.applied < y.applied;
		if (read_digest(ctl, behind ? a : b, behind ? &x : &y) != 0)
			return -1;
		ctl_sleep_ms(PAUSE_MS);
	}
	if (x.applied != y.applied) {
		ctl_fail("%s and %s were not seen at the same entry within %d s; try again with "
			 "fewer writes going on",
		    a->name, b->name, MEET_MS / 1000);
		return -1;
	}
	if (strcmp(x.text, y.text) != 0)
		violation(violations, b->name, "tables differ from the primary's", x.applied);
	else
		printf("%s and %s: tables are equal at entry %" PRIu64 "\n", a->name, b->name,
		    x.applied);
	return 0;
}

/* ---- Services ---- */

static int
verify_pair(struct ctl *ctl, const struct log *first, const struct node *node, size_t *violations)
{
	struct log log = {.node = node, .violations = violations};
	int result = read_log(ctl, &log);
	if (result == 0) {
		size_t same = compare_logs(first, &log);
		printf(
		    "%s and %s: %zu log entries compared\n", first->node->name, node->name, same);
		result = compare_tables(ctl, first->node, node, violations);
	}
	free(log.entries);
	return result;
}

/* -1: not everything could be checked. */
static int
verify_service(struct ctl *ctl, enum node_service service, size_t *violations)
{
	struct log first = {.node = ctl_primary(ctl, service), .violations = violations};
	if (first.node == NULL)
		return -1;
	int result = read_log(ctl, &first);
	for (size_t i = 0; result == 0 && i < ctl->nodes.count; i++) {
		const struct node *node = &ctl->nodes.node[i];
		if (node != first.node && node->service == service)
			result = verify_pair(ctl, &first, node, violations);
	}
	free(first.entries);
	return result;
}

int
command_verify(struct ctl *ctl, int argc, char **argv)
{
	size_t violations = 0;
	if (!ctl_takes(argc, argv, 0))
		return CTL_USAGE;
	int catalog = verify_service(ctl, NODE_CATALOG, &violations);
	int order = verify_service(ctl, NODE_ORDER, &violations);
	printf("%zu violation%s\n", violations, violations == 1 ? "" : "s");
	if (catalog != 0 || order != 0)
		return ctl_fail("not everything could be checked; see above");
	return violations == 0 ? CTL_OK : CTL_FAILED;
}
