#include "fcgi/restore.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/service.h"
#include "fcgi/store/backup.h"

static void
put(void *store, const void *effects, size_t len)
{
	store_load_rows(store, effects, len);
}

/* All replicas are members, and only this one has anything; as many as there are will have to be in
 * sync as soon as they are. */
static struct set
make_set(const struct worker *w)
{
	struct set set = {.primary = w->node->id, .min = 1, .forced = true};
	for (size_t i = 0; i < w->nodes->count && set.count < SET_MEMBERS_MAX; i++) {
		const struct node *n = &w->nodes->node[i];
		if (n->service != w->node->service)
			continue;
		struct set_member *m = &set.member[set.count++];
		m->id = n->id;
		m->in_sync = n == w->node;
		snprintf(m->address, sizeof(m->address), "%s", n->address);
	}
	return set;
}

static bool
is_empty(struct store *s)
{
	struct store_stats stats;
	store_stats(s, &stats);
	uint64_t applied = store_read_begin(s);
	store_read_end(s);
	return applied == 0 && stats.log_last == 0;
}

static void
restore(const struct worker *w, const char *path)
{
	char error[BACKUP_ERROR];
	struct backup_info info;
	if (backup_read(path, put, w->store, &info, error) != 0)
		log_fatal("%s", error);
	if (strcmp(info.service, node_service_name(w->node->service)) != 0)
		log_fatal("%s is a backup of %s", path, info.service);
	struct set set = make_set(w);
	struct core_pledge pledge = {.promised = info.at.epoch, .incarnation = uuid_random()};
	store_save(w->store, &pledge);
	store_load_end(w->store, info.at, 0, &set);
	store_flush(w->store);
	log_info("restored as of entry %llu", (unsigned long long)info.at.seq);
}

void
restore_if_asked(const struct worker *w)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s/restore", w->run, w->node->name);
	if (access(path, F_OK) != 0)
		return;
	if (is_empty(w->store))
		restore(w, path);
	else
		log_warn("there is a store already; %s is not used", path);
	if (unlink(path) != 0)
		log_fatal("cannot remove %s: %s", path, strerror(errno));
}
