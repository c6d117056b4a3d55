/*
 * What libraries that stand in for the disk have in common: the functions behind theirs, and the
 * other names and forms of calls that end in the same one. Each includes this once and defines
 * open_any, pwrite and ftruncate.
 */
#ifndef BAZAR_TESTS_DISK_CALLS_H
#define BAZAR_TESTS_DISK_CALLS_H

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static void *
real_function(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (found == NULL)
		abort();
	return found;
}

/* The function of that name behind ours. */
#define REAL(name)                                                                                 \
	({                                                                                         \
		static __typeof__(&(name)) found;                                                  \
		if (found == NULL)                                                                 \
			found = (__typeof__(&(name)))real_function(#name);                         \
		found;                                                                             \
	})

/* ---- Opening, under four names ---- */

static int open_any(const char *path, int flags, mode_t mode);

static mode_t
mode_argument(int flags, va_list args)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

#define OPEN_LIKE(name)                                                                            \
	EXPORT int name(const char *path, int flags, ...)                                          \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, flags);                                                             \
		mode_t mode = mode_argument(flags, args);                                          \
		va_end(args);                                                                      \
		return open_any(path, flags, mode);                                                \
	}

OPEN_LIKE(open)
OPEN_LIKE(open64)

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

EXPORT int
__open_2(const char *path, int flags)
{
	return open_any(path, flags, 0);
}

EXPORT int
__open64_2(const char *path, int flags)
{
	return open_any(path, flags, 0);
}

/* ---- 64-bit names of the same ---- */

EXPORT ssize_t
pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	return pwrite(fd, bytes, len, at);
}

EXPORT int
ftruncate64(int fd, off64_t len)
{
	return ftruncate(fd, len);
}

#endif
