/* What replicas say of themselves (GET /status), and who of them is primary. */
#ifndef BAZAR_CTL_REPORT_H
#define BAZAR_CTL_REPORT_H

#include <stdbool.h>

#include "replica/ctl/ctl.h"

struct report {
	json_t *data; /* NULL: it does not answer */
	const char *role, *phase;
	bool primary, active;        /* active: and takes writes */
	json_int_t counter, replica; /* epoch */
	json_int_t last, applied;
	const json_t *set;
};

/* Asks once, HTTP_GLANCE_MS. Always to be freed. */
struct report report_get(struct ctl *ctl, const struct node *node);
void report_free(struct report *r);

/* Of the set in the report. */
json_int_t report_set_number(const struct report *r, const char *key);
/* The member of that id; NULL: none. */
const json_t *report_member(const struct report *r, uint32_t id);

/* The active primary of the service as the replicas themselves say, with the highest epoch; NULL:
 * nobody answers that it is. Asks every replica once. */
const struct node *report_primary(struct ctl *ctl, enum node_service service);

#endif
