#include "fcgi/run/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/base/clock.h"

#define COMM_SIZE 32

pid_t
process_start(char *const argv[], int stdout_fd)
{
	pid_t pid = fork();
	if (pid < 0)
		return fail("Cannot start %s: %s.", argv[0], strerror(errno));
	if (pid > 0)
		return pid;
	if (stdout_fd >= 0 && dup2(stdout_fd, STDOUT_FILENO) < 0)
		_exit(127);
	execvp(argv[0], argv);
	fail("Cannot start %s: %s.", argv[0], strerror(errno));
	_exit(127);
}

int
process_wait(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
process_run(char *const argv[], int stdout_fd)
{
	pid_t pid = process_start(argv, stdout_fd);
	return pid < 0 ? -1 : process_wait(pid);
}

bool
process_exists(const char *program)
{
	char file[STACK_PATH];
	const char *path = getenv("PATH");
	while (path != NULL && *path != '\0') {
		int len = (int)strcspn(path, ":");
		int written = snprintf(file, sizeof(file), "%.*s/%s", len, path, program);
		if (written > 0 && written < (int)sizeof(file) && access(file, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

/* Parent and short name of a process, from /proc/PID/stat: "pid (name) state parent ...". */
static int
read_stat(const char *pid, pid_t *parent, char comm[COMM_SIZE])
{
	char path[64], line[512];
	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return -1;
	bool got = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	char *open = got ? strchr(line, '(') : NULL;
	char *close = got ? strrchr(line, ')') : NULL;
	if (open == NULL || close == NULL || strlen(close) < 5)
		return -1;
	*close = '\0';
	snprintf(comm, COMM_SIZE, "%.*s", COMM_SIZE - 1, open + 1);
	*parent = (pid_t)strtol(close + 4, NULL, 10); /* ") S parent" */
	return 0;
}

/* Call `visit` for every process. */
static void
each_process(void (*visit)(const char *pid, void *arg), void *arg)
{
	DIR *proc = opendir("/proc");
	if (proc == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;)
		if (isdigit((unsigned char)entry->d_name[0]))
			visit(entry->d_name, arg);
	closedir(proc);
}

struct family {
	pid_t parent;
	pid_t *children;
	size_t count, max;
};

static void
visit_child(const char *pid, void *arg)
{
	struct family *f = arg;
	char comm[COMM_SIZE];
	pid_t parent;
	if (read_stat(pid, &parent, comm) == 0 && parent == f->parent && f->count < f->max)
		f->children[f->count++] = (pid_t)strtol(pid, NULL, 10);
}

size_t
process_children(pid_t parent, pid_t *children, size_t max)
{
	struct family f = {parent, children, 0, max};
	each_process(visit_child, &f);
	return f.count;
}

struct leftovers {
	const char *run;
	int number;
	size_t count;
};

/* bazar-run starts everything with RUN as working directory, nginx's workers inherit it. The short
 * name makes sure that it is none of a person's own programs there. */
static void
visit_leftover(const char *pid, void *arg)
{
	struct leftovers *l = arg;
	char comm[COMM_SIZE], link[64], cwd[STACK_PATH];
	pid_t parent;
	if (read_stat(pid, &parent, comm) != 0)
		return;
	if (strcmp(comm, "nginx") != 0 && strcmp(comm, "bazar-catalog") != 0 &&
	    strcmp(comm, "bazar-order") != 0)
		return;
	snprintf(link, sizeof(link), "/proc/%.20s/cwd", pid);
	ssize_t len = readlink(link, cwd, sizeof(cwd) - 1);
	if (len <= 0)
		return;
	cwd[len] = '\0';
	if (strcmp(cwd, l->run) != 0)
		return;
	l->count++;
	if (l->number != 0)
		kill((pid_t)strtol(pid, NULL, 10), l->number);
}

size_t
process_signal_leftovers(const struct stack *stack, int number)
{
	struct leftovers l = {stack->run, number, 0};
	each_process(visit_leftover, &l);
	return l.count;
}

/* Wait until no leftover is there any more, at most `ms`. */
static bool
leftovers_gone(const struct stack *stack, unsigned ms)
{
	uint64_t end = clock_ms() + ms;
	while (process_signal_leftovers(stack, 0) > 0) {
		if (clock_ms() > end)
			return false;
		process_sleep_ms(20);
	}
	return true;
}

int
process_clear_leftovers(const struct stack *stack)
{
	/* SIGCONT: a stopped process can only end when it goes on. */
	if (process_signal_leftovers(stack, SIGTERM) == 0)
		return 0;
	process_signal_leftovers(stack, SIGCONT);
	if (leftovers_gone(stack, 5000))
		return 0;
	process_signal_leftovers(stack, SIGKILL);
	if (leftovers_gone(stack, 5000))
		return 0;
	return fail("Processes of an earlier run in %s cannot be stopped.", stack->run);
}

void
process_sleep_ms(unsigned ms)
{
	struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}
