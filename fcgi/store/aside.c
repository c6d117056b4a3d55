#include "fcgi/store/aside.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/log.h"

#define KEPT 2
#define FOUND_MAX 64 /* more than these are left alone until the next time */
#define TIME_FORMAT "%Y%m%dT%H%M%S"
#define TIME_LEN 15

/* The directory above a store, and the store's own name in it. */
struct place {
	int parent;
	char name[NAME_MAX + 1];
};

static int
place_open(struct place *p, const char *dir)
{
	char first[PATH_MAX],
	    second[PATH_MAX]; /* dirname and basename change what they are given */
	*p = (struct place){0};
	snprintf(first, sizeof(first), "%s", dir);
	snprintf(second, sizeof(second), "%s", dir);
	snprintf(p->name, sizeof(p->name), "%s", basename(second));
	p->parent = open(dirname(first), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return p->parent < 0 ? -1 : 0;
}

/* ---- Names ---- */

static void
make_name(const struct place *p, const char *reason, char *name, size_t size)
{
	char when[32], words[STORE_REASON];
	uint64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm utc;
	gmtime_r(&seconds, &utc);
	strftime(when, sizeof(when), TIME_FORMAT, &utc);
	snprintf(words, sizeof(words), "%s", reason);
	for (char *c = words; *c != '\0'; c++)
		*c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-';
	snprintf(name, size, "%s.aside-%s.%03uZ-%s", p->name, when, (unsigned)(now % 1000), words);
}

/* What follows "NAME.aside-" in a name of ours; NULL for any other name. */
static const char *
after_prefix(const struct place *p, const char *name)
{
	static const char middle[] = ".aside-";
	size_t len = strlen(p->name);
	if (strncmp(name, p->name, len) != 0 ||
	    strncmp(name + len, middle, sizeof(middle) - 1) != 0)
		return NULL;
	const char *rest = name + len + sizeof(middle) - 1;
	return strlen(rest) > TIME_LEN + sizeof(".123Z-") - 1 ? rest : NULL;
}

static const char *
reason_of(const char *rest)
{
	return rest + TIME_LEN + sizeof(".123Z-") - 1;
}

struct found {
	struct place *place;
	char *name[FOUND_MAX];
	size_t count;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All that are aside, the oldest first. */
static void
find(struct found *f, struct place *p)
{
	int fd = openat(p->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	*f = (struct found){.place = p};
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *d; f->count < FOUND_MAX && (d = readdir(dir)) != NULL;) {
		char *name = after_prefix(p, d->d_name) != NULL ? strdup(d->d_name) : NULL;
		if (name != NULL)
			f->name[f->count++] = name;
	}
	closedir(dir);
	qsort(f->name, f->count, sizeof(*f->name), by_name);
}

static void
found_free(struct found *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->name[i]);
}

/* ---- Removing ---- */

/* A directory of files only. */
static void
remove_one(const struct place *p, const char *name)
{
	int fd = openat(p->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;)
		(void)unlinkat(fd, d->d_name, 0); /* "." and ".." refuse */
	if (dir != NULL)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	if (unlinkat(p->parent, name, AT_REMOVEDIR) != 0)
		log_warn("cannot remove the old store %s: %s", name, strerror(errno));
}

static void
remove_surplus(struct place *p)
{
	struct found f;
	size_t kept = 0;
	find(&f, p);
	for (size_t i = f.count; i-- > 0;) {
		const char *reason = reason_of(after_prefix(p, f.name[i]));
		if (strcmp(reason, ASIDE_INCOMPLETE) == 0 || kept == KEPT)
			remove_one(p, f.name[i]);
		else
			kept++;
	}
	found_free(&f);
}

/* ---- For the store ---- */

int
aside_move(const char *dir, const char *reason, char *name, size_t size)
{
	struct place p;
	if (place_open(&p, dir) != 0)
		return -1;
	make_name(&p, reason, name, size);
	int rc = renameat(p.parent, p.name, p.parent, name);
	if (rc == 0)
		rc = fsync(p.parent);
	if (rc == 0)
		remove_surplus(&p);
	int why = errno;
	close(p.parent);
	errno = why;
	return rc;
}

uint64_t
aside_last(const char *dir, char reason[STORE_REASON])
{
	struct place p;
	struct found f;
	struct tm utc = {0};
	uint64_t when = 0;
	reason[0] = '\0';
	if (place_open(&p, dir) != 0)
		return 0;
	find(&f, &p);
	const char *rest = f.count > 0 ? after_prefix(&p, f.name[f.count - 1]) : NULL;
	if (rest != NULL && strptime(rest, TIME_FORMAT, &utc) != NULL) {
		when = (uint64_t)timegm(&utc) * 1000 + strtoul(rest + TIME_LEN + 1, NULL, 10);
		snprintf(reason, STORE_REASON, "%s", reason_of(rest));
	}
	found_free(&f);
	close(p.parent);
	return when;
}
