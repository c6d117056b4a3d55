/*
 * bazarctl restore: a stopped shop goes on from a backup. All stores of this host are set aside;
 * the replica that each service's node file line calls primary finds the backup at its next start
 * and begins a new history with it, of which the others get everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/store/aside.h"
#include "fcgi/store/backup.h"
#include "replica/ctl/ctl.h"

#define PATH_BYTES 4096

/* ---- Is it a backup? ---- */

static int
check(const char *dir, enum node_service service)
{
	char path[PATH_BYTES], error[BACKUP_ERROR];
	struct backup_info info;
	snprintf(path, sizeof(path), "%s/%s", dir, node_service_name(service));
	if (backup_read(path, NULL, NULL, &info, error) != 0)
		return ctl_fail("%s", error);
	if (strcmp(info.service, node_service_name(service)) != 0)
		return ctl_fail("%s is a backup of %s", path, info.service);
	printf("%s: entry %" PRIu64 ", %.1f MB, whole.\n", path, info.at.seq,
	    (double)info.bytes / 1e6);
	return CTL_OK;
}

/* ---- The stores that are here ---- */

/* Its lock, which is the word of whoever runs on it. -1: none is there; -2 after saying that it is
 * in use. */
static int
lock_store(const struct ctl *ctl, const struct node *node)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof(path), "%s/%s/db/lock", ctl->run, node->name);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	ctl_fail("%s runs; stop the shop first, on every host", node->name);
	return -2;
}

static int
set_aside(const struct ctl *ctl, const struct node *node)
{
	char path[PATH_BYTES], name[256];
	snprintf(path, sizeof(path), "%s/%s/db", ctl->run, node->name);
	if (aside_move(path, "before restore", name, sizeof(name)) != 0)
		return ctl_fail("cannot set aside %s: %s", path, strerror(errno));
	printf("%s: its store is now %s.\n", node->name, name);
	return CTL_OK;
}

/* All of them, or none: nothing is moved before every lock is held. */
static int
set_all_aside(const struct ctl *ctl)
{
	int locks[NODES_MAX], result = CTL_OK;
	size_t count = 0;
	for (; count < ctl->nodes.count && result == CTL_OK; count++) {
		locks[count] = lock_store(ctl, &ctl->nodes.node[count]);
		if (locks[count] == -2)
			result = CTL_FAILED;
	}
	for (size_t i = 0; i < count && result == CTL_OK; i++)
		if (locks[i] >= 0)
			result = set_aside(ctl, &ctl->nodes.node[i]);
	for (size_t i = 0; i < count; i++)
		if (locks[i] >= 0)
			close(locks[i]);
	return result;
}

/* ---- What the primary is to find ---- */

static bool
copy_bytes(FILE *from, FILE *to)
{
	char bytes[1 << 16];
	size_t len;
	while ((len = fread(bytes, 1, sizeof(bytes), from)) > 0)
		if (fwrite(bytes, 1, len, to) != len)
			return false;
	return !ferror(from) && fflush(to) == 0 && fsync(fileno(to)) == 0;
}

static int
place(const struct ctl *ctl, const char *dir, enum node_service service)
{
	char from[PATH_BYTES], to[PATH_BYTES], fresh[PATH_BYTES];
	const struct node *node = nodes_primary(&ctl->nodes, service);
	snprintf(from, sizeof(from), "%s/%s", dir, node_service_name(service));
	snprintf(to, sizeof(to), "%s/%s", ctl->run, node->name);
	if (mkdir(to, 0700) != 0 && errno != EEXIST)
		return ctl_fail("cannot create %s: %s", to, strerror(errno));
	snprintf(to, sizeof(to), "%s/%s/restore", ctl->run, node->name);
	snprintf(fresh, sizeof(fresh), "%s/%s/restore.new", ctl->run, node->name);
	FILE *in = fopen(from, "re"), *out = fopen(fresh, "we");
	bool good = in != NULL && out != NULL && copy_bytes(in, out);
	if (in != NULL)
		fclose(in);
	if (out != NULL)
		good = fclose(out) == 0 && good;
	good = good && rename(fresh, to) == 0;
	snprintf(fresh, sizeof(fresh), "%s/primary-%s", ctl->run, node_service_name(service));
	if (good && (unlink(fresh) == 0 || errno == ENOENT))
		return CTL_OK;
	return ctl_fail("cannot write %s: %s", to, strerror(errno));
}

int
command_restore(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"check", no_argument, NULL, 'c'}, {0}};
	bool only_check = false;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option != 'c')
			return ctl_usage(argv[0]);
		only_check = true;
	}
	if (argc - optind != 1)
		return ctl_usage(argv[0]);
	const char *dir = argv[optind];
	if (check(dir, NODE_CATALOG) != CTL_OK || check(dir, NODE_ORDER) != CTL_OK)
		return CTL_FAILED;
	if (only_check)
		return CTL_OK;
	if (set_all_aside(ctl) != CTL_OK || place(ctl, dir, NODE_CATALOG) != CTL_OK ||
	    place(ctl, dir, NODE_ORDER) != CTL_OK)
		return CTL_FAILED;
	printf("The next start goes on from this backup.\n");
	return CTL_OK;
}
