/* The gate with its mutex: the replicator moves it, readers pass it. */
#include "fcgi/base/wait.h"
#include "replica/core/read.h"
#include "replica/replicator.h"

#define DIRTY_WAIT_MS 2000
/* A gate that has closed just now may open again at once: when primary and backup change places
 * there is a moment in which neither may be read. */
#define CLOSED_WAIT_MS 500

void
reads_init(struct replica *r)
{
	pthread_mutex_init(&r->gate_lock, NULL);
	wait_init(&r->gate_moved);
	r->gate = gate_new();
}

void
reads_destroy(struct replica *r)
{
	gate_free(r->gate);
	pthread_cond_destroy(&r->gate_moved);
	pthread_mutex_destroy(&r->gate_lock);
}

void
reads_open(struct replica *r, bool open, uint64_t until)
{
	pthread_mutex_lock(&r->gate_lock);
	uint64_t now = clock_ms(), was_until = gate_open_until(r->gate);
	if (was_until != 0)
		r->was_open = was_until < now ? was_until : now;
	gate_set_open(r->gate, open, until);
	pthread_cond_broadcast(&r->gate_moved);
	pthread_mutex_unlock(&r->gate_lock);
}

void
reads_mark(struct replica *r, struct entry *const *entries, size_t count)
{
	pthread_mutex_lock(&r->gate_lock);
	for (size_t i = 0; i < count; i++) {
		const struct entry *e = entries[i];
		gate_mark(r->gate, e->keys, e->key_count, e->at.seq);
	}
	pthread_mutex_unlock(&r->gate_lock);
}

void
reads_truncate(struct replica *r, uint64_t from_seq)
{
	pthread_mutex_lock(&r->gate_lock);
	gate_truncate(r->gate, from_seq);
	pthread_mutex_unlock(&r->gate_lock);
}

void
reads_applied(struct replica *r, uint64_t seq)
{
	pthread_mutex_lock(&r->gate_lock);
	gate_set_applied(r->gate, seq);
	pthread_cond_broadcast(&r->gate_moved);
	pthread_mutex_unlock(&r->gate_lock);
}

/* With the lock held, which the wait gives up. */
static bool
wait_for_applied(struct replica *r, uint64_t seq)
{
	uint64_t deadline = clock_ms() + DIRTY_WAIT_MS;
	while (gate_applied(r->gate) < seq) {
		if (!wait_until(&r->gate_moved, &r->gate_lock, deadline))
			return gate_applied(r->gate) >= seq;
	}
	return true;
}

/* With the lock held, which the wait gives up. The verdict is that of its end. */
static enum gate_verdict
check(struct replica *r, uint64_t key, uint64_t *wait_for)
{
	enum gate_verdict verdict;
	while ((verdict = gate_check(r->gate, clock_ms(), key, wait_for)) == GATE_CLOSED) {
		uint64_t until = gate_open_until(r->gate);
		uint64_t closed_at = until != 0 ? until : r->was_open;
		if (!wait_until(&r->gate_moved, &r->gate_lock, closed_at + CLOSED_WAIT_MS))
			break;
	}
	return verdict;
}

int
replica_read(struct replica *r, uint64_t key)
{
	struct read read;
	uint64_t wait_for = 0;

	read_start(&read);
	pthread_mutex_lock(&r->gate_lock);
	while (read_next(&read) == READ_CHECK || read_next(&read) == READ_WAIT) {
		if (read_next(&read) == READ_CHECK) {
			enum gate_verdict verdict = check(r, key, &wait_for);
			read_checked(&read, verdict, wait_for);
		} else {
			read_waited(&read, wait_for_applied(r, read.wait_for));
		}
	}
	pthread_mutex_unlock(&r->gate_lock);
	return read_next(&read) == READ_ROWS ? 0 : -1;
}

bool
replica_serving(struct replica *r)
{
	pthread_mutex_lock(&r->gate_lock);
	bool open = clock_ms() < gate_open_until(r->gate);
	pthread_mutex_unlock(&r->gate_lock);
	return open;
}
