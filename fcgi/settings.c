#include "fcgi/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/base/hash.h"

#define LINE_MAX_BYTES 2048
#define PATH_BYTES 4096

#define STRING(...) #__VA_ARGS__
#define TEXT(field, name, size, preset, help) {name, preset, help},
#define NUMBER(field, name, preset, least, most, help) {name, STRING(preset), help},
const struct setting settings_list[] = {
#include "fcgi/settings.def"
};
#undef TEXT
#undef NUMBER
const size_t settings_count = sizeof(settings_list) / sizeof(settings_list[0]);

static int
set_text(const char *name, const char *value, char *out, size_t size, char *error)
{
	size_t len = strlen(value);
	if (len >= size) {
		snprintf(error, SETTINGS_ERROR, "%s is longer than %zu bytes.", name, size - 1);
		return -1;
	}
	memcpy(out, value, len + 1);
	return 0;
}

static int
set_number(
    const char *name, const char *value, uint64_t least, uint64_t most, uint64_t *out, char *error)
{
	char *end;
	errno = 0;
	uint64_t number = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end != '\0' || errno != 0 || number < least ||
	    number > most) {
		snprintf(error, SETTINGS_ERROR,
		    "%s must be a number from %llu to %llu, not \"%.40s\".", name,
		    (unsigned long long)least, (unsigned long long)most, value);
		return -1;
	}
	*out = number;
	return 0;
}

static int
set(struct settings *s, const char *name, const char *value, char *error)
{
#define TEXT(field, key, size, preset, help)                                                       \
	if (strcmp(name, key) == 0)                                                                \
		return set_text(name, value, s->field, size, error);
#define NUMBER(field, key, preset, least, most, help)                                              \
	if (strcmp(name, key) == 0)                                                                \
		return set_number(name, value, least, most, &s->field, error);
#include "fcgi/settings.def"
#undef TEXT
#undef NUMBER
	snprintf(error, SETTINGS_ERROR, "There is no setting \"%.60s\".", name);
	return -1;
}

static void
set_defaults(struct settings *s)
{
	memset(s, 0, sizeof(*s));
#define TEXT(field, name, size, preset, help) strcpy(s->field, preset);
#define NUMBER(field, name, preset, least, most, help) s->field = (preset);
#include "fcgi/settings.def"
#undef TEXT
#undef NUMBER
}

/* Cuts blanks off both ends, in place. */
static char *
trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	size_t len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int
read_line(struct settings *s, char *line, char *error)
{
	char *name = trim(line);
	if (*name == '\0' || *name == '#')
		return 0;
	char *equals = strchr(name, '=');
	if (equals == NULL) {
		snprintf(error, SETTINGS_ERROR, "\"%.60s\" is not NAME=value.", name);
		return -1;
	}
	*equals = '\0';
	return set(s, trim(name), trim(equals + 1), error);
}

static void
complain(struct complaints *c, const char *format, ...)
{
	char sentence[SETTINGS_ERROR];
	va_list args;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	c->count++;
	c->say(c, sentence);
}

static void
read_file(struct settings *s, const char *run, struct complaints *c)
{
	char path[PATH_BYTES], line[LINE_MAX_BYTES], reason[SETTINGS_ERROR];
	snprintf(path, sizeof(path), "%s/bazar.conf", run);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		if (errno != ENOENT)
			complain(c, "Cannot read %.200s: %s.", path, strerror(errno));
		return;
	}
	for (unsigned number = 1; fgets(line, sizeof(line), file) != NULL; number++)
		if (read_line(s, line, reason) != 0)
			complain(c, "%.150s line %u: %.300s", path, number, reason);
	if (ferror(file))
		complain(c, "Cannot read %.200s: %s.", path, strerror(errno));
	fclose(file);
}

static void
read_environment(struct settings *s, struct complaints *c)
{
	char reason[SETTINGS_ERROR];
	for (size_t i = 0; i < settings_count; i++) {
		const char *value = getenv(settings_list[i].name);
		if (value != NULL && set(s, settings_list[i].name, value, reason) != 0)
			complain(c, "%s", reason);
	}
}

static int
find_level(const char *name)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	for (int i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

/* What a type alone cannot say. */
static void
check(const struct settings *s, struct complaints *c)
{
	if (find_level(s->log_level) < 0)
		complain(c, "BAZAR_LOG_LEVEL must be debug, info, warn or error.");
	if (strlen(s->currency) != 3 || strspn(s->currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
		complain(c, "BAZAR_CURRENCY must be three capital letters.");
	if (s->hosts[strspn(s->hosts, " \t")] == '\0')
		complain(
		    c, "BAZAR_HOSTS must name at least one host; nobody could write otherwise.");
	for (const char *at = s->admin_token; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~') {
			complain(c, "BAZAR_ADMIN_TOKEN must be printable ASCII without blanks.");
			break;
		}
}

void
settings_read(const char *run, struct settings *out, struct complaints *c)
{
	set_defaults(out);
	read_file(out, run, c);
	read_environment(out, c);
	check(out, c);
}

int
settings_load(const char *run, struct settings *out, char error[SETTINGS_ERROR])
{
	struct first_complaint first = {{complaint_keep_first, 0}, error, SETTINGS_ERROR};
	settings_read(run, out, &first.all);
	return first.all.count == 0 ? 0 : -1;
}

const char *
settings_default_run(void)
{
	char self[PATH_BYTES] = "";
	bool known = readlink("/proc/self/exe", self, sizeof(self) - 1) > 0;
	bool installed = known && strstr(self, "/libexec/bazar/") != NULL;
	return installed ? SETTINGS_RUN_INSTALLED : "run";
}

enum log_level
settings_log_level(const struct settings *s)
{
	int level = find_level(s->log_level);
	return level < 0 ? LOG_INFO : (enum log_level)level;
}

int
settings_secret(const char *run, char out[SETTINGS_SECRET], char error[SETTINGS_ERROR])
{
	char path[PATH_BYTES], text[SETTINGS_SECRET + 2] = "";
	snprintf(path, sizeof(path), "%s/secret", run);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		snprintf(error, SETTINGS_ERROR, "Cannot read %.200s: %s.", path, strerror(errno));
		return -1;
	}
	struct stat info;
	bool is_private = fstat(fileno(file), &info) == 0 && (info.st_mode & 027) == 0;
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	if (!is_private) {
		snprintf(error, SETTINGS_ERROR,
		    "%.200s may be read or changed by others, so it is none: chmod 600.", path);
		return -1;
	}
	text[len] = '\0';
	const char *secret = trim(text);
	if (strlen(secret) != SETTINGS_SECRET - 1 ||
	    strspn(secret, "0123456789abcdef") != SETTINGS_SECRET - 1) {
		snprintf(error, SETTINGS_ERROR, "%.200s must hold 64 hexadecimal digits.", path);
		return -1;
	}
	memcpy(out, secret, SETTINGS_SECRET);
	return 0;
}

int
settings_segment(const char *run, char out[SETTINGS_SEGMENT])
{
	char *path = realpath(run, NULL);
	if (path == NULL)
		return -1;
	snprintf(out, SETTINGS_SEGMENT, "/bazar-%016llx",
	    (unsigned long long)hash64(path, strlen(path)));
	free(path);
	return 0;
}
