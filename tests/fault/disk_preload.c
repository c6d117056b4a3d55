/*
 * A library to preload (LD_PRELOAD): a disk that fails when a test says so.
 *
 *     BAZAR_DISK_CONTROL     the control file: 4096 bytes, shared by all processes that preload
 *                            this; made by the first that finds none
 *
 * Its first 4088 bytes are text, one rule a line, the rest of them zero:
 *
 *     FAULT PART-OF-PATH [SKIP [TIMES]]
 *
 * Write it in place (never rename another over it); it is followed at once. A rule holds for files
 * and directories whose path contains PART-OF-PATH. SKIP calls (default 0) succeed first, in each
 * process, counted from when it sees the text change; then TIMES calls (default: all) fail.
 *
 *     sync-eio        fsync and fdatasync fail with EIO
 *     write-eio       writes fail with EIO
 *     write-enospc    the disk is full: writes, and opens that would make a file, fail with ENOSPC
 *     write-short     of each write only the first half arrives, as on a disk that is nearly full;
 *                     writes of one byte fail with ENOSPC
 *     read-eio        reads fail with EIO
 *     read-only       everything that changes something fails with EROFS, also through descriptors
 *                     opened before, as on a file system remounted after an error
 *
 * The last 8 bytes are the number of calls that were made to fail since the file was made (an
 * unsigned integer in the machine's byte order).
 *
 * Covered: open, write, pwrite, writev, read, pread, fsync, fdatasync, ftruncate, fallocate,
 * rename, unlink, mkdir and their 64-bit and checked forms, with absolute paths. Not covered:
 * stdio, mmap, the ...at calls. May be stacked before disk_powerloss.so: "disk_preload.so
 * disk_powerloss.so".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/fault/disk_calls.h"

#define RULES 16

struct control {
	char text[4088];
	_Atomic uint64_t failed;
};
_Static_assert(sizeof(struct control) == 4096, "the control file is one page");

enum fault { SYNC_EIO, WRITE_EIO, WRITE_ENOSPC, WRITE_SHORT, READ_EIO, READ_ONLY, FAULTS };
static const char *const fault_names[FAULTS] = {
    "sync-eio", "write-eio", "write-enospc", "write-short", "read-eio", "read-only"};

struct rule {
	enum fault fault;
	char part[PATH_MAX];
	unsigned long skip, times;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct control *control;
static char known[sizeof(((struct control *)0)->text)]; /* the text that the rules are from */
static struct rule rules[RULES];
static unsigned rule_count;

/* ---- The rules ---- */

static __attribute__((constructor)) void
map_control(void)
{
	const char *path = getenv("BAZAR_DISK_CONTROL");
	struct stat st;
	if (path == NULL)
		return;
	int fd = REAL(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) != 0 ||
	    (st.st_size < (off_t)sizeof(*control) && REAL(ftruncate)(fd, sizeof(*control)) != 0)) {
		fprintf(stderr, "disk_preload: %s: %s\n", path, strerror(errno));
		abort();
	}
	void *page = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REAL(close)(fd);
	if (page != MAP_FAILED)
		control = page;
}

static void
parse_line(char *line)
{
	char *save, *name = strtok_r(line, " ", &save), *part = strtok_r(NULL, " ", &save);
	char *skip = strtok_r(NULL, " ", &save), *times = strtok_r(NULL, " ", &save);
	struct rule *r = &rules[rule_count];
	if (part == NULL || rule_count == RULES)
		return;
	*r = (struct rule){.skip = skip != NULL ? strtoul(skip, NULL, 10) : 0,
	    .times = times != NULL ? strtoul(times, NULL, 10) : ULONG_MAX};
	snprintf(r->part, sizeof(r->part), "%s", part);
	while (r->fault < FAULTS && strcmp(fault_names[r->fault], name) != 0)
		r->fault++;
	if (r->fault < FAULTS)
		rule_count++;
}

static void
parse(void)
{
	char text[sizeof(known)], *save;
	memcpy(known, control->text, sizeof(known));
	memcpy(text, known, sizeof(known));
	text[sizeof(text) - 1] = '\0';
	rule_count = 0;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		parse_line(line);
}

static bool
take(struct rule *r)
{
	if (r->skip > 0) {
		r->skip--;
		return false;
	}
	if (r->times == 0)
		return false;
	if (r->times != ULONG_MAX)
		r->times--;
	return true;
}

/* Is a call on this path to have one of these faults (bits)? FAULTS: it is not. */
static enum fault
strikes(const char *path, unsigned faults)
{
	enum fault found = FAULTS;
	pthread_mutex_lock(&lock);
	if (memcmp(known, control->text, sizeof(known)) != 0)
		parse();
	for (unsigned i = 0; i < rule_count && found == FAULTS; i++) {
		struct rule *r = &rules[i];
		if ((faults & 1u << r->fault) != 0 && strstr(path, r->part) != NULL && take(r))
			found = r->fault;
	}
	pthread_mutex_unlock(&lock);
	if (found != FAULTS)
		atomic_fetch_add(&control->failed, 1);
	return found;
}

static bool
quiet(void)
{
	return control == NULL || (rule_count == 0 && control->text[0] == '\0');
}

static enum fault
strikes_fd(int fd, unsigned faults)
{
	char link[32], path[PATH_MAX];
	if (quiet())
		return FAULTS;
	int error = errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	errno = error;
	return len > 0 ? strikes(path, faults) : FAULTS;
}

static int
error_of(enum fault fault)
{
	switch (fault) {
	case SYNC_EIO:
	case WRITE_EIO:
	case READ_EIO:
		return EIO;
	case WRITE_ENOSPC:
	case WRITE_SHORT:
		return ENOSPC;
	default:
		return EROFS;
	}
}

static bool
fails(enum fault fault)
{
	if (fault == FAULTS)
		return false;
	errno = error_of(fault);
	return true;
}

#define WRITING (1u << WRITE_EIO | 1u << WRITE_ENOSPC | 1u << WRITE_SHORT | 1u << READ_ONLY)
#define NAMING (1u << WRITE_ENOSPC | 1u << READ_ONLY)

/* How much of a write arrives; -1: nothing, and errno is set. */
static ssize_t
arrives(int fd, size_t len)
{
	enum fault fault = strikes_fd(fd, WRITING);
	if (fault == WRITE_SHORT && len > 1)
		return (ssize_t)(len / 2);
	return fails(fault) ? -1 : (ssize_t)len;
}

/* ---- Opening ---- */

static int
open_any(const char *path, int flags, mode_t mode)
{
	struct stat st;
	bool changes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
	if (!quiet() && changes) {
		bool makes = (flags & O_CREAT) != 0 && stat(path, &st) != 0;
		if (fails(strikes(path, makes ? NAMING : 1u << READ_ONLY)))
			return -1;
	}
	return REAL(open)(path, flags, mode);
}

/* ---- Writing ---- */

EXPORT ssize_t
write(int fd, const void *bytes, size_t len)
{
	ssize_t part = arrives(fd, len);
	return part < 0 ? -1 : REAL(write)(fd, bytes, (size_t)part);
}

EXPORT ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t part = arrives(fd, len);
	return part < 0 ? -1 : REAL(pwrite)(fd, bytes, (size_t)part, at);
}

EXPORT ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	return fails(strikes_fd(fd, WRITING)) ? -1 : REAL(writev)(fd, parts, count);
}

EXPORT int
ftruncate(int fd, off_t len)
{
	return fails(strikes_fd(fd, WRITING)) ? -1 : REAL(ftruncate)(fd, len);
}

EXPORT int
fallocate(int fd, int mode, off_t at, off_t len)
{
	return fails(strikes_fd(fd, WRITING)) ? -1 : REAL(fallocate)(fd, mode, at, len);
}

EXPORT int
posix_fallocate(int fd, off_t at, off_t len)
{
	enum fault fault = strikes_fd(fd, WRITING);
	return fault != FAULTS ? error_of(fault) : REAL(posix_fallocate)(fd, at, len);
}

EXPORT int
fsync(int fd)
{
	return fails(strikes_fd(fd, 1u << SYNC_EIO)) ? -1 : REAL(fsync)(fd);
}

EXPORT int
fdatasync(int fd)
{
	return fails(strikes_fd(fd, 1u << SYNC_EIO)) ? -1 : REAL(fdatasync)(fd);
}

/* ---- Reading ---- */

ssize_t __read_chk(int fd, void *bytes, size_t len, size_t room);
ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t at, size_t room);

EXPORT ssize_t
read(int fd, void *bytes, size_t len)
{
	return fails(strikes_fd(fd, 1u << READ_EIO)) ? -1 : REAL(read)(fd, bytes, len);
}

EXPORT ssize_t
pread(int fd, void *bytes, size_t len, off_t at)
{
	return fails(strikes_fd(fd, 1u << READ_EIO)) ? -1 : REAL(pread)(fd, bytes, len, at);
}

EXPORT ssize_t
pread64(int fd, void *bytes, size_t len, off64_t at)
{
	return pread(fd, bytes, len, at);
}

EXPORT ssize_t
__read_chk(int fd, void *bytes, size_t len, size_t room)
{
	return len > room ? (abort(), -1) : read(fd, bytes, len);
}

EXPORT ssize_t
__pread_chk(int fd, void *bytes, size_t len, off_t at, size_t room)
{
	return len > room ? (abort(), -1) : pread(fd, bytes, len, at);
}

/* ---- Names ---- */

static bool
name_fails(const char *path, unsigned faults)
{
	return !quiet() && fails(strikes(path, faults));
}

EXPORT int
rename(const char *from, const char *to)
{
	return name_fails(to, NAMING) ? -1 : REAL(rename)(from, to);
}

EXPORT int
unlink(const char *path)
{
	return name_fails(path, 1u << READ_ONLY) ? -1 : REAL(unlink)(path);
}

EXPORT int
mkdir(const char *path, mode_t mode)
{
	return name_fails(path, NAMING) ? -1 : REAL(mkdir)(path, mode);
}
