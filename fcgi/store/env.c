#include "fcgi/store/env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "fcgi/store/io.h"
#include "fcgi/store/mark.h"

#define LOG_BUFFER (1u << 20) /* bytes; a usual batch fits */
#define LOG_FILE (16u << 20)  /* bytes */
#define CHECKPOINT_KB 1024    /* of log written since the last one; less is recovered in no time */
#define CHECKPOINT_SECONDS 1

#define ENV_FLAGS                                                                                  \
	(DB_CREATE | DB_RECOVER | DB_PRIVATE | DB_THREAD | DB_INIT_TXN | DB_INIT_LOG |             \
	    DB_INIT_MPOOL)

struct env {
	DB_ENV *db;
	char *dir;
	int lock_fd;
	struct mark *mark;
	bool has_history;
	bool opening;
	char said[200]; /* Berkeley DB's first complaint while opening */
	pthread_t checkpointer;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stopping; /* under mutex */
};

DB_ENV *
env_handle(struct env *e)
{
	return e->db;
}

void
env_check(int rc, const char *doing)
{
	if (rc != 0)
		log_fatal("store: %s: %s", doing, db_strerror(rc));
}

/* ---- What Berkeley DB calls ---- */

static void
on_error(const DB_ENV *db, const char *prefix, const char *message)
{
	(void)prefix;
	struct env *e = db->app_private;
	if (!e->opening)
		log_error("store: %s", message);
	else if (e->said[0] == '\0')
		snprintf(e->said, sizeof(e->said), "%s", message);
}

static void
on_event(DB_ENV *db, u_int32_t event, void *info)
{
	(void)info;
	const struct env *e = db->app_private;
	if (event == DB_EVENT_PANIC && !e->opening)
		log_fatal("store: %s: Berkeley DB asks for recovery", e->dir);
}

/* A system call's error: never the store's fault. */
static int
explain_system(const char *dir, int error, struct trouble *trouble)
{
	if (error == EACCES || error == EPERM || error == EROFS)
		return trouble_say(trouble, NULL, "%s is not writable", dir);
	if (error == ENOSPC || error == EDQUOT)
		return trouble_say(trouble, NULL, "no space left for %s", dir);
	if (error == ENOMEM)
		return trouble_say(trouble, NULL, "not enough memory to open %s", dir);
	return trouble_say(trouble, NULL, "cannot open %s: %s", dir, strerror(error));
}

/* What goes wrong in a recovery comes as DB_RUNRECOVERY, whatever it was: then only the first
 * system call that failed, and Berkeley DB's first words, tell. */
int
env_explain(const struct env *e, int rc, struct trouble *trouble)
{
	static const int outside[] = {ENOMEM, EACCES, EPERM, EROFS, ENOSPC, EDQUOT, EIO};
	const char *said = e->said[0] != '\0' ? e->said : db_strerror(rc);
	if (io_error() != 0)
		return explain_system(e->dir, io_error(), trouble);
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		if (rc == outside[i] || strstr(said, strerror(outside[i])) != NULL)
			return explain_system(e->dir, outside[i], trouble);
	if (strstr(said, "memory") != NULL || strstr(said, "version") != NULL ||
	    rc == DB_OLD_VERSION || rc == DB_VERSION_MISMATCH)
		return trouble_say(trouble, NULL, "cannot open %s: %s", e->dir, said);
	return trouble_say(trouble, rc == ENOENT ? "missing-file" : "damaged-page",
	    "the store in %s is damaged: %s", e->dir, said);
}

/* ---- The directory ---- */

/* In `path`, held as `fd`. The lock lives as long as the descriptor, so a crash leaves none behind;
 * the pid in the file is for the sentence only. */
static int
lock_file(const char *dir, int fd, struct trouble *trouble)
{
	char pid[16] = "";
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (read(fd, pid, sizeof(pid) - 1) <= 0)
			strcpy(pid, "?");
		return trouble_say(trouble, NULL, "%s is in use by process %s", dir, pid);
	}
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (ftruncate(fd, 0) != 0 || write(fd, pid, strlen(pid)) != (ssize_t)strlen(pid))
		return explain_system(dir, errno, trouble);
	return 0;
}

int
env_lock(const char *dir, struct trouble *trouble)
{
	char path[4096];
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return trouble_say(trouble, NULL, "cannot create %s: %s", dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/lock", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return explain_system(dir, errno, trouble);
	if (lock_file(dir, fd, trouble) == 0)
		return fd;
	close(fd);
	return -1;
}

uint64_t
env_bytes(const struct env *e)
{
	uint64_t bytes = 0;
	DIR *dir = opendir(e->dir);
	if (dir == NULL)
		return 0;
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		struct stat st;
		if (fstatat(dirfd(dir), d->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	closedir(dir);
	return bytes;
}

/* ---- Checkpoints: they bound the time of the next recovery and let old log files go ---- */

static void *
checkpoint_loop(void *arg)
{
	struct env *e = arg;
	pthread_mutex_lock(&e->mutex);
	while (!e->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += CHECKPOINT_SECONDS;
		pthread_cond_timedwait(&e->wake, &e->mutex, &until);
		pthread_mutex_unlock(&e->mutex);
		env_check(e->db->txn_checkpoint(e->db, CHECKPOINT_KB, 0, 0), "checkpoint");
		pthread_mutex_lock(&e->mutex);
	}
	pthread_mutex_unlock(&e->mutex);
	return NULL;
}

static void
start_checkpoints(struct env *e)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&e->mutex, NULL);
	int rc = pthread_create(&e->checkpointer, NULL, checkpoint_loop, e);
	if (rc != 0)
		log_fatal("store: cannot start a thread: %s", strerror(rc));
}

void
env_stop_checkpoints(struct env *e)
{
	pthread_mutex_lock(&e->mutex);
	e->stopping = true;
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->mutex);
	pthread_join(e->checkpointer, NULL);
	pthread_cond_destroy(&e->wake);
	pthread_mutex_destroy(&e->mutex);
}

/* ---- Opening, closing ---- */

static int
open_db(struct env *e, uint64_t cache_bytes)
{
	int rc = db_env_create(&e->db, 0);
	if (rc != 0)
		return rc;
	DB_ENV *db = e->db;
	db->app_private = e;
	db->set_errcall(db, on_error);
	if ((rc = db->set_event_notify(db, on_event)) != 0 ||
	    (rc = db->set_cachesize(db, (u_int32_t)(cache_bytes >> 30),
		 (u_int32_t)(cache_bytes & ((1u << 30) - 1)), 1)) != 0 ||
	    (rc = db->set_lg_bsize(db, LOG_BUFFER)) != 0 ||
	    (rc = db->set_lg_max(db, LOG_FILE)) != 0 ||
	    (rc = db->log_set_config(db, DB_LOG_AUTO_REMOVE, 1)) != 0 ||
	    (rc = db->set_flags(db, DB_TXN_NOSYNC, 1)) != 0)
		return rc;
	return db->open(db, e->dir, ENV_FLAGS, 0600);
}

/* Up to where the log is on disk; file 0: cannot be told (`rc`). */
static struct log_end
log_end(const struct env *e, int *rc)
{
	DB_LOG_STAT *s = NULL;
	struct log_end end = {0};
	*rc = e->db->log_stat(e->db, &s, 0);
	if (*rc == 0)
		end = (struct log_end){s->st_disk_file, s->st_disk_offset};
	free(s);
	return end;
}

/* Recovery has found everything that was flushed. */
static int
check_end(const struct env *e, struct log_end least, struct trouble *trouble)
{
	int rc;
	struct log_end end = log_end(e, &rc);
	if (rc != 0)
		return env_explain(e, rc, trouble);
	if (end.file > least.file || (end.file == least.file && end.offset >= least.offset))
		return 0;
	return trouble_say(trouble, "damaged-log",
	    "the store in %s is damaged: its log makes sense up to byte %u of file %u, and was "
	    "written to byte %u of file %u",
	    e->dir, end.offset, end.file, least.offset, least.file);
}

/* What is to be done under the lock. 0, or -1 with the trouble. */
static int
open_locked(struct env *e, uint64_t cache_bytes, struct trouble *trouble)
{
	struct log_end least;
	e->mark = mark_open(e->dir, &least, trouble);
	if (e->mark == NULL)
		return -1;
	e->has_history = least.file != 0;
	int rc = open_db(e, cache_bytes);
	if (rc != 0)
		return env_explain(e, rc, trouble);
	return check_end(e, least, trouble);
}

struct env *
env_open(const char *dir, uint64_t cache_bytes, struct trouble *trouble)
{
	io_setup();
	struct env *e = xcalloc(1, sizeof(*e));
	e->dir = xstrdup(dir);
	e->opening = true;
	e->lock_fd = env_lock(dir, trouble);
	if (e->lock_fd >= 0 && open_locked(e, cache_bytes, trouble) == 0)
		return e;
	env_close(e);
	return NULL;
}

bool
env_has_history(const struct env *e)
{
	return e->has_history;
}

void
env_opened(struct env *e)
{
	e->opening = false;
	start_checkpoints(e);
}

void
env_close(struct env *e)
{
	if (!e->opening) {
		env_stop_checkpoints(e);
		env_check(e->db->txn_checkpoint(e->db, 0, 0, 0), "last checkpoint");
		env_check(e->db->close(e->db, 0), "closing");
	} else if (e->db != NULL) {
		(void)e->db->close(e->db, 0); /* opening failed, and for a reason already told */
	}
	mark_close(e->mark);
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	free(e->dir);
	free(e);
}

void
env_flush(struct env *e)
{
	int rc;
	env_check(e->db->log_flush(e->db, NULL), "flush");
	struct log_end end = log_end(e, &rc);
	env_check(rc, "flush");
	mark_write(e->mark, end);
}
