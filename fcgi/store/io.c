#include "fcgi/store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <db.h>

#include "fcgi/log.h"

static atomic_int first_error;

int
io_error(void)
{
	return atomic_load(&first_error);
}

/* A file that is missing, or there already, says something about the store. */
static void
note(bool failed)
{
	int none = 0, error = errno;
	if (failed && error != ENOENT && error != EEXIST && error != EINTR)
		atomic_compare_exchange_strong(&first_error, &none, error);
	errno = error;
}

/* ---- Syncing ---- */

/* A failed fsync may have dropped the very pages it was asked to keep, and the next one would
 * "succeed": nothing of this process can be trusted any more. */
static int
sync_or_die(int fd)
{
	while (fdatasync(fd) != 0) {
		if (errno != EINTR)
			log_fatal("store: fdatasync: %s", strerror(errno));
	}
	return 0;
}

/* A file's name is not on disk before its directory is. */
static void
sync_directory_of(const char *path)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		log_fatal("store: fsync of the directory of %s: %s", path, strerror(errno));
	close(fd);
}

/* ---- Names ---- */

static int
open_file(const char *path, int flags, ...)
{
	mode_t mode = 0;
	if ((flags & O_CREAT) != 0) {
		va_list args;
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	int fd = open(path, flags | O_CLOEXEC, mode);
	note(fd < 0);
	if (fd >= 0 && (flags & O_CREAT) != 0)
		sync_directory_of(path);
	return fd;
}

static int
rename_file(const char *from, const char *to)
{
	int rc = rename(from, to);
	note(rc != 0);
	if (rc == 0)
		sync_directory_of(to);
	return rc;
}

static int
unlink_file(const char *path)
{
	int rc = unlink(path);
	note(rc != 0);
	return rc;
}

/* ---- Contents ---- */

static ssize_t
pread_file(int fd, void *bytes, size_t len, off_t at)
{
	ssize_t got = pread(fd, bytes, len, at);
	note(got < 0);
	return got;
}

static ssize_t
pwrite_file(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t put = pwrite(fd, bytes, len, at);
	note(put < 0);
	return put;
}

/* Berkeley DB takes anything but all for a failure, and has no idea of its reason. */
static ssize_t
write_file(int fd, const void *bytes, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t put = write(fd, (const char *)bytes + done, len - done);
		note(put < 0);
		if (put < 0 && errno != EINTR)
			return -1;
		done += put > 0 ? (size_t)put : 0;
	}
	return (ssize_t)len;
}

static int
truncate_file(int fd, off_t len)
{
	int rc = ftruncate(fd, len);
	note(rc != 0);
	return rc;
}

static void *
allocate(size_t size)
{
	void *memory = malloc(size);
	note(memory == NULL);
	return memory;
}

static void *
reallocate(void *old, size_t size)
{
	void *memory = realloc(old, size);
	note(memory == NULL && size > 0);
	return memory;
}

/* read is left alone: in its place Berkeley DB would take the end of a file for a failure. What it
 * says then names the error (env_explain). */
static void
set_hooks(void)
{
	db_env_set_func_fsync(sync_or_die);
	db_env_set_func_open(open_file);
	db_env_set_func_rename(rename_file);
	db_env_set_func_unlink(unlink_file);
	db_env_set_func_pread(pread_file);
	db_env_set_func_pwrite(pwrite_file);
	db_env_set_func_write(write_file);
	db_env_set_func_ftruncate(truncate_file);
	db_env_set_func_malloc(allocate);
	db_env_set_func_realloc(reallocate);
}

void
io_setup(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, set_hooks);
}
