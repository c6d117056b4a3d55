/* A store that is of no use any more: out of the way, and the process with it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/exit.h"
#include "fcgi/log.h"
#include "fcgi/store/aside.h"
#include "fcgi/store/inside.h"

/* Whoever calls holds the store's lock. */
static _Noreturn void
set_aside_and_end(const char *dir, const char *reason)
{
	char name[256];
	if (aside_move(dir, reason, name, sizeof(name)) != 0)
		log_fatal("the store in %s cannot be set aside: %s", dir, strerror(errno));
	if (strcmp(reason, ASIDE_INCOMPLETE) == 0)
		log_warn(
		    "the store in %s was half a copy and is removed: the copy begins anew", dir);
	else
		log_error("the store in %s is set aside as %s: this replica starts again with an "
			  "empty one",
		    dir, name);
	_exit(EXIT_ANEW);
}

/* Nobody reads or writes any more, and nobody will. */
void
store_abandon(struct store *s, const char *reason)
{
	env_stop_checkpoints(s->env);
	pthread_rwlock_wrlock(&s->lock);
	pthread_rwlock_wrlock(&s->log.lock);
	set_aside_and_end(s->dir, reason);
}

struct store *
store_open_or_abandon(const char *dir, const char *const tables[], unsigned table_count,
    uint64_t cache_bytes, char *error, size_t error_size)
{
	struct trouble trouble = {0};
	struct store *s = store_try_open(dir, tables, table_count, cache_bytes, &trouble);
	if (s != NULL && s->partial_until == UINT64_MAX)
		store_abandon(s, ASIDE_INCOMPLETE);
	if (s == NULL && trouble.damage != NULL) {
		log_error("%s", trouble.sentence);
		/* The lock was given back with what was opened of it. */
		trouble.sentence[0] = '\0';
		if (env_lock(dir, &trouble) >= 0)
			set_aside_and_end(dir, trouble.damage);
	}
	if (s == NULL)
		snprintf(error, error_size, "%s", trouble.sentence);
	return s;
}
