/*
 * Stands in the place of a worker's program, or nginx's, in a tortured shop, and becomes the real
 * one, with what the torture has prepared for its start: the file <own directory>/launch/<name>
 * (what --name says, or the program's own) holds lines
 *
 *     NAME=value     a variable of its environment (LD_PRELOAD among them)
 *     boottime=N     seconds by which its CLOCK_BOOTTIME and CLOCK_MONOTONIC are ahead of the
 *                    machine's, in a time name space of its own (time_namespaces(7))
 *     away=FILE      do not start while there is such a file
 *
 * The real program is <own directory>/real/<own name>.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 512
#define AWAY_US 20000

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Into a time name space of our own. A process that is alone in it may enter it without a fork. */
static void
shift_clocks(const char *seconds)
{
	if (unshare(CLONE_NEWTIME) != 0)
		fail("unshare");
	int offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (offsets < 0 ||
	    dprintf(offsets, "boottime %s 0\nmonotonic %s 0\n", seconds, seconds) < 0)
		fail("timens_offsets");
	close(offsets);
	int space = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (space < 0 || setns(space, CLONE_NEWTIME) != 0)
		fail("setns");
	close(space);
}

static void
stay_away(const char *file)
{
	while (access(file, F_OK) == 0)
		usleep(AWAY_US);
}

static void
take_line(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	char *value = strchr(line, '=');
	if (value == NULL)
		return;
	*value++ = '\0';
	if (strcmp(line, "boottime") == 0)
		shift_clocks(value);
	else if (strcmp(line, "away") == 0)
		stay_away(value);
	else if (setenv(line, value, 1) != 0)
		fail("setenv");
}

static const char *
own_name(int argc, char **argv, const char *program)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--name") == 0)
			return argv[i + 1];
	return program;
}

int
main(int argc, char **argv)
{
	char self[PATH_BYTES] = "", path[2 * PATH_BYTES], line[PATH_BYTES];
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		fail("/proc/self/exe");
	char *program = strrchr(self, '/') + 1;
	program[-1] = '\0';
	snprintf(path, sizeof(path), "%s/launch/%s", self, own_name(argc, argv, program));
	FILE *file = fopen(path, "re");
	if (file == NULL)
		fail(path);
	while (fgets(line, sizeof(line), file) != NULL)
		take_line(line);
	fclose(file);
	snprintf(path, sizeof(path), "%s/real/%s", self, program);
	execv(path, argv);
	fail(path);
}
