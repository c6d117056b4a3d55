/* bazar-run: starts, supervises and stops a whole Bazar.com on one machine. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fcgi/base/owner.h"
#include "fcgi/log.h"
#include "fcgi/run/commands.h"
#include "fcgi/settings.h"

#define PORT_MAX (65535 - 99) /* the replicas' ports are above it */

static const struct {
	const char *name;
	int (*run)(struct stack *stack);
} commands[] = {
    {"up", command_up},
    {"down", command_down},
    {"reload", command_reload},
    {"supervise", command_supervise},
    {"prepare", command_prepare},
    {"reset", command_reset},
};

static const char replica[] = "replica"; /* the only one with an argument */

static int
usage(void)
{
	fputs("usage: bazar-run [--run DIR] [--port N] "
	      "up|down|reload|supervise|prepare|reset|replica NAME\n"
	      "  up         start in the background, wait until ready\n"
	      "  down       stop; data stay\n"
	      "  reload     let nginx take its configuration anew; start and stop replicas as\n"
	      "             the node file says\n"
	      "  supervise  start in the foreground, until SIGTERM\n"
	      "  prepare    make what must be there before systemd starts replicas and nginx\n"
	      "  replica    become that replica, whose sockets systemd has passed on\n"
	      "  reset      stop, and forget all data\n"
	      "Default: --run run (" SETTINGS_RUN_INSTALLED
	      " when installed) --port 9000; the replicas listen on N+80 to N+83.\n",
	    stderr);
	return 2;
}

/* 0 when `text` is no port that leaves room for the replicas'. */
static unsigned
parse_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || port > PORT_MAX)
		return 0;
	return (unsigned)port;
}

/* nginx is in /usr/sbin, which is not in everybody's PATH. */
static void
extend_path(void)
{
	char path[4096];
	const char *old = getenv("PATH");
	snprintf(path, sizeof(path), "%s:/usr/sbin:/usr/bin:/bin", old != NULL ? old : "");
	setenv("PATH", path, 1);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"run", required_argument, NULL, 'r'},
	    {"port", required_argument, NULL, 'p'},
	    {NULL, 0, NULL, 0},
	};
	const char *run = settings_default_run(), *port = "9000";
	struct stack stack;

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'r')
			run = optarg;
		else if (option == 'p')
			port = optarg;
		else
			return usage();
	}
	bool is_replica = optind < argc && strcmp(argv[optind], replica) == 0;
	if (argc - optind != (is_replica ? 2 : 1))
		return usage();
	if (parse_port(port) == 0) {
		fail("--port must be a port number from 1 to %d.", PORT_MAX);
		return 1;
	}
	if (owner_become(run) != 0) {
		fail("Cannot act as the owner of %s: %s.", run, strerror(errno));
		return 1;
	}
	umask(077); /* everything below RUN is its owner's */
	extend_path();
	log_setup("bazar-run", LOG_INFO);
	if (stack_setup(&stack, run, parse_port(port)) != 0)
		return 1;
	if (is_replica)
		return command_replica(&stack, argv[optind + 1]);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			return commands[i].run(&stack);
	return usage();
}
