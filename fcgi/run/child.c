#include "fcgi/run/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/exit.h"
#include "fcgi/log.h"

#define BACKLOG 4096
#define LIVED_WELL_MS 10000
#define DELAY_FIRST_MS 50
#define DELAY_MOST_MS 5000
#define ANEW_MOST 3
#define ANEW_MS 60000
/* Above the numbers that a worker inherits its sockets as, so that moving them there is safe. */
#define LOWEST_FD 10
#define CLIENT_FD 3
#define PEER_FD 4

/* A listening Unix socket at RUN/<name>/<file>; -1 after logging. */
static int
listen_at(const struct stack *stack, const char *name, const char *file)
{
	char path[STACK_PATH];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	stack_path(path, stack->run, "%s/%s", name, file);
	if (strlen(path) >= sizeof(address.sun_path)) {
		log_error("%s is too long for a socket", path);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);

	unlink(path);
	int low = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, LOWEST_FD);
	if (low >= 0)
		close(low);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
		log_error("cannot listen on %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int
child_worker(struct child *c, const struct stack *stack, const struct node *node)
{
	memset(c, 0, sizeof *c);
	snprintf(c->name, sizeof(c->name), "%s", node->name);
	stack_path(c->program, stack->bin, "bazar-%s", node_service_name(node->service));
	char place[STACK_PATH];
	stack_path(place, stack->run, "%s", node->name);
	if (mkdir(place, 0700) != 0 && errno != EEXIST)
		log_error("cannot create %s: %s", place, strerror(errno));
	c->client_fd = listen_at(stack, c->name, "client.sock");
	c->peer_fd = listen_at(stack, c->name, "peer.sock");
	return c->client_fd < 0 || c->peer_fd < 0 ? -1 : 0;
}

void
child_nginx(struct child *c)
{
	memset(c, 0, sizeof *c);
	snprintf(c->name, sizeof(c->name), "nginx");
	snprintf(c->program, sizeof(c->program), "nginx");
	c->client_fd = c->peer_fd = -1;
}

/* stdin from nowhere, stdout and stderr to its log, the sockets where a worker expects them. */
static int
set_descriptors(const struct child *c, const char *log)
{
	int nowhere = open("/dev/null", O_RDONLY);
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (nowhere < 0 || out < 0 || dup2(nowhere, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		return -1;
	if (nowhere > STDERR_FILENO)
		close(nowhere);
	if (out > STDERR_FILENO)
		close(out);
	if (c->client_fd < 0)
		return 0;
	return dup2(c->client_fd, CLIENT_FD) < 0 || dup2(c->peer_fd, PEER_FD) < 0 ? -1 : 0;
}

/* The socket activation protocol of sd_listen_fds(3). */
static int
set_listen_environment(void)
{
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (setenv("LISTEN_PID", pid, 1) != 0 || setenv("LISTEN_FDS", "2", 1) != 0)
		return -1;
	return setenv("LISTEN_FDNAMES", "client:peer", 1);
}

/* In the new process: become the program. Returns only when that fails. */
static void
become(const struct child *c, const struct stack *stack, pid_t supervisor)
{
	char log[STACK_PATH], prefix[STACK_PATH];
	sigset_t none;
	stack_path(log, stack->run, "log/%s.log", c->name);
	stack_path(prefix, stack->run, "nginx/");
	char *worker[] = {
	    (char *)c->program, "--run", (char *)stack->run, "--name", (char *)c->name, NULL};
	char *nginx[] = {"nginx", "-p", prefix, "-c", "conf/nginx.conf", "-e", "stderr", NULL};

	sigemptyset(&none);
	setpgid(0, 0);
	/* End with the supervisor, even if it is killed - or was, just now. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != supervisor ||
	    set_descriptors(c, log) != 0 || sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		return;
	if (c->client_fd < 0)
		execvp(nginx[0], nginx);
	else if (set_listen_environment() == 0)
		execv(c->program, worker);
	log_error("cannot start %s: %s", c->program, strerror(errno));
}

void
child_start(struct child *c, const struct stack *stack)
{
	pid_t supervisor = getpid();
	c->started_ms = clock_ms();
	pid_t pid = fork();
	if (pid == 0) {
		become(c, stack, supervisor);
		_exit(127);
	}
	if (pid < 0) {
		log_error("cannot start %s: %s", c->name, strerror(errno));
		c->due_ms = c->started_ms + DELAY_MOST_MS;
		return;
	}
	setpgid(pid, pid); /* here too: whoever comes first */
	c->pid = pid;
	log_info("%s started, pid %d", c->name, (int)pid);
}

/* It set its store aside and wants to start with an empty one; and has not done so too often. */
static bool
starts_anew(struct child *c, int status, uint64_t now)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_ANEW || c->client_fd < 0)
		return false;
	if (c->anew_count == 0 || now - c->anew_since_ms > ANEW_MS) {
		c->anew_since_ms = now;
		c->anew_count = 0;
	}
	return ++c->anew_count <= ANEW_MOST;
}

/* The pause before its next start; the one after that will be longer. */
static unsigned
take_delay(struct child *c, uint64_t now)
{
	unsigned delay = now - c->started_ms >= LIVED_WELL_MS ? 0 : c->delay_ms;
	c->delay_ms = delay == 0 ? DELAY_FIRST_MS : delay * 2;
	if (c->delay_ms > DELAY_MOST_MS)
		c->delay_ms = DELAY_MOST_MS;
	return delay;
}

void
child_ended(struct child *c, int status)
{
	uint64_t now = clock_ms();
	/* nginx's workers outlive a killed master and would keep its ports. */
	kill(-c->pid, SIGKILL);
	unsigned delay = starts_anew(c, status, now) ? 0 : take_delay(c, now);
	c->due_ms = now + delay;
	if (c->retired)
		log_info("%s (pid %d) ended and is not started again", c->name, (int)c->pid);
	else if (WIFSIGNALED(status))
		log_warn("%s (pid %d) was ended by signal %d; it starts again in %u ms", c->name,
		    (int)c->pid, WTERMSIG(status), delay);
	else
		log_warn("%s (pid %d) ended with status %d; it starts again in %u ms", c->name,
		    (int)c->pid, WEXITSTATUS(status), delay);
	c->pid = 0;
}

void
child_signal(const struct child *c, int number)
{
	if (c->pid > 0)
		kill(c->pid, number);
}

void
child_close(struct child *c, const struct stack *stack)
{
	char path[STACK_PATH];
	if (c->client_fd < 0)
		return;
	close(c->client_fd);
	close(c->peer_fd);
	stack_path(path, stack->run, "%s/client.sock", c->name);
	unlink(path);
	stack_path(path, stack->run, "%s/peer.sock", c->name);
	unlink(path);
}
