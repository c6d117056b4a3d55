/*
 * Settings, and the other small facts of a run directory that every program needs. Declared once,
 * in settings.def; the environment and RUN/bazar.conf (NAME=value, `#` comments) use the same
 * names, and the environment wins.
 */
#ifndef BAZAR_SETTINGS_H
#define BAZAR_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/complain.h"
#include "fcgi/log.h"

#define SETTINGS_ERROR 512  /* with the NUL */
#define SETTINGS_SECRET 65  /* 64 hexadecimal digits and the NUL */
#define SETTINGS_SEGMENT 32 /* with the NUL */

struct settings {
#define TEXT(field, name, size, preset, help) char field[size];
#define NUMBER(field, name, preset, least, most, help) uint64_t field;
#include "fcgi/settings.def"
#undef TEXT
#undef NUMBER
};

/* One row of settings.def, for those who print or check the list. */
struct setting {
	const char *name;
	const char *preset; /* the default */
	const char *help;
};
extern const struct setting settings_list[];
extern const size_t settings_count;

/* Reads bazar.conf (when there is one) and the environment. -1: one sentence in `error` that names
 * the setting; *out is then undefined. */
int settings_load(const char *run, struct settings *out, char error[SETTINGS_ERROR]);
/* The same, telling every mistake. */
void settings_read(const char *run, struct settings *out, struct complaints *c);

/* The run directory, when nobody names one: the host's for programs that are installed, ./run for
 * those in a build tree. */
#define SETTINGS_RUN_INSTALLED "/var/lib/bazar"
const char *settings_default_run(void);

enum log_level settings_log_level(const struct settings *s);

/* The secret replicas show each other, from RUN/secret. -1: one sentence in `error`. */
int settings_secret(const char *run, char out[SETTINGS_SECRET], char error[SETTINGS_ERROR]);

/* Name of the cache's shared-memory segment: one for each run directory, wherever it is called
 * from. -1 when there is no such directory. */
int settings_segment(const char *run, char out[SETTINGS_SEGMENT]);

#endif
