#include "fcgi/run/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_BYTES (128 << 20)

static void
log_paths(const struct stack *stack, const char *name, char path[STACK_PATH], char old[STACK_PATH])
{
	stack_path(path, stack->run, "log/%s.log", name);
	stack_path(old, stack->run, "log/%s.log.1", name);
}

int
logs_rotate(const struct stack *stack, const char *name)
{
	char path[STACK_PATH], old[STACK_PATH];
	log_paths(stack, name, path, old);
	return rename(path, old) != 0 && errno != ENOENT ? -1 : 0;
}

/* The log is emptied even if there is no room for the copy: it must not fill the disk. */
static int
move_contents(int log, off_t size, const char *old)
{
	int copy = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t at = 0;
	while (copy >= 0 && at < size && sendfile(copy, log, &at, (size_t)(size - at)) > 0)
		;
	if (copy >= 0)
		close(copy);
	return ftruncate(log, 0);
}

int
logs_bound(const struct stack *stack, const char *name)
{
	char path[STACK_PATH], old[STACK_PATH];
	struct stat info;
	log_paths(stack, name, path, old);
	if (stat(path, &info) != 0)
		return errno == ENOENT ? 0 : -1;
	if (info.st_size <= LONG_BYTES)
		return 0;
	int log = open(path, O_RDWR | O_CLOEXEC);
	if (log < 0)
		return -1;
	int result = move_contents(log, info.st_size, old);
	close(log);
	return result;
}
