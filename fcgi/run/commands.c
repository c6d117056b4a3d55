#include "fcgi/run/commands.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/exit.h"
#include "fcgi/nodes.h"
#include "fcgi/run/nginx.h"
#include "fcgi/run/pidfile.h"
#include "fcgi/run/prepare.h"
#include "fcgi/run/process.h"
#include "fcgi/run/supervise.h"
#include "fcgi/settings.h"

#define READY_S 30
#define READY_SLACK_MS 5000 /* for bazarctl to say what is missing */
#define STOP_MS 30000       /* the supervisor's own bounds add up to less */

/* What the running stack was started with, from RUN/port and RUN/listen; "" when nobody knows. */
static void
running(const struct stack *stack, const char *name, char *line, size_t size)
{
	char path[STACK_PATH];
	stack_path(path, stack->run, "%s", name);
	FILE *file = fopen(path, "re");
	if (file == NULL || fgets(line, (int)size, file) == NULL)
		line[0] = '\0';
	if (file != NULL)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
}

static unsigned
running_port(const struct stack *stack)
{
	char line[32];
	running(stack, "port", line, sizeof(line));
	return (unsigned)strtoul(line, NULL, 10);
}

/* ---- Starting ---- */

/* RUN, and its lock. Returns the lock, -1 after saying why not, -2 when the stack already runs. */
static int
take(struct stack *stack)
{
	if (prepare_run(stack) != 0)
		return -1;
	int lock = pidfile_lock(stack);
	if (lock >= 0)
		return lock;
	if (errno != EWOULDBLOCK)
		return fail("Cannot write in %s: %s.", stack->run, strerror(errno));
	printf("Bazar.com already runs in %s, on port %u.\n", stack->run, running_port(stack));
	return -2;
}

/* Leave terminal and session; from here on stdout and stderr are the log. */
static int
go_to_background(const struct stack *stack)
{
	char path[STACK_PATH];
	stack_path(path, stack->run, "log/bazar-run.log");
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (setsid() < 0 || in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		return fail("Cannot start in the background: %s.", strerror(errno));
	return 0;
}

#define WAIT_PARTLY                                                                                \
	3 /* the exit status of `bazarctl wait` when each service has a ready replica              \
	   */

/* Wait for `bazarctl wait`, and for the supervisor not to end meanwhile. Its exit status, or -1. */
static int
wait_ready(const struct stack *stack, pid_t supervisor)
{
	char program[STACK_PATH], run[STACK_PATH], seconds[8];
	int status;
	uint64_t end = clock_ms() + READY_S * 1000 + READY_SLACK_MS;
	stack_path(program, stack->bin, "bazarctl");
	snprintf(run, sizeof(run), "%s", stack->run);
	snprintf(seconds, sizeof(seconds), "%d", READY_S);
	char *argv[] = {program, "--run", run, "wait", "--timeout", seconds, NULL};
	pid_t waiter = process_start(argv, -1);
	if (waiter < 0)
		return -1;
	while (waitpid(waiter, &status, WNOHANG) == 0) {
		if (clock_ms() > end || waitpid(supervisor, NULL, WNOHANG) != 0) {
			kill(waiter, SIGKILL);
			process_wait(waiter);
			return -1;
		}
		process_sleep_ms(10);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The last lines of every log but nginx's access log, for the person who asks why. */
static void
show_logs(const struct stack *stack)
{
	char command[2 * STACK_PATH];
	/* RUN holds no character that means something to a shell (stack.c). */
	snprintf(command, sizeof(command),
	    "cd '%s/log' && for f in *.log; do test $f = access.log || tail -q -n 4 $f; done >&2",
	    stack->run);
	if (system(command) != 0)
		fail("There are no logs in %s/log.", stack->run);
}

static void
say_what_to_try(const struct stack *stack)
{
	printf("Bazar.com runs on http://localhost:%u/ (everything it keeps is in %s). Try:\n"
	       "  curl http://localhost:%u/search/distributed%%20systems\n"
	       "  curl http://localhost:%u/info/1\n"
	       "  curl -X POST http://localhost:%u/buy/1\n"
	       "  %s/bazarctl --run %s status\n",
	    stack->port, stack->run, stack->port, stack->port, stack->port, stack->bin, stack->run);
}

int
command_up(struct stack *stack)
{
	int lock = take(stack);
	if (lock < 0)
		return lock == -2 ? 0 : 1;
	if (prepare_all(stack) != 0) {
		pidfile_release(stack, lock);
		return 1;
	}
	pid_t supervisor = fork();
	if (supervisor == 0)
		_exit(go_to_background(stack) == 0 ? supervise(stack, lock) : 1);
	close(lock); /* the supervisor holds it now */
	int ready = supervisor > 0 ? wait_ready(stack, supervisor) : -1;
	if (ready == 0 || ready == WAIT_PARTLY)
		say_what_to_try(stack);
	if (ready == WAIT_PARTLY)
		fail("Not all replicas are ready: see above. The others serve; the supervisor goes "
		     "on "
		     "starting those that end.");
	if (ready == 0 || ready == WAIT_PARTLY)
		return 0;
	show_logs(stack);
	fail("It did not get ready; everything is stopped again. The logs are in %s/log.",
	    stack->run);
	command_down(stack);
	return 1;
}

int
command_supervise(struct stack *stack)
{
	int lock = take(stack);
	if (lock < 0)
		return 1;
	if (prepare_all(stack) == 0)
		return supervise(stack, lock);
	pidfile_release(stack, lock);
	return 1;
}

int
command_prepare(struct stack *stack)
{
	return prepare_run(stack) == 0 && prepare_managed(stack) == 0 ? 0 : 1;
}

int
command_replica(struct stack *stack, const char *name)
{
	char path[STACK_PATH], program[STACK_PATH], error[NODES_ERROR];
	struct nodes nodes;
	stack_path(path, stack->run, "nodes");
	if (nodes_load(path, &nodes, error) != 0) {
		fail("%s", error);
		return EXIT_USAGE;
	}
	const struct node *node = nodes_find(&nodes, name);
	if (node == NULL) {
		fail("%s names no replica %s.", path, name);
		return EXIT_USAGE;
	}
	stack_path(program, stack->bin, "bazar-%s", node_service_name(node->service));
	execl(program, program, "--run", stack->run, "--name", name, (char *)NULL);
	fail("Cannot start %s: %s.", program, strerror(errno));
	return EXIT_USAGE;
}

/* ---- Stopping ---- */

static bool
wait_free(const struct stack *stack, unsigned ms)
{
	uint64_t end = clock_ms() + ms;
	while (pidfile_holder(stack) != 0) {
		if (clock_ms() > end)
			return false;
		process_sleep_ms(10);
	}
	return true;
}

/* 1: stopped; 0: there was nothing to stop; -1 after saying why not. */
static int
stop(struct stack *stack)
{
	pid_t supervisor = stack_canonical(stack) == 0 ? pidfile_holder(stack) : 0;
	if (supervisor == 0)
		return process_clear_leftovers(stack);
	kill(supervisor, SIGTERM);
	if (!wait_free(stack, STOP_MS)) {
		/* Its children end with it. */
		kill(supervisor, SIGKILL);
		if (!wait_free(stack, STOP_MS) || process_clear_leftovers(stack) != 0)
			return fail("Cannot stop process %d.", (int)supervisor);
	}
	return 1;
}

int
command_down(struct stack *stack)
{
	int stopped = stop(stack);
	if (stopped < 0)
		return 1;
	printf(stopped ? "Stopped; the data stay in %s.\n" : "Nothing runs in %s.\n", stack->run);
	return 0;
}

/* ---- Changing ---- */

int
command_reload(struct stack *stack)
{
	struct settings settings;
	char error[SETTINGS_ERROR];
	pid_t supervisor = stack_canonical(stack) == 0 ? pidfile_holder(stack) : 0;
	if (supervisor == 0 && !nginx_runs(stack)) {
		fail("Nothing runs in %s.", stack->run);
		return 1;
	}
	if (settings_load(stack->run, &settings, error) != 0) {
		fail("%s", error);
		return 1;
	}
	/* The address stays: whether it needs a token was decided with the workers' settings. */
	stack->port = running_port(stack);
	running(stack, "listen", settings.listen, sizeof(settings.listen));
	if (nginx_render(stack, &settings) != 0 || nginx_reload(stack, &settings) != 0)
		return 1;
	/* The supervisor starts and stops replicas as the node file says now. */
	if (supervisor != 0)
		kill(supervisor, SIGUSR1);
	printf("nginx has taken its new configuration.\n");
	return 0;
}

static int
remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	(void)info;
	(void)type;
	(void)walk;
	return remove(path);
}

/* Who was added, and who is primary. */
static int
forget_replicas(const struct stack *stack)
{
	static const char *const names[] = {"nodes", "primary-catalog", "primary-order"};
	char path[STACK_PATH];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		stack_path(path, stack->run, "%s", names[i]);
		if (unlink(path) != 0 && errno != ENOENT)
			return fail("Cannot remove %s: %s.", path, strerror(errno));
	}
	return 0;
}

/* A directory below RUN that holds a store, or stores set aside. */
static bool
is_replica_place(const char *path)
{
	bool found = false;
	DIR *dir = opendir(path);
	for (struct dirent *d; dir != NULL && !found && (d = readdir(dir)) != NULL;)
		found = strcmp(d->d_name, "db") == 0 || strncmp(d->d_name, "db.aside-", 9) == 0;
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* All of them, whatever the node file says: it may be what is broken. */
static int
remove_stores(const struct stack *stack)
{
	char path[STACK_PATH];
	DIR *dir = opendir(stack->run);
	int rc = 0;
	if (dir == NULL)
		return fail("Cannot read %s: %s.", stack->run, strerror(errno));
	for (struct dirent *d; rc == 0 && (d = readdir(dir)) != NULL;) {
		if (d->d_name[0] == '.')
			continue;
		stack_path(path, stack->run, "%s", d->d_name);
		if (is_replica_place(path) &&
		    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
			rc = fail("Cannot remove %s: %s.", path, strerror(errno));
	}
	closedir(dir);
	return rc;
}

/* The stores of all replicas, and the cache. */
static int
remove_data(const struct stack *stack)
{
	char segment[SETTINGS_SEGMENT];
	if (remove_stores(stack) != 0)
		return -1;
	if (settings_segment(stack->run, segment) == 0)
		shm_unlink(segment);
	return forget_replicas(stack);
}

static bool
confirmed(const struct stack *stack)
{
	if (!isatty(STDIN_FILENO))
		return true;
	printf("Forget all books and orders in %s? [y/N] ", stack->run);
	fflush(stdout);
	int answer = getchar();
	return answer == 'y' || answer == 'Y';
}

int
command_reset(struct stack *stack)
{
	if (stack_canonical(stack) != 0) {
		printf("There is nothing in %s.\n", stack->run);
		return 0;
	}
	if (!confirmed(stack)) {
		printf("Nothing was changed.\n");
		return 1;
	}
	if (stop(stack) < 0 || remove_data(stack) != 0)
		return 1;
	printf("All data in %s are gone; the next start is from the first contents.\n", stack->run);
	return 0;
}
