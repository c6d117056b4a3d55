/*
 * How the shop's rules read tables, without knowing what keeps them: a get and an ordered scan.
 *
 * Two implementations: the store itself (what is committed and applied), and the overlay, which
 * shows the effects prepared so far by the current batch on top of the store.
 */
#ifndef BAZAR_STORE_VIEW_H
#define BAZAR_STORE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/buf.h"

/* Called for each row in key order; false ends the scan. The bytes are valid during the call only.
 */
typedef bool (*view_visit)(
    void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len);

struct view {
	/* Appends the row's value to *value and returns true; false when there is no such row. */
	bool (*get)(void *ctx, uint8_t table, const void *key, size_t len, struct buf *value);
	/* Rows from the first key >= `from` on (len 0: from the first row). The overlay's scan
	 * shows the store's rows only; rules that decide must use get. */
	void (*scan)(
	    void *ctx, uint8_t table, const void *from, size_t len, view_visit visit, void *arg);
	void *ctx;
};

/* Effects: what a decided operation writes. Encoded one after the other. */
void effect_put(struct buf *effects, uint8_t table, const void *key, size_t key_len,
    const void *value, size_t value_len);
void effect_delete(struct buf *effects, uint8_t table, const void *key, size_t key_len);

struct effect {
	uint8_t table;
	bool is_delete;
	const uint8_t *key;
	size_t key_len;
	const uint8_t *value;
	size_t value_len;
};

/* The next effect of the encoding under the cursor; false at its end or when it is malformed
 * (then cur_ok is false). */
bool effect_next(struct cur *c, struct effect *out);

/* An overlay over `base`: owned by one thread (the replicator's). */
struct overlay;
struct overlay *overlay_new(const struct view *base);
void overlay_free(struct overlay *o);
void overlay_reset(struct overlay *o);
void overlay_add(struct overlay *o, const struct buf *effects);
const struct view *overlay_view(struct overlay *o);

#endif
