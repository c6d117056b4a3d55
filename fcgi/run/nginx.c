#include "fcgi/run/nginx.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/run/process.h"

#define RELOAD_MS 10000
#define WORKERS_MAX 256 /* old and new generations together */

/* The module that answers cache hits: in the build tree among the files of nginx, when installed
 * beside the programs. 0, or -1 after saying that there is none. */
static int
find_module(const struct stack *stack, char path[STACK_PATH])
{
	static const char name[] = "ngx_http_bazar_hits_module.so";
	stack_path(path, stack->share, "nginx/module/%s", name);
	if (access(path, R_OK) == 0)
		return 0;
	stack_path(path, stack->bin, "%s", name);
	if (access(path, R_OK) == 0)
		return 0;
	return fail("Cannot find %s; BAZAR_CACHE_IN_NGINX=0 does without it.", name);
}

/* What `render` is told about answering hits; nothing where nginx shall not. */
static int
tell_cache(const struct stack *stack, const struct settings *settings)
{
	char module[STACK_PATH] = "", segment[SETTINGS_SEGMENT] = "";
	if (settings->cache_in_nginx &&
	    (find_module(stack, module) != 0 || settings_segment(stack->run, segment) != 0))
		return -1;
	setenv("BAZAR_NGINX_MODULE", module, 1);
	setenv("BAZAR_SEGMENT", segment, 1);
	return 0;
}

int
nginx_render(const struct stack *stack, const struct settings *settings)
{
	char script[STACK_PATH], port[16], workers[24];
	char run[STACK_PATH];
	if (tell_cache(stack, settings) != 0)
		return -1;
	stack_path(script, stack->share, "nginx/conf/render");
	snprintf(run, sizeof(run), "%s", stack->run);
	snprintf(port, sizeof(port), "%u", stack->port);
	snprintf(workers, sizeof(workers), "%" PRIu64, settings->nginx_workers);
	setenv("BAZAR_LISTEN", settings->listen, 1);
	setenv("BAZAR_NGINX_WORKERS", workers, 1);
	char *argv[] = {script, run, port, NULL};
	if (process_run(argv, -1) != 0)
		return fail("nginx does not accept this configuration; nothing was changed.");
	return 0;
}

/* What a process calls itself, which nginx's make good use of. */
static bool
read_title(pid_t pid, char *title, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	FILE *file = fopen(path, "re");
	size_t len = file != NULL ? fread(title, 1, size - 1, file) : 0;
	if (file != NULL)
		fclose(file);
	title[len] = '\0';
	return len > 0;
}

/* The pid of nginx's master process: what it wrote down, if that is still it. 0: it does not run.
 */
static pid_t
master_pid(const struct stack *stack)
{
	char path[STACK_PATH], prefix[STACK_PATH], title[2 * STACK_PATH] = "";
	char line[32] = "";
	stack_path(path, stack->run, "nginx/nginx.pid");
	stack_path(prefix, stack->run, "nginx/ ");
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	pid_t pid = (pid_t)strtol(line, NULL, 10);
	bool ours = read_title(pid, title, sizeof(title)) && strstr(title, "master process") &&
		    strstr(title, prefix);
	return ours ? pid : 0;
}

bool
nginx_runs(const struct stack *stack)
{
	return master_pid(stack) != 0;
}

/* How many children of `master` are not among `old`. */
static size_t
count_new(pid_t master, const pid_t *old, size_t old_count)
{
	pid_t now[WORKERS_MAX];
	size_t fresh = 0, count = process_children(master, now, WORKERS_MAX);
	for (size_t i = 0; i < count; i++) {
		size_t k = 0;
		while (k < old_count && old[k] != now[i])
			k++;
		fresh += k == old_count;
	}
	return fresh;
}

/* Whether a process still takes connections: nginx says in its title that it does not. */
static bool
accepts(pid_t pid)
{
	char title[256];
	return read_title(pid, title, sizeof(title)) && strstr(title, "shutting down") == NULL;
}

static size_t
count_accepting(const pid_t *pids, size_t count)
{
	size_t accepting = 0;
	for (size_t i = 0; i < count; i++)
		accepting += accepts(pids[i]);
	return accepting;
}

int
nginx_reload(const struct stack *stack, const struct settings *settings)
{
	pid_t old[WORKERS_MAX];
	pid_t master = master_pid(stack);
	if (master == 0)
		return fail("nginx does not run.");
	size_t old_count = process_children(master, old, WORKERS_MAX);
	uint64_t end = clock_ms() + RELOAD_MS;
	if (kill(master, SIGHUP) != 0)
		return fail("nginx does not run.");
	while (count_new(master, old, old_count) < settings->nginx_workers ||
	       count_accepting(old, old_count) > 0) {
		if (clock_ms() > end)
			return fail(
			    "nginx goes on with its old configuration; %s/log/nginx.log says why.",
			    stack->run);
		process_sleep_ms(20);
	}
	return 0;
}
