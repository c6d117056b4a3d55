/*
 * Logging: one JSON object a line on stderr, {"time","level","name","msg"}, and "trace_id" where
 * the thread works for a traced request (base/trace.h). Any thread; a line is one write(2), so
 * lines of threads never mix. Messages are cut at 1,000 bytes.
 */
#ifndef BAZAR_LOG_H
#define BAZAR_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Who is speaking (a replica's or program's name) and the least level that is written. Call before
 * threads start; `name` must outlive the process. */
void log_setup(const char *name, enum log_level least);

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Log at level error and end the process with status 1, without running exit handlers: used where
 * going on would mean to lie (a failed write or fsync). */
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
