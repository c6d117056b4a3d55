#include "replica/ctl/report.h"

#include <string.h>

static const char *
text(const json_t *data, const char *key)
{
	const char *value = json_string_value(json_object_get(data, key));
	return value != NULL ? value : "-";
}

static json_int_t
number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

struct report
report_get(struct ctl *ctl, const struct node *node)
{
	struct http_answer a = {0};
	json_t *json = NULL;
	if (http_get(ctl->http, node, "/status", HTTP_GLANCE_MS, &a) == 200)
		json = json_loadb((const char *)a.body.data, a.body.len, 0, NULL);
	buf_free(&a.body);
	struct report r = {.data = json_incref(json_object_get(json, "data"))};
	json_decref(json);
	const json_t *epoch = json_object_get(r.data, "epoch");
	r.role = text(r.data, "role");
	r.phase = text(r.data, "phase");
	r.primary = strcmp(r.role, "primary") == 0;
	r.active = r.primary && strcmp(r.phase, "active") == 0;
	r.counter = number(epoch, "counter");
	r.replica = number(epoch, "replica");
	r.last = number(json_object_get(r.data, "last"), "seq");
	r.applied = number(r.data, "applied");
	r.set = json_object_get(r.data, "set");
	return r;
}

void
report_free(struct report *r)
{
	json_decref(r->data);
	*r = (struct report){0};
}

json_int_t
report_set_number(const struct report *r, const char *key)
{
	return number(r->set, key);
}

const json_t *
report_member(const struct report *r, uint32_t id)
{
	const json_t *members = json_object_get(r->set, "members");
	for (size_t i = 0; i < json_array_size(members); i++) {
		const json_t *member = json_array_get(members, i);
		if (number(member, "id") == (json_int_t)id)
			return member;
	}
	return NULL;
}

const struct node *
report_primary(struct ctl *ctl, enum node_service service)
{
	const struct node *found = NULL;
	json_int_t highest = 0;
	for (size_t i = 0; i < ctl->nodes.count; i++) {
		const struct node *node = &ctl->nodes.node[i];
		if (node->service != service)
			continue;
		struct report r = report_get(ctl, node);
		if (r.active && r.counter > highest) {
			highest = r.counter;
			found = node;
		}
		report_free(&r);
	}
	return found;
}
