/*
 * Processes: running a helper program, and finding those of a stack in /proc.
 */
#ifndef BAZAR_RUN_PROCESS_H
#define BAZAR_RUN_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "fcgi/run/stack.h"

/*
 * Start argv[0] (looked up in PATH) with stdout going to `stdout_fd`, or ours when negative.
 * Returns its pid, or -1 after saying why not.
 */
pid_t process_start(char *const argv[], int stdout_fd);

/* Wait for it. Returns its exit status; 128 + signal when killed. */
int process_wait(pid_t pid);

/* Both. -1 when it could not be started. */
int process_run(char *const argv[], int stdout_fd);

/* Is there a program of that name in PATH? */
bool process_exists(const char *program);

/* The present children of `parent`, at most `max` of them. Returns how many. */
size_t process_children(pid_t parent, pid_t *children, size_t max);

/*
 * Send `number` (0: only look) to the workers and nginx processes of this stack that a killed
 * supervisor left behind: those whose working directory is RUN. Returns how many there are.
 */
size_t process_signal_leftovers(const struct stack *stack, int number);

/* Make sure that none is left: ask, wait 5 s, kill. Returns 0, or -1 after saying what stays. */
int process_clear_leftovers(const struct stack *stack);

/* Sleep, whatever signals arrive. */
void process_sleep_ms(unsigned ms);

#endif
