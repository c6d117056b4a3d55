/*
 * A library to preload (LD_PRELOAD): a disk that loses, when its process is killed, what was never
 * synced. kill -9 alone proves little, because the kernel keeps what was written; with this,
 * kill -9 is a power loss.
 *
 *     BAZAR_POWERLOSS            parts of paths, separated by ":": files below a directory whose
 *                                path ends with one of them are on such a disk. Example:
 *                                "/catalog-1/db:/order-1/db"
 *     BAZAR_POWERLOSS_WRITEBACK  percent (0 to 100, default 0): so many of the writes reach the
 *                                disk at once, as the kernel may write back any of them at any
 *                                time, in any order
 *
 * It has to be there whenever such a directory is used, also after the power loss.
 *
 * What it models
 *  - Contents and length of regular files. The process works on a copy in memory; reads, mmap and
 *    further opens see it. fsync and fdatasync carry over to the real file what was written since
 *    the last time. Another process sees the real file only.
 *  - Names. A file that was created, renamed or unlinked is so at once, but before its directory
 *    is fsynced this is undone at the next start (by the next process that uses the directory
 *    with this library). fsync of the file itself does not save its name, as POSIX has it.
 *  - exit, _exit and the end of main are no power loss: everything is written. Every signal that
 *    ends the process is one.
 *
 * What it does not model
 *  - Writes torn in the middle: each write call arrives whole or not at all, and so does what is
 *    not written back of several writes to one place.
 *  - Directories made, renamed or removed: these stay. Links, and files changed through a
 *    descriptor that was duplicated, a writable mapping, or stdio.
 *  - A disk that lies about fsync. Time: the real fsync is not called.
 *  - The limits of a machine: all files of the directory are in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/fault/disk_calls.h"

#define FDS 65536
#define FILES 256
#define DISKS 16
#define RANGES                                                                                     \
	1024 /* of one file; when they are more, all between the first and the last is one         \
	      */
/* Our own descriptors are out of the program's way, where there is room. */
#define HIGH_FD 10000
#define LESS_HIGH_FD 500

struct range {
	off_t from, to;
};

/* A file on such a disk, as this process sees it. */
struct file {
	dev_t device;
	ino_t inode;
	int real, memory; /* descriptors */
	unsigned users;   /* descriptors of the program's */
	bool is_unlinked, is_locked;
	struct range dirty[RANGES];
	unsigned dirty_count;
};

/* A directory on such a disk, and the journal of names that are not saved yet. */
struct disk {
	char dir[PATH_MAX];
	int journal;   /* -1: another process uses the disk, and this one sees what is there */
	unsigned kept; /* files kept for undoing */
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct file *files[FILES];
static struct file *file_of[FDS];
static struct disk disks[DISKS];
static unsigned disk_count, writeback;

static _Noreturn void
give_up(const char *what)
{
	fprintf(stderr, "disk_powerloss: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- The journal of a directory ---- */

/* DIR.undo/NAME */
static void
undo_path(char out[PATH_MAX], const char *dir, const char *name)
{
	if (snprintf(out, PATH_MAX, "%s.undo/%s", dir, name) >= PATH_MAX)
		give_up("a path too long");
}

static void
kept_path(char out[PATH_MAX], const char *dir, unsigned number)
{
	char name[16];
	snprintf(name, sizeof(name), "%u", number);
	undo_path(out, dir, name);
}

/* "C path": created. "U path kept": unlinked. "R from to kept": renamed; kept is "-" when nothing
 * was in its place. */
static void
undo_line(char *line)
{
	char *save, *kind = strtok_r(line, "\t", &save), *path = strtok_r(NULL, "\t", &save);
	char *second = strtok_r(NULL, "\t", &save), *third = strtok_r(NULL, "\t", &save);
	if (kind == NULL || path == NULL)
		return;
	if (kind[0] == 'C')
		(void)REAL(unlink)(path);
	else if (kind[0] == 'U' && second != NULL)
		(void)REAL(rename)(second, path);
	else if (kind[0] == 'R' && third != NULL) {
		(void)REAL(rename)(second, path);
		if (strcmp(third, "-") != 0)
			(void)REAL(rename)(third, second);
	}
}

/* Lines from the last to the first; the very first says which directory it was. */
static void
undo_lines(char *text, ino_t inode)
{
	char *first = strchr(text, '\n');
	if (first == NULL || strtoull(text, NULL, 10) != inode)
		return;
	for (char *end = text + strlen(text); end > first + 1;) {
		char *line = end - 1;
		*line = '\0'; /* its newline */
		while (line > first && line[-1] != '\n')
			line--;
		if (line > first)
			undo_line(line);
		end = line;
	}
}

static void
clear_journal(struct disk *d)
{
	char path[PATH_MAX];
	struct stat st = {0};
	(void)stat(d->dir, &st);
	for (; d->kept > 0; d->kept--) {
		kept_path(path, d->dir, d->kept);
		(void)REAL(unlink)(path);
	}
	if (REAL(ftruncate)(d->journal, 0) != 0 ||
	    dprintf(d->journal, "%llu\n", (unsigned long long)st.st_ino) < 0)
		give_up("the journal");
}

static void
undo(struct disk *d)
{
	struct stat journal, dir;
	if (fstat(d->journal, &journal) != 0)
		give_up("the journal");
	char *text = calloc(1, (size_t)journal.st_size + 1);
	if (text != NULL && pread(d->journal, text, (size_t)journal.st_size, 0) > 0 &&
	    stat(d->dir, &dir) == 0)
		undo_lines(text, dir.st_ino);
	free(text);
	d->kept = 1000; /* whatever the last process kept */
	clear_journal(d);
}

static void
open_journal(struct disk *d)
{
	char path[PATH_MAX];
	undo_path(path, d->dir, "");
	(void)mkdir(path, 0700);
	undo_path(path, d->dir, "journal");
	d->journal = REAL(open)(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (d->journal < 0)
		give_up(path);
	if (REAL(flock)(d->journal, LOCK_EX | LOCK_NB) == 0) {
		undo(d);
		return;
	}
	REAL(close)(d->journal);
	d->journal = -1;
}

static void
note_line(struct disk *d, const char *kind, const char *a, const char *b, const char *c)
{
	char line[3 * PATH_MAX];
	int len = snprintf(line, sizeof(line), "%s\t%s\t%s\t%s\n", kind, a, b, c);
	if (len >= (int)sizeof(line) || REAL(write)(d->journal, line, (size_t)len) != len)
		give_up("the journal");
}

/* Keeps the file at `path` for undoing. Its place goes to `kept`; "-" when there is no such file.
 */
static void
keep(struct disk *d, const char *path, char kept[PATH_MAX])
{
	kept_path(kept, d->dir, d->kept + 1);
	(void)REAL(unlink)(kept);
	if (link(path, kept) == 0)
		d->kept++;
	else
		strcpy(kept, "-");
}

/* ---- Which files ---- */

static bool
dir_is_watched(const char *dir)
{
	const char *part = getenv("BAZAR_POWERLOSS");
	size_t dir_len = strlen(dir);
	while (part != NULL && *part != '\0') {
		size_t len = strcspn(part, ":");
		if (len > 0 && len <= dir_len && strncmp(dir + dir_len - len, part, len) == 0)
			return true;
		part += len + (part[len] == ':');
	}
	return false;
}

/* The disk that the file is on; NULL: an ordinary one, or another process's. Locked. */
static struct disk *
disk_of(const char *path)
{
	char copy[PATH_MAX];
	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return NULL;
	char *dir = dirname(copy);
	for (unsigned i = 0; i < disk_count; i++)
		if (strcmp(disks[i].dir, dir) == 0)
			return disks[i].journal < 0 ? NULL : &disks[i];
	struct stat st;
	if (!dir_is_watched(dir) || disk_count == DISKS || stat(dir, &st) != 0)
		return NULL;
	const char *percent = getenv("BAZAR_POWERLOSS_WRITEBACK");
	writeback = percent != NULL ? (unsigned)strtoul(percent, NULL, 10) : 0;
	struct disk *d = &disks[disk_count++];
	snprintf(d->dir, sizeof(d->dir), "%s", dir);
	open_journal(d);
	return d->journal < 0 ? NULL : d;
}

/* ---- Files ---- */

static void
copy_range(int from, int to, off_t at, off_t end)
{
	static char bytes[1 << 16]; /* locked */
	while (at < end) {
		size_t want = end - at < (off_t)sizeof(bytes) ? (size_t)(end - at) : sizeof(bytes);
		ssize_t got = REAL(pread)(from, bytes, want, at);
		if (got == 0)
			return;
		if (got < 0 || REAL(pwrite)(to, bytes, (size_t)got, at) != got)
			give_up("copying");
		at += got;
	}
}

static off_t
length(int fd)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		give_up("fstat");
	return st.st_size;
}

static void
save(struct file *f)
{
	off_t len = length(f->memory);
	if (length(f->real) != len && REAL(ftruncate)(f->real, len) != 0)
		give_up("ftruncate");
	for (unsigned i = 0; i < f->dirty_count; i++)
		copy_range(f->memory, f->real, f->dirty[i].from, f->dirty[i].to);
	f->dirty_count = 0;
}

static void
forget(unsigned place)
{
	struct file *f = files[place];
	REAL(close)(f->memory);
	REAL(close)(f->real);
	free(f);
	files[place] = NULL;
}

static int
move_high(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (high < 0)
		high = fcntl(fd, F_DUPFD_CLOEXEC, LESS_HIGH_FD);
	if (high < 0)
		give_up("descriptors");
	REAL(close)(fd);
	return high;
}

/* The file behind a descriptor of the real one, which it takes over. */
static struct file *
file_get(int real, const char *path)
{
	struct stat st;
	unsigned place = FILES;
	if (fstat(real, &st) != 0)
		give_up("fstat");
	for (unsigned i = 0; i < FILES; i++) {
		struct file *f = files[i];
		if (f == NULL)
			place = i;
		else if (f->device == st.st_dev && f->inode == st.st_ino) {
			REAL(close)(real);
			return f;
		}
	}
	struct file *f = place < FILES ? calloc(1, sizeof(*f)) : NULL;
	const char *tail = strlen(path) > 200 ? path + strlen(path) - 200 : path;
	int memory = memfd_create(tail, MFD_CLOEXEC);
	if (f == NULL || memory < 0)
		give_up("too many files");
	f->device = st.st_dev;
	f->inode = st.st_ino;
	f->real = move_high(real);
	f->memory = move_high(memory);
	copy_range(f->real, f->memory, 0, st.st_size);
	return files[place] = f;
}

static void
add_range(struct file *f, off_t from, off_t to)
{
	struct range *last = f->dirty_count > 0 ? &f->dirty[f->dirty_count - 1] : NULL;
	if (last != NULL && from >= last->from && from <= last->to) {
		last->to = to > last->to ? to : last->to;
		return;
	}
	if (f->dirty_count == RANGES) {
		for (unsigned i = 1; i < RANGES; i++) {
			if (f->dirty[i].from < f->dirty[0].from)
				f->dirty[0].from = f->dirty[i].from;
			if (f->dirty[i].to > f->dirty[0].to)
				f->dirty[0].to = f->dirty[i].to;
		}
		f->dirty_count = 1;
	}
	f->dirty[f->dirty_count++] = (struct range){from, to};
}

/* `len` bytes were written, ending at `end`. */
static void
written(int fd, off_t end, ssize_t len)
{
	int error = errno;
	pthread_mutex_lock(&lock);
	struct file *f = fd >= 0 && fd < FDS && len > 0 ? file_of[fd] : NULL;
	if (f != NULL && (unsigned)rand() % 100 < writeback)
		copy_range(f->memory, f->real, end - len, end);
	else if (f != NULL)
		add_range(f, end - len, end);
	pthread_mutex_unlock(&lock);
	errno = error;
}

/* ---- open, close ---- */

/* The program's own descriptor of the copy. */
static int
open_copy(struct file *f, int flags)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->memory);
	int fd = REAL(open)(path, flags & (O_ACCMODE | O_APPEND | O_CLOEXEC));
	if (fd < 0 || fd >= FDS)
		give_up("opening the copy");
	file_of[fd] = f;
	f->users++;
	if ((flags & O_TRUNC) != 0 && REAL(ftruncate)(fd, 0) != 0)
		give_up("ftruncate");
	return fd;
}

static int
open_on(struct disk *d, const char *path, int flags, mode_t mode)
{
	struct stat st;
	bool is_new = (flags & O_CREAT) != 0 && stat(path, &st) != 0;
	if (is_new)
		note_line(d, "C", path, "", "");
	int plain = (flags & ~(O_ACCMODE | O_TRUNC | O_APPEND)) | O_CLOEXEC;
	int real = REAL(open)(path, plain | O_RDWR, mode);
	if (real < 0 && errno == EISDIR)
		return REAL(open)(path, flags, mode);
	if (real < 0)
		return -1;
	return open_copy(file_get(real, path), flags);
}

static int
open_any(const char *path, int flags, mode_t mode)
{
	int fd;
	pthread_mutex_lock(&lock);
	struct disk *d = (flags & O_DIRECTORY) == 0 ? disk_of(path) : NULL;
	fd = d != NULL ? open_on(d, path, flags, mode) : REAL(open)(path, flags, mode);
	pthread_mutex_unlock(&lock);
	return fd;
}

EXPORT int
close(int fd)
{
	pthread_mutex_lock(&lock);
	struct file *f = fd >= 0 && fd < FDS ? file_of[fd] : NULL;
	if (f != NULL) {
		file_of[fd] = NULL;
		if (--f->users == 0 && f->is_locked)
			f->is_locked = REAL(flock)(f->real, LOCK_UN) != 0;
		for (unsigned i = 0; i < FILES && f->users == 0 && f->is_unlinked; i++)
			if (files[i] == f) {
				forget(i);
				break;
			}
	}
	pthread_mutex_unlock(&lock);
	return REAL(close)(fd);
}

EXPORT int
flock(int fd, int operation)
{
	pthread_mutex_lock(&lock);
	struct file *f = fd >= 0 && fd < FDS ? file_of[fd] : NULL;
	int rc = REAL(flock)(f != NULL ? f->real : fd, operation);
	if (f != NULL && rc == 0)
		f->is_locked = (operation & LOCK_UN) == 0;
	pthread_mutex_unlock(&lock);
	return rc;
}

/* ---- Writing ---- */

EXPORT ssize_t
write(int fd, const void *bytes, size_t len)
{
	ssize_t done = REAL(write)(fd, bytes, len);
	if (fd >= 0 && fd < FDS && file_of[fd] != NULL)
		written(fd, lseek(fd, 0, SEEK_CUR), done);
	return done;
}

EXPORT ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	ssize_t done = REAL(writev)(fd, parts, count);
	if (fd >= 0 && fd < FDS && file_of[fd] != NULL)
		written(fd, lseek(fd, 0, SEEK_CUR), done);
	return done;
}

EXPORT ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t done = REAL(pwrite)(fd, bytes, len, at);
	written(fd, at + done, done);
	return done;
}

/* The length goes with the next sync. What is cut off must not come back as it was. */
EXPORT int
ftruncate(int fd, off_t len)
{
	pthread_mutex_lock(&lock);
	struct file *f = fd >= 0 && fd < FDS ? file_of[fd] : NULL;
	off_t old = f != NULL ? length(fd) : 0;
	int rc = REAL(ftruncate)(fd, len);
	if (f != NULL && rc == 0)
		add_range(f, len < old ? len : old, len < old ? old : len);
	pthread_mutex_unlock(&lock);
	return rc;
}

/* ---- Syncing ---- */

/* The directory behind a descriptor, if it is on such a disk. */
static struct disk *
disk_behind(int fd)
{
	char link[32], path[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	for (unsigned i = 0; i < disk_count; i++)
		if (disks[i].journal >= 0 && strcmp(disks[i].dir, path) == 0)
			return &disks[i];
	return NULL;
}

/* Whether the descriptor is ours to sync. */
static bool
sync_ours(int fd)
{
	pthread_mutex_lock(&lock);
	struct file *f = fd >= 0 && fd < FDS ? file_of[fd] : NULL;
	struct disk *d = f == NULL ? disk_behind(fd) : NULL;
	if (f != NULL)
		save(f);
	if (d != NULL)
		clear_journal(d);
	pthread_mutex_unlock(&lock);
	return f != NULL || d != NULL;
}

EXPORT int
fsync(int fd)
{
	return sync_ours(fd) ? 0 : REAL(fsync)(fd);
}

EXPORT int
fdatasync(int fd)
{
	return sync_ours(fd) ? 0 : REAL(fdatasync)(fd);
}

/* ---- Names ---- */

static void
mark_unlinked(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return;
	for (unsigned i = 0; i < FILES; i++) {
		struct file *f = files[i];
		if (f == NULL || f->device != st.st_dev || f->inode != st.st_ino)
			continue;
		f->is_unlinked = true;
		if (f->users == 0)
			forget(i);
	}
}

EXPORT int
unlink(const char *path)
{
	char kept[PATH_MAX];
	pthread_mutex_lock(&lock);
	struct disk *d = disk_of(path);
	if (d != NULL) {
		keep(d, path, kept);
		if (strcmp(kept, "-") != 0)
			note_line(d, "U", path, kept, "");
		mark_unlinked(path);
	}
	int rc = REAL(unlink)(path);
	pthread_mutex_unlock(&lock);
	return rc;
}

EXPORT int
rename(const char *from, const char *to)
{
	char kept[PATH_MAX];
	struct stat st;
	pthread_mutex_lock(&lock);
	struct disk *d = disk_of(to);
	if (d != NULL && stat(from, &st) == 0 && S_ISREG(st.st_mode)) {
		keep(d, to, kept);
		note_line(d, "R", from, to, kept);
		if (strcmp(kept, "-") != 0)
			mark_unlinked(to);
	}
	int rc = REAL(rename)(from, to);
	pthread_mutex_unlock(&lock);
	return rc;
}

/* ---- An end that is no power loss ---- */

static void
save_all(void)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < FILES; i++)
		if (files[i] != NULL)
			save(files[i]);
	for (unsigned i = 0; i < disk_count; i++)
		if (disks[i].journal >= 0)
			clear_journal(&disks[i]);
	pthread_mutex_unlock(&lock);
}

static __attribute__((destructor)) void
end_of_process(void)
{
	save_all();
}

EXPORT _Noreturn void
_exit(int status)
{
	save_all();
	REAL(_exit)(status);
	__builtin_unreachable();
}
