/*
 * Changing who is primary and who is a member: commands to replicas, and what has to follow on this
 * host. Everything says on stderr, in a sentence, why it did not work and what to do next.
 */
#ifndef BAZAR_CTL_OPERATE_H
#define BAZAR_CTL_OPERATE_H

#include "replica/core/core.h"
#include "replica/ctl/ctl.h"

/* Gives the replica a command (POST /peer/command; `command` is given away) and waits for the
 * outcome. False after saying why there is none. */
bool operate_command(
    struct ctl *ctl, const struct node *node, json_t *command, enum core_told *result);

/* Says why a command was refused where every command would be. Returns CTL_FAILED. */
int operate_refused(const struct node *node, enum core_told result);

/* The primary hands its office over to `heir`, and nginx follows; says so. CTL_FAILED after saying
 * why not. (switchover.c) */
int operate_hand_over(struct ctl *ctl, const struct node *primary, const struct node *heir);

#define OPERATE_PATIENCE_MS 15000

/* Until the replica is an active primary; false after saying that it is not. */
bool operate_await_primary(struct ctl *ctl, const struct node *node);

/* From now on nginx sends writes of the service to `primary` first: notes it in RUN and reloads
 * nginx. Without that they still arrive, by way of the old primary, as long as that is there; so
 * what goes wrong is only told. */
void operate_follow(const struct ctl *ctl, const struct node *primary);

/* bazar-run reload: nginx, and as many replicas as the node file has. False after saying so. */
bool operate_reload(const struct ctl *ctl);

/* Whether nginx sends it no reads (`bazarctl drain`). */
bool operate_is_drained(const struct ctl *ctl, const struct node *node);

/* Replaces RUN/<name> as a whole. False after saying why not. */
bool operate_write(const struct ctl *ctl, const char *name, const struct buf *text);

#endif
