#include "fcgi/run/logs.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define LONG_BYTES (128 << 20)

int
logs_rotate(const struct stack *stack, const char *name)
{
	char path[STACK_PATH], old[STACK_PATH];
	stack_path(path, stack->run, "log/%s.log", name);
	stack_path(old, stack->run, "log/%s.log.1", name);
	return rename(path, old) != 0 && errno != ENOENT ? -1 : 0;
}

bool
logs_is_long(const struct stack *stack, const char *name)
{
	char path[STACK_PATH];
	struct stat info;
	stack_path(path, stack->run, "log/%s.log", name);
	return stat(path, &info) == 0 && info.st_size > LONG_BYTES;
}
