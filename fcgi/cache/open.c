#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/cache/handle.h"

#define OPEN_TRIES 16 /* how often the name may lead elsewhere while we look */
#define OPEN_WAIT_MS 2000
#define REOPEN_WAIT_MS 50 /* by threads that have other things to do; they will try again */

/* ---- One segment file ---- */

enum found {
	FOUND_USABLE,  /* mapped */
	FOUND_UNSOUND, /* not to be used */
	FOUND_MOVED,   /* look again: it was removed, by others or by us */
	FOUND_FAILED   /* errno */
};

/* Whoever makes, judges or removes a segment holds its file's lock; the kernel lets it go when that
 * process dies. A time limit, because that process may also be stopped. */
static int
lock_file(int fd, int patience_ms)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		if (waited == patience_ms) {
			errno = ETIMEDOUT;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Whether the name leads to this file. When that cannot be told (no descriptors left) it is
 * believed. */
static bool
is_named(const char *name, dev_t dev, ino_t ino)
{
	int fd = shm_open(name, O_RDWR, 0);
	struct stat st;
	bool same;

	if (fd < 0)
		return errno != ENOENT;
	same = fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
	close(fd);
	return same;
}

static void *
map(int fd, size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* Space is taken now, so that writing to it cannot fail (SIGBUS) later. */
static enum found
create(struct cache *c, int fd, const struct stat *st)
{
	size_t size = segment_size(&c->geometry);
	int rc = posix_fallocate(fd, 0, (off_t)size);
	void *mem = rc == 0 ? map(fd, size) : NULL;

	CACHE_STEP();
	if (mem == NULL || segment_format(&c->segment, mem, &c->geometry) != 0) {
		rc = rc != 0 ? rc : errno;
		if (mem != NULL)
			munmap(mem, size);
		shm_unlink(c->name);
		errno = rc;
		return FOUND_FAILED;
	}
	c->dev = st->st_dev;
	c->ino = st->st_ino;
	return FOUND_USABLE;
}

/* Even one that looks like garbage to us may be in use by others: the word is always in the same
 * place. */
static void
condemn(const char *name, int fd, const struct stat *st)
{
	struct header *head;

	if (st->st_size >= (off_t)sizeof(*head) && (head = map(fd, sizeof(*head))) != NULL) {
		atomic_store(&head->dead, 1);
		munmap(head, sizeof(*head));
	}
	CACHE_STEP();
	shm_unlink(name);
}

/* What is in the file, if it is sound, alive and (unless any will do) of our geometry. */
static enum found
attach(struct cache *c, int fd, const struct stat *st, bool any)
{
	const struct cache_geometry *found = &c->segment.geometry;
	size_t size = (size_t)st->st_size;
	void *mem = map(fd, size);

	if (mem == NULL)
		return FOUND_FAILED;
	if (segment_attach(&c->segment, mem, size) != 0 || segment_dead(&c->segment) ||
	    (!any && memcmp(found, &c->geometry, sizeof(*found)) != 0)) {
		munmap(mem, size);
		c->segment.head = NULL;
		return FOUND_UNSOUND;
	}
	c->dev = st->st_dev;
	c->ino = st->st_ino;
	return FOUND_USABLE;
}

static enum found
take_up(struct cache *c, int fd, bool any, int patience_ms)
{
	enum found found;
	struct stat st;

	if (lock_file(fd, patience_ms) != 0 || fstat(fd, &st) != 0)
		return FOUND_FAILED;
	if (st.st_uid != geteuid() || (st.st_mode & 07777) != 0600) {
		errno = EACCES;
		return FOUND_FAILED;
	}
	if (!is_named(c->name, st.st_dev, st.st_ino))
		return FOUND_MOVED;
	if (st.st_size == 0 && c->may_create)
		return create(c, fd, &st);
	found = st.st_size > 0 ? attach(c, fd, &st, any) : FOUND_UNSOUND;
	if (found != FOUND_UNSOUND)
		return found;
	if (!c->may_create) {
		errno = ENOENT;
		return FOUND_FAILED;
	}
	condemn(c->name, fd, &st);
	return FOUND_MOVED;
}

/* Fill in c->segment, dev and ino. */
static int
find_segment(struct cache *c, bool any, int patience_ms)
{
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		int fd = shm_open(c->name, O_RDWR | (c->may_create ? O_CREAT : 0), 0600);
		enum found found;

		if (fd < 0)
			return -1;
		found = take_up(c, fd, any, patience_ms);
		flock(fd, LOCK_UN); /* the mapping would keep it beyond close */
		close(fd);
		if (found != FOUND_MOVED)
			return found == FOUND_USABLE ? 0 : -1;
	}
	errno = EAGAIN;
	return -1;
}

/* ---- Handles ---- */

/* Writers first, or cache_reopen might wait for ever behind readers that come and go. */
static int
make_map_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;
	int rc = pthread_rwlockattr_init(&attr);

	if (rc != 0)
		return -1;
	rc = pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	if (rc == 0)
		rc = pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

static struct cache *
handle_new(const char *name, const struct cache_geometry *g)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	if (name != NULL && (c->name = strdup(name)) == NULL)
		goto fail;
	if (make_map_lock(&c->map_lock) != 0)
		goto fail;
	if (g != NULL) {
		c->geometry = *g;
		c->may_create = true;
	}
	return c;
fail:
	free(c->name);
	free(c);
	errno = ENOMEM;
	return NULL;
}

void
cache_close(struct cache *c)
{
	if (c == NULL)
		return;
	if (c->name != NULL && c->segment.head != NULL)
		munmap(c->segment.head, c->segment.size);
	pthread_rwlock_destroy(&c->map_lock);
	free(c->name);
	free(c);
}

size_t
cache_size(const struct cache_geometry *g)
{
	return segment_size(g);
}

struct cache *
cache_format(void *mem, size_t size, const struct cache_geometry *g)
{
	struct cache *c;

	if (segment_size(g) == 0 || size < segment_size(g)) {
		errno = EINVAL;
		return NULL;
	}
	c = handle_new(NULL, g);
	if (c != NULL && segment_format(&c->segment, mem, g) != 0) {
		cache_close(c);
		errno = ENOMEM;
		return NULL;
	}
	return c;
}

struct cache *
cache_new(const char *name, const struct cache_geometry *g)
{
	if (g != NULL && segment_size(g) == 0) {
		errno = EINVAL;
		return NULL;
	}
	return handle_new(name, g);
}

struct cache *
cache_front(const char *name)
{
	struct cache *c = handle_new(name, NULL);

	if (c != NULL)
		c->front = true;
	return c;
}

bool
handle_alive(struct cache *c)
{
	bool alive;

	pthread_rwlock_rdlock(&c->map_lock);
	if (c->name != NULL && c->segment.head != NULL && !is_named(c->name, c->dev, c->ino))
		segment_kill(&c->segment);
	alive = !segment_dead(&c->segment);
	pthread_rwlock_unlock(&c->map_lock);
	return alive;
}

static bool
is_mapped(struct cache *c)
{
	bool mapped;

	pthread_rwlock_rdlock(&c->map_lock);
	mapped = c->segment.head != NULL;
	pthread_rwlock_unlock(&c->map_lock);
	return mapped;
}

/* The new one is looked for beside the old one, so that other threads go on (with an old one that
 * is off) while we wait for the file's lock. The first one must have the geometry asked for. */
static int
move_on(struct cache *c, int patience_ms)
{
	struct cache fresh = {
	    .name = c->name, .geometry = c->geometry, .may_create = c->may_create};
	struct segment old;

	if (find_segment(&fresh, is_mapped(c) || !c->may_create, patience_ms) != 0)
		return -1;

	pthread_rwlock_wrlock(&c->map_lock);
	old = c->segment;
	c->segment = fresh.segment;
	c->dev = fresh.dev;
	c->ino = fresh.ino;
	pthread_rwlock_unlock(&c->map_lock);
	if (old.head != NULL)
		munmap(old.head, old.size);
	return 0;
}

struct cache *
cache_open(const char *name, const struct cache_geometry *g)
{
	struct cache *c = cache_new(name, g);

	if (c != NULL && move_on(c, OPEN_WAIT_MS) != 0) {
		int why = errno;

		cache_close(c);
		errno = why;
		return NULL;
	}
	return c;
}

int
cache_reopen(struct cache *c)
{
	if (handle_alive(c))
		return 0;
	if (c->name == NULL) {
		errno = ENOENT;
		return -1;
	}
	return move_on(c, c->front ? 0 : REOPEN_WAIT_MS);
}

int
cache_unlink(const char *name)
{
	int fd = shm_open(name, O_RDWR, 0), rc;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	rc = lock_file(fd, OPEN_WAIT_MS) == 0 && fstat(fd, &st) == 0 ? 0 : -1;
	if (rc == 0 && is_named(name, st.st_dev, st.st_ino))
		condemn(name, fd, &st);
	close(fd);
	return rc;
}
