#include "fcgi/run/stack.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

int
fail(const char *format, ...)
{
	va_list args;
	fputs("bazar-run: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

void
stack_path(char out[STACK_PATH], const char *dir, const char *format, ...)
{
	va_list args;
	int len = snprintf(out, STACK_PATH, "%s/", dir);
	if (len > 0 && len < STACK_PATH) {
		va_start(args, format);
		int more = vsnprintf(out + len, (size_t)(STACK_PATH - len), format, args);
		va_end(args);
		if (more >= 0 && more < STACK_PATH - len)
			return;
	}
	fail("The path %s is too long.", dir);
	exit(1);
}

/*
 * RUN goes unquoted into nginx's configuration and into socket addresses, which bounds its
 * characters and its length.
 */
static int
check_run(const char *run)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789/._-+";
	static const char longest[] = "/catalog-16/client.sock";
	size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof(longest);

	if (strlen(run) > room)
		return fail(
		    "The path %s is too long: sockets below it allow %zu characters.", run, room);
	if (run[strspn(run, allowed)] != '\0')
		return fail(
		    "The path %s may only hold letters, digits and the characters / . _ - +", run);
	return 0;
}

/* The directory of our own executable, and of the files it needs: beside it in the build tree (a
 * link to the sources), or where `make install` puts them. */
static int
find_programs(struct stack *stack)
{
	/* In the build tree, in libexec/bazar, and where all programs are in one place. */
	static const char *const places[] = {"share", "../../share/bazar", "../share/bazar"};
	char path[STACK_PATH];
	ssize_t len = readlink("/proc/self/exe", stack->bin, sizeof(stack->bin) - 1);
	if (len <= 0)
		return fail("Cannot find my own program: %s.", strerror(errno));
	stack->bin[len] = '\0';
	*strrchr(stack->bin, '/') = '\0';

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		stack_path(stack->share, stack->bin, "%s", places[i]);
		stack_path(path, stack->share, "nginx/conf/render");
		if (access(path, R_OK) == 0)
			return 0;
	}
	return fail("Cannot find the templates of nginx's configuration near %s.", stack->bin);
}

int
stack_setup(struct stack *stack, const char *run, unsigned port)
{
	memset(stack, 0, sizeof *stack);
	stack->port = port;
	if (run[0] == '/') {
		snprintf(stack->run, sizeof(stack->run), "%s", run);
	} else {
		char *here = getcwd(NULL, 0);
		if (here == NULL)
			return fail("Cannot find the present directory: %s.", strerror(errno));
		stack_path(stack->run, here, "%s", run);
		free(here);
	}
	if (check_run(stack->run) != 0)
		return -1;
	return find_programs(stack);
}

int
stack_canonical(struct stack *stack)
{
	char *path = realpath(stack->run, NULL);
	if (path == NULL)
		return -1;
	int known = check_run(path);
	if (known == 0)
		snprintf(stack->run, sizeof(stack->run), "%s", path);
	free(path);
	return known;
}
