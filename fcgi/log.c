#include "fcgi/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/text.h"
#include "fcgi/base/trace.h"

#define MESSAGE_MAX 1000

static const char *log_name = "bazar";
static enum log_level log_least = LOG_INFO;

void
log_setup(const char *name, enum log_level least)
{
	log_name = name;
	log_least = least;
}

/* JSON string escapes for `in`; bytes that are not printable ASCII become \u00XX, so a line is
 * always valid JSON whatever came from outside. */
static void
escape(const char *in, char *out, size_t size)
{
	size_t n = 0;
	for (; *in != '\0' && n + 7 < size; in++) {
		unsigned char c = (unsigned char)*in;
		if (c == '"' || c == '\\')
			n += (size_t)snprintf(out + n, size - n, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
		else
			out[n++] = (char)c;
	}
	out[n] = '\0';
}

static void
log_line(enum log_level level, const char *format, va_list args)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	if (level < log_least)
		return;
	char message[MESSAGE_MAX], escaped[MESSAGE_MAX * 6], when[TEXT_TIME];
	vsnprintf(message, sizeof(message), format, args);
	escape(message, escaped, sizeof(escaped));
	text_time(clock_wall_ms(), when);
	char trace[TRACE_ID + 20] = "", line[sizeof(escaped) + 200];
	if (*trace_here() != '\0')
		snprintf(trace, sizeof(trace), "\"trace_id\":\"%.*s\",", TRACE_ID, trace_id());
	int len = snprintf(line, sizeof(line),
	    "{\"time\":\"%s\",\"level\":\"%s\",\"name\":\"%s\",%s\"msg\":\"%s\"}\n", when,
	    names[level], log_name, trace, escaped);
	if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* nowhere left to complain */
}

#define LOG_AT(level)                                                                              \
	do {                                                                                       \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		log_line(level, format, args);                                                     \
		va_end(args);                                                                      \
	} while (0)

void
log_debug(const char *format, ...)
{
	LOG_AT(LOG_DEBUG);
}

void
log_info(const char *format, ...)
{
	LOG_AT(LOG_INFO);
}

void
log_warn(const char *format, ...)
{
	LOG_AT(LOG_WARN);
}

void
log_error(const char *format, ...)
{
	LOG_AT(LOG_ERROR);
}

void
log_fatal(const char *format, ...)
{
	LOG_AT(LOG_ERROR);
	_exit(1);
}
