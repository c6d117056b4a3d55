#include "fcgi/run/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void
pidfile_path(const struct stack *stack, char path[STACK_PATH])
{
	stack_path(path, stack->run, "bazar-run.pid");
}

/* Is the locked file still the one at `path`? Its last holder may just have removed it. */
static bool
is_current(int fd, const char *path)
{
	struct stat locked, named;
	return fstat(fd, &locked) == 0 && stat(path, &named) == 0 &&
	       locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
}

int
pidfile_lock(const struct stack *stack)
{
	char path[STACK_PATH];
	pidfile_path(stack, path);
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			int why = errno;
			close(fd);
			errno = why;
			return -1;
		}
		if (is_current(fd, path))
			return fd;
		close(fd);
	}
}

int
pidfile_write(int fd)
{
	if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		return -1;
	return dprintf(fd, "%d\n", (int)getpid()) > 0 ? 0 : -1;
}

void
pidfile_release(const struct stack *stack, int fd)
{
	char path[STACK_PATH];
	pidfile_path(stack, path);
	unlink(path);
	close(fd);
}

pid_t
pidfile_holder(const struct stack *stack)
{
	char path[STACK_PATH], text[32] = "";
	pidfile_path(stack, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	long pid = len > 0 ? strtol(text, NULL, 10) : 0;
	return held && pid > 1 ? (pid_t)pid : 0;
}
