#include "fcgi/store/mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"

#define TAIL 4096u /* bytes before the end that the mark knows by their hash */

/* The file, in host byte order: it never leaves the machine. */
struct record {
	struct log_end end;
	uint64_t tail; /* hash of the last TAIL bytes before the end */
	uint64_t self; /* hash of all before */
};

struct mark {
	char *dir;
	int fd;
	int log_fd; /* of log file `log`, or -1 */
	uint32_t log;
};

static uint64_t
own_hash(const struct record *r)
{
	return hash64(r, offsetof(struct record, self));
}

static int
open_log(const char *dir, uint32_t number)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/log.%010" PRIu32, dir, number);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* 0; -1 with errno, which is 0 when the file ends before. */
static int
hash_tail(int log_fd, uint32_t offset, uint64_t *hash)
{
	uint8_t bytes[TAIL];
	size_t len = offset < TAIL ? offset : TAIL;
	ssize_t got = pread(log_fd, bytes, len, (off_t)(offset - len));
	if (got != (ssize_t)len) {
		errno = got < 0 ? errno : 0;
		return -1;
	}
	*hash = hash64(bytes, len);
	return 0;
}

/* ---- Checking ---- */

static bool
has_later_log(const char *dir, uint32_t number)
{
	bool found = false;
	DIR *d = opendir(dir);
	for (struct dirent *e; d != NULL && !found && (e = readdir(d)) != NULL;)
		found =
		    strncmp(e->d_name, "log.", 4) == 0 && strtoul(e->d_name + 4, NULL, 10) > number;
	if (d != NULL)
		closedir(d);
	return found;
}

static int
cannot_read(const char *dir, struct trouble *trouble)
{
	return trouble_say(trouble, NULL, "cannot read the log in %s: %s", dir, strerror(errno));
}

static int
check_tail(const char *dir, int log_fd, const struct record *r, struct trouble *trouble)
{
	uint64_t hash;
	if (hash_tail(log_fd, r->end.offset, &hash) == 0)
		return hash == r->tail ? 0
				       : trouble_say(trouble, "damaged-log",
					     "the store in %s is damaged: log file %" PRIu32
					     " is not what was written",
					     dir, r->end.file);
	if (errno != 0)
		return cannot_read(dir, trouble);
	return trouble_say(trouble, "truncated-log",
	    "the store in %s is damaged: log file %" PRIu32 " ends before byte %" PRIu32, dir,
	    r->end.file, r->end.offset);
}

static int
check_log(const char *dir, const struct record *r, struct trouble *trouble)
{
	int fd = open_log(dir, r->end.file);
	if (fd < 0 && errno != ENOENT)
		return cannot_read(dir, trouble);
	if (fd < 0 && has_later_log(dir, r->end.file))
		return 0; /* no longer needed */
	if (fd < 0)
		return trouble_say(trouble, "missing-file",
		    "the store in %s is damaged: log file %" PRIu32 " is missing", dir,
		    r->end.file);
	int rc = check_tail(dir, fd, r, trouble);
	close(fd);
	return rc;
}

struct mark *
mark_open(const char *dir, struct log_end *end, struct trouble *trouble)
{
	char path[PATH_MAX];
	struct record r;
	snprintf(path, sizeof(path), "%s/flushed", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ssize_t got = fd < 0 ? -1 : pread(fd, &r, sizeof(r), 0);
	if (got < 0) {
		trouble_say(trouble, NULL, "cannot use %s: %s", path, strerror(errno));
		goto failed;
	}
	*end = (struct log_end){0};
	if (got == (ssize_t)sizeof(r) && r.self == own_hash(&r)) {
		if (check_log(dir, &r, trouble) != 0)
			goto failed;
		*end = r.end;
	}
	struct mark *m = xcalloc(1, sizeof(*m));
	m->dir = xstrdup(dir);
	m->fd = fd;
	m->log_fd = -1;
	return m;

failed:
	if (fd >= 0)
		close(fd);
	return NULL;
}

void
mark_close(struct mark *m)
{
	if (m == NULL)
		return;
	close(m->fd);
	if (m->log_fd >= 0)
		close(m->log_fd);
	free(m->dir);
	free(m);
}

/* ---- Writing ---- */

static void
follow_log(struct mark *m, uint32_t number)
{
	if (m->log == number)
		return;
	if (m->log_fd >= 0)
		close(m->log_fd);
	m->log_fd = open_log(m->dir, number);
	if (m->log_fd < 0)
		log_fatal("store: cannot open log file %" PRIu32 ": %s", number, strerror(errno));
	m->log = number;
}

void
mark_write(struct mark *m, struct log_end end)
{
	struct record r = {.end = end};
	if (end.offset == 0)
		return; /* a new file, of which nothing is there yet */
	follow_log(m, end.file);
	if (hash_tail(m->log_fd, end.offset, &r.tail) != 0)
		log_fatal("store: cannot read log file %" PRIu32 ": %s", end.file, strerror(errno));
	r.self = own_hash(&r);
	if (pwrite(m->fd, &r, sizeof(r), 0) != (ssize_t)sizeof(r))
		log_fatal("store: cannot write how far the log is flushed: %s", strerror(errno));
}
