#include "fcgi/run/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/log.h"
#include "fcgi/run/child.h"
#include "fcgi/run/logs.h"
#include "fcgi/run/pidfile.h"
#include "fcgi/run/process.h"
#include "fcgi/settings.h"

#define STOP_NGINX_MS 10000  /* for requests in flight */
#define STOP_WORKER_MS 10000 /* for what the workers finish */
#define STOP_KILLED_MS 2000
#define RETIRE_MS 10000
#define LOOK_MS 10000 /* how often the logs' lengths are looked at */

/* As many workers go as there are new ones, at worst, and nginx. */
#define CHILDREN_MAX (2 * NODES_MAX + 1)

struct supervisor {
	const struct stack *stack;
	struct child child[CHILDREN_MAX]; /* the workers, then nginx */
	size_t count;
	int signals; /* signalfd */
	bool stopping;
};

static struct child *
nginx_of(struct supervisor *s)
{
	return &s->child[s->count - 1];
}

/* RUN/pids, for people and tests: replaced whole, so that a reader never sees half. */
static void
write_pids(struct supervisor *s)
{
	char path[STACK_PATH], fresh[STACK_PATH];
	stack_path(path, s->stack->run, "pids");
	stack_path(fresh, s->stack->run, "pids.new");
	FILE *file = fopen(fresh, "we");
	if (file == NULL) {
		log_warn("cannot write %s: %s", fresh, strerror(errno));
		return;
	}
	fprintf(file, "bazar-run %d\n", (int)getpid());
	for (size_t i = 0; i < s->count; i++)
		if (s->child[i].pid > 0)
			fprintf(file, "%s %d\n", s->child[i].name, (int)s->child[i].pid);
	if (fclose(file) != 0 || rename(fresh, path) != 0)
		log_warn("cannot write %s: %s", path, strerror(errno));
}

/* Note every process that ended. Those that are nobody's child here (a killed nginx's workers) are
 * only buried. Returns whether one of ours was among them. */
static bool
reap(struct supervisor *s)
{
	int status;
	bool ours = false;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		for (size_t i = 0; i < s->count; i++)
			if (s->child[i].pid == pid) {
				child_ended(&s->child[i], status);
				ours = true;
			}
	return ours;
}

/* A worker that must end does so in time. The wait, cut to when it is to be killed. */
static int
retire(struct child *c, uint64_t now, int wait)
{
	if (c->pid > 0 && c->due_ms <= now)
		child_signal(c, SIGKILL);
	int left = c->due_ms > now ? (int)(c->due_ms - now) : RETIRE_MS;
	return wait < 0 || left < wait ? left : wait;
}

/* Start everything that is due. Returns the milliseconds until something is, -1 for never. */
static int
start_due(struct supervisor *s)
{
	int wait = -1;
	bool started = false;
	uint64_t now = clock_ms();
	for (size_t i = 0; i < s->count; i++) {
		struct child *c = &s->child[i];
		if (c->retired) {
			wait = retire(c, now, wait);
			continue;
		}
		if (c->pid == 0 && c->due_ms <= now) {
			child_start(c, s->stack);
			started = true;
		}
		if (c->pid == 0) {
			int left = c->due_ms > now ? (int)(c->due_ms - now) : 0;
			wait = wait < 0 || left < wait ? left : wait;
		}
	}
	if (started)
		write_pids(s);
	return wait;
}

/* ---- The node file may change while we run ---- */

static int
load_nodes(const struct supervisor *s, struct nodes *nodes)
{
	char path[STACK_PATH], error[NODES_ERROR];
	stack_path(path, s->stack->run, "nodes");
	if (nodes_load(path, nodes, error) == 0)
		return 0;
	log_error("%s", error);
	return -1;
}

static struct child *
find_child(struct supervisor *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->child[i].name, name) == 0)
			return &s->child[i];
	return NULL;
}

/* Before nginx, which stays the last one. */
static void
add_worker(struct supervisor *s, const struct node *node)
{
	struct child fresh;
	if (s->count == CHILDREN_MAX || child_worker(&fresh, s->stack, node) != 0) {
		log_error("%s cannot be started", node->name);
		return;
	}
	s->child[s->count] = s->child[s->count - 1];
	s->child[s->count - 1] = fresh;
	s->count++;
	log_info("%s is new in the node file", node->name);
}

static void
remove_worker(struct child *c)
{
	if (c->retired)
		return;
	c->retired = true;
	c->due_ms = clock_ms() + RETIRE_MS;
	log_info("%s is not in the node file any more", c->name);
	child_signal(c, SIGTERM);
	child_signal(c, SIGCONT); /* a stopped one could not obey */
}

/* Those who have ended leave. */
static void
bury_retired(struct supervisor *s)
{
	for (size_t i = s->count; i > 0; i--) {
		struct child *c = &s->child[i - 1];
		if (!c->retired || c->pid > 0)
			continue;
		child_close(c, s->stack);
		memmove(c, c + 1, (s->count - i) * sizeof(*c));
		s->count--;
	}
}

static void
follow_nodes(struct supervisor *s)
{
	struct nodes nodes;
	if (load_nodes(s, &nodes) != 0)
		return;
	for (size_t i = 0; i + 1 < s->count; i++)
		if (nodes_find(&nodes, s->child[i].name) == NULL)
			remove_worker(&s->child[i]);
	for (size_t i = 0; i < nodes.count; i++) {
		struct child *c = find_child(s, nodes.node[i].name);
		if (c == NULL)
			add_worker(s, &nodes.node[i]);
		else
			c->retired = false;
	}
}

static void
take_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;
	if (read(s->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1)
		follow_nodes(s);
	if (info.ssi_signo == SIGHUP)
		child_signal(nginx_of(s), SIGHUP);
	else if (info.ssi_signo == SIGUSR1)
		return;
	else if (info.ssi_signo != SIGCHLD)
		s->stopping = true;
}

static void
bound_log(const struct supervisor *s, const char *name)
{
	if (logs_bound(s->stack, name) != 0)
		log_warn("cannot empty the long log of %s: %s", name, strerror(errno));
}

/* No number of requests may fill the disk with lines about them. */
static void
bound_logs(const struct supervisor *s)
{
	bound_log(s, "access");
	for (size_t i = 0; i < s->count; i++)
		bound_log(s, s->child[i].name);
}

static void
run(struct supervisor *s)
{
	while (!s->stopping) {
		struct pollfd waiting = {.fd = s->signals, .events = POLLIN};
		int timeout = start_due(s);
		if (timeout < 0 || timeout > LOOK_MS)
			timeout = LOOK_MS;
		bound_logs(s);
		if (poll(&waiting, 1, timeout) > 0)
			take_signal(s);
		if (reap(s)) {
			bury_retired(s);
			write_pids(s);
		}
	}
}

/* Wait until children from `first` to before `end` are gone. */
static bool
wait_gone(struct supervisor *s, size_t first, size_t end, unsigned ms)
{
	uint64_t deadline = clock_ms() + ms;
	for (;;) {
		size_t alive = 0;
		reap(s);
		for (size_t i = first; i < end; i++)
			alive += s->child[i].pid > 0;
		if (alive == 0)
			return true;
		if (clock_ms() > deadline)
			return false;
		process_sleep_ms(10);
	}
}

/* Ask with `number`, wait, then kill. */
static void
stop_children(struct supervisor *s, size_t first, size_t end, int number, unsigned ms)
{
	for (size_t i = first; i < end; i++) {
		child_signal(&s->child[i], number);
		child_signal(&s->child[i], SIGCONT); /* a stopped one could not obey */
	}
	if (wait_gone(s, first, end, ms))
		return;
	for (size_t i = first; i < end; i++)
		child_signal(&s->child[i], SIGKILL);
	wait_gone(s, first, end, STOP_KILLED_MS);
}

/* nginx first, with its requests; then the workers, with theirs. */
static void
stop_all(struct supervisor *s)
{
	char path[STACK_PATH], segment[SETTINGS_SEGMENT];
	log_info("stopping");
	stop_children(s, s->count - 1, s->count, SIGQUIT, STOP_NGINX_MS);
	stop_children(s, 0, s->count - 1, SIGTERM, STOP_WORKER_MS);
	for (size_t i = 0; i < s->count; i++)
		child_close(&s->child[i], s->stack);
	if (settings_segment(s->stack->run, segment) == 0)
		shm_unlink(segment);
	stack_path(path, s->stack->run, "pids");
	unlink(path);
	log_info("stopped");
}

static int
add_children(struct supervisor *s)
{
	struct nodes nodes;
	if (load_nodes(s, &nodes) != 0)
		return -1;
	for (size_t i = 0; i < nodes.count; i++)
		if (child_worker(&s->child[s->count++], s->stack, &nodes.node[i]) != 0)
			return -1;
	child_nginx(&s->child[s->count++]);
	return 0;
}

/* Signals as a descriptor; as many files as we may have; orphans of our children become ours. */
static int
set_up_process(struct supervisor *s)
{
	sigset_t wanted;
	struct rlimit files;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGUSR1);
	sigaddset(&wanted, SIGCHLD);
	if (sigprocmask(SIG_SETMASK, &wanted, NULL) != 0)
		return -1;
	s->signals = signalfd(-1, &wanted, SFD_CLOEXEC);
	if (s->signals < 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
		return -1;
	files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return -1;
	return chdir(s->stack->run); /* how leftovers are known: process.h */
}

int
supervise(const struct stack *stack, int lock)
{
	struct supervisor s = {.stack = stack};
	if (pidfile_write(lock) != 0 || set_up_process(&s) != 0) {
		log_error("cannot set up the supervisor: %s", strerror(errno));
		return 1;
	}
	int status = add_children(&s) == 0 ? 0 : 1;
	if (status == 0) {
		log_info("supervising %s on port %u", stack->run, stack->port);
		run(&s);
		stop_all(&s);
	}
	close(s.signals);
	pidfile_release(stack, lock);
	return status;
}
