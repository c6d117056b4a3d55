#include "replica/ctl/operate.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "replica/ctl/report.h"

#define LOOK_MS 20
#define PATH_BYTES 4096

extern char **environ;

/* ---- Commands ---- */

static const char *const words[] = {
#define TOLD(name, word) [TOLD_##name] = (word),
#include "replica/core/told.def"
#undef TOLD
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static bool
read_result(const struct http_answer *a, enum core_told *result)
{
	json_t *json = json_loadb((const char *)a->body.data, a->body.len, 0, NULL);
	const char *word =
	    json_string_value(json_object_get(json_object_get(json, "data"), "result"));
	size_t i = 0;
	while (i < WORDS && (word == NULL || strcmp(word, words[i]) != 0))
		i++;
	*result = (enum core_told)i;
	json_decref(json);
	return i < WORDS;
}

bool
operate_command(struct ctl *ctl, const struct node *node, json_t *command, enum core_told *result)
{
	struct http_answer a = {0};
	char *text = json_dumps(command, JSON_COMPACT);
	json_decref(command);
	if (text == NULL)
		abort();
	struct buf body = {0};
	buf_add(&body, text, strlen(text));
	free(text);
	bool good = http_post(ctl->http, node, "/peer/command", NULL, &body, &a) == 200 &&
		    read_result(&a, result);
	if (!good)
		ctl_fail("%s; `bazarctl status` shows what became of it", http_error(ctl->http));
	buf_free(&body);
	buf_free(&a.body);
	return good;
}

int
operate_refused(const struct node *node, enum core_told result)
{
	switch (result) {
	case TOLD_NOT_PRIMARY:
		return ctl_fail("%s is not primary any more; give the command again", node->name);
	case TOLD_BUSY:
		return ctl_fail(
		    "%s is busy with another command; try again in some seconds", node->name);
	case TOLD_TIMED_OUT:
		return ctl_fail(
		    "%s could not do it within %d s, because a replica whose word it "
		    "needs does not answer; it may still come about: see `bazarctl status`",
		    node->name, CORE_COMMAND_MS / 1000);
	default:
		return ctl_fail("%s refuses (%s); `bazarctl status` shows how things are",
		    node->name, words[result]);
	}
}

bool
operate_await_primary(struct ctl *ctl, const struct node *node)
{
	uint64_t end = clock_ms() + OPERATE_PATIENCE_MS;
	for (bool active = false; !active; ctl_sleep_ms(LOOK_MS)) {
		struct report r = report_get(ctl, node);
		active = r.active;
		report_free(&r);
		if (active)
			return true;
		if (clock_ms() > end)
			break;
	}
	ctl_fail("%s was made primary but does not take writes after %d s; see `bazarctl status`",
	    node->name, OPERATE_PATIENCE_MS / 1000);
	return false;
}

/* ---- What follows on this host ---- */

bool
operate_write(const struct ctl *ctl, const char *name, const struct buf *text)
{
	char path[PATH_BYTES], fresh[PATH_BYTES];
	snprintf(path, sizeof(path), "%s/%s", ctl->run, name);
	snprintf(fresh, sizeof(fresh), "%s/%s.new", ctl->run, name);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good =
	    fd >= 0 && write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0;
	if (fd >= 0)
		good = close(fd) == 0 && good;
	good = good && rename(fresh, path) == 0;
	if (!good)
		ctl_fail("cannot write %s: %s", path, strerror(errno));
	return good;
}

/* The program `name` beside this one. */
static bool
find_beside(const char *name, char path[PATH_BYTES])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_BYTES - 32);
	if (len <= 0)
		return false;
	path[len] = '\0';
	strcpy(strrchr(path, '/') + 1, name);
	return access(path, X_OK) == 0;
}

bool
operate_reload(const struct ctl *ctl)
{
	char program[PATH_BYTES];
	char *argv[] = {"bazar-run", "--run", (char *)(uintptr_t)ctl->run, "reload", NULL};
	pid_t pid;
	int status = -1;
	fflush(stdout);
	if (find_beside(argv[0], program) &&
	    posix_spawn(&pid, program, NULL, NULL, argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (status != 0)
		ctl_fail("nginx was not reloaded; `bazar-run --run %s reload` does that", ctl->run);
	return status == 0;
}

void
operate_follow(const struct ctl *ctl, const struct node *primary)
{
	char name[64];
	struct buf text = {0};
	snprintf(name, sizeof(name), "primary-%s", node_service_name(primary->service));
	buf_printf(&text, "%s\n", primary->name);
	if (operate_write(ctl, name, &text))
		operate_reload(ctl);
	buf_free(&text);
}
