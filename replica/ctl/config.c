/* bazarctl config check: every mistake in the files of a run directory, by line. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/settings.h"
#include "replica/ctl/ctl.h"

static void
say(struct complaints *c, const char *sentence)
{
	(void)c;
	ctl_fail("%s", sentence);
}

int
command_config(struct ctl *ctl, int argc, char **argv)
{
	char path[512], secret[SETTINGS_SECRET], error[SETTINGS_ERROR];
	struct complaints c = {.say = say};
	struct settings settings;
	if (!ctl_takes(argc, argv, 1))
		return CTL_USAGE;
	if (strcmp(argv[optind], "check") != 0)
		return ctl_usage(argv[0]);
	settings_read(ctl->run, &settings, &c);
	snprintf(path, sizeof(path), "%s/nodes", ctl->run);
	nodes_read(path, &ctl->nodes, &c);
	if (settings_secret(ctl->run, secret, error) != 0) {
		c.count++;
		say(&c, error);
	}
	if (c.count == 0)
		printf("Settings, node file and secret in %s are as they should be.\n", ctl->run);
	return c.count == 0 ? CTL_OK : CTL_FAILED;
}
