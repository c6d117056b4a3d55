/* bazarctl: look at a running stack, fill it, check it. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/owner.h"
#include "fcgi/settings.h"
#include "replica/ctl/ctl.h"
#include "replica/ctl/report.h"

#define SECRET_MAX 128 /* with the NUL */

static const struct command {
	const char *name;
	const char *arguments;
	const char *help;
	int (*run)(struct ctl *ctl, int argc, char **argv);
} commands[] = {
    {"status", "[--json]",
	"every process of the stack: role, epoch, last entry, lag, lease, health; and who must "
	"have\n"
	"        a write before it counts",
	command_status},
    {"top", "[--count N]", "status and writes a second, every second (N times)", command_top},
    {"wait", "[--timeout SECONDS]", "wait until every replica is ready (30 s)", command_wait},
    {"import", "[--replace] FILE.csv",
	"add books; --replace also changes books that exist (never their stock)", command_import},
    {"export", "[--format csv|jsonl] [books|orders]", "write everything to standard output",
	command_export},
    {"reconcile", "[--all]", "do books, reservations and orders add up? --all: on every replica",
	command_reconcile},
    {"switchover", "SERVICE NAME",
	"make that replica the primary, with the help of the present one; no request fails",
	command_switchover},
    {"promote", "NAME [--accept-data-loss] [--primary-stopped]",
	"make that replica the primary when the old one is lost. Refused where an acknowledged "
	"write\n"
	"        could be lost, unless --accept-data-loss says that this is accepted.\n"
	"        --primary-stopped: your word that the old primary, on a host that cannot be "
	"looked\n"
	"        at from here, and that host's cache answer nobody any more",
	command_promote},
    {"min-insync", "SERVICE N|all",
	"so many replicas must have a write before it counts; fewer than all: the others may be "
	"away",
	command_min_insync},
    {"member", "add NAME ADDRESS | remove NAME [--lost]",
	"one replica more (NAME is the service, a dash and an id: catalog-3; ADDRESS is "
	"host:port), or\n"
	"        one less. --lost: its store will not come back, so it need not be asked",
	command_member},
    {"drain", "NAME", "send that replica, a backup, no more reads; no request fails",
	command_drain},
    {"undrain", "NAME", "send it reads again", command_undrain},
    {"rolling-restart", "",
	"start the replicas of this host anew, one after the other; no request fails",
	command_rolling_restart},
    {"backup", "DIR", "write all tables to DIR, while the shop goes on selling", command_backup},
    {"restore", "DIR [--check]",
	"let the stopped shop go on from a backup; --check: only look whether it is whole",
	command_restore},
    {"config", "check", "every mistake in the settings and the node file, by line", command_config},
    {"trace", "ID",
	"what this host's logs say of a request: ID is its X-Request-Id, or the id of its "
	"traceparent",
	command_trace},
    {"verify", "", "are the replicas of each service equal, and their logs sound?", command_verify},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int
usage(FILE *out)
{
	fprintf(out, "usage: bazarctl [--run DIR] COMMAND ...      (DIR: %s)\n\n",
	    settings_default_run());
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %s %s\n        %s\n", commands[i].name, commands[i].arguments,
		    commands[i].help);
	fprintf(
	    out, "  help\n\nexit status: 0 done and well, 1 failed or not well, 2 wrong usage\n");
	return out == stdout ? CTL_OK : CTL_USAGE;
}

int
ctl_usage(const char *command)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, command) == 0)
			fprintf(stderr, "usage: bazarctl [--run DIR] %s %s\n        %s\n", command,
			    commands[i].arguments, commands[i].help);
	return CTL_USAGE;
}

bool
ctl_takes(int argc, char **argv, int count)
{
	static const struct option none[] = {{0}};
	if (getopt_long(argc, argv, "", none, NULL) == -1 && argc - optind == count)
		return true;
	ctl_usage(argv[0]);
	return false;
}

int
ctl_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("bazarctl: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return CTL_FAILED;
}

const struct node *
ctl_primary(struct ctl *ctl, enum node_service service)
{
	uint64_t end = clock_ms() + CTL_PATIENCE_MS;
	for (unsigned attempt = 1;; attempt++) {
		const struct node *node = report_primary(ctl, service);
		if (node != NULL || clock_ms() + http_pause_ms(attempt) > end) {
			if (node == NULL)
				ctl_fail(
				    "no replica of %s is primary now; `bazarctl status` shows what "
				    "they do, `bazarctl promote` makes one of them primary",
				    node_service_name(service));
			return node;
		}
		ctl_sleep_ms(http_pause_ms(attempt));
	}
}

const struct node *
ctl_node(const struct ctl *ctl, const char *name)
{
	const struct node *node = nodes_find(&ctl->nodes, name);
	if (node == NULL)
		ctl_fail("%s/nodes names no replica %s", ctl->run, name);
	return node;
}

bool
ctl_service(const char *name, enum node_service *out)
{
	for (*out = NODE_CATALOG; *out <= NODE_ORDER; (*out)++)
		if (strcmp(name, node_service_name(*out)) == 0)
			return true;
	ctl_fail("there is no service %s; there are catalog and order", name);
	return false;
}

void
ctl_sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

static int
load_secret(const char *run, char secret[SECRET_MAX])
{
	char path[512];
	snprintf(path, sizeof(path), "%s/secret", run);
	FILE *file = fopen(path, "re");
	if (file == NULL || fgets(secret, SECRET_MAX, file) == NULL) {
		ctl_fail("cannot read %s: %s", path, strerror(errno));
		if (file != NULL)
			fclose(file);
		return -1;
	}
	fclose(file);
	secret[strcspn(secret, "\r\n")] = '\0';
	return 0;
}

/* Everything a command needs of the stack. -1 after saying what is missing. */
static int
open_stack(struct ctl *ctl)
{
	char path[512], error[NODES_ERROR], secret[SECRET_MAX];
	snprintf(path, sizeof(path), "%s/nodes", ctl->run);
	if (nodes_load(path, &ctl->nodes, error) != 0) {
		ctl_fail(
		    "%s; is there a stack in %s? `make up` starts one, --run DIR names another",
		    error, ctl->run);
		return -1;
	}
	if (load_secret(ctl->run, secret) != 0)
		return -1;
	ctl->http = http_new(secret);
	if (ctl->http == NULL)
		ctl_fail("cannot start curl");
	return ctl->http != NULL ? 0 : -1;
}

static int
run_command(const struct command *command, struct ctl *ctl, int argc, char **argv)
{
	int result = CTL_FAILED;
	/* What looks for mistakes in the files that describe the stack needs none that is sound. */
	if (command->run == command_config || open_stack(ctl) == 0) {
		optind = 0; /* glibc: start anew, on this argv */
		result = command->run(ctl, argc, argv);
	}
	http_free(ctl->http);
	if (fflush(stdout) != 0 || ferror(stdout))
		return ctl_fail("cannot write to standard output: %s", strerror(errno));
	return result;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"run", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct ctl ctl = {.run = settings_default_run()};
	int option;
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'r')
			ctl.run = optarg;
		else
			return usage(option == 'h' ? stdout : stderr);
	}
	if (optind == argc)
		return usage(stderr);
	const char *name = argv[optind];
	if (strcmp(name, "help") == 0)
		return usage(stdout);
	if (owner_become(ctl.run) != 0)
		return ctl_fail("cannot act as the owner of %s: %s", ctl.run, strerror(errno));
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return run_command(&commands[i], &ctl, argc - optind, argv + optind);
	fprintf(stderr, "bazarctl: there is no command %s\n", name);
	return usage(stderr);
}
