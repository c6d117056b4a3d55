/*
 * W3C Trace Context: the header `traceparent`, by which one request can be followed through several
 * servers. Each thread has the one of the request that it works for; what it logs names the trace,
 * and the calls it makes pass the header on as it came. We send no spans to anybody, so there is no
 * parent of our own to put into it.
 */
#ifndef BAZAR_TRACE_H
#define BAZAR_TRACE_H

#define TRACE_SIZE 56 /* with NUL */
#define TRACE_ID 32   /* characters */

/* What this thread works for from now on; NULL, or not valid: nothing that is traced. */
void trace_enter(const char *traceparent);

/* The header to pass on; "": none. This thread's, until it calls trace_enter again. */
const char *trace_here(void);
/* The trace's id, TRACE_ID hexadecimal digits; not where trace_here is "". */
const char *trace_id(void);

#endif
