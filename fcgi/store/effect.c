/* Effects, one after the other: {u8 table, u8 is_delete, key, value unless is_delete}. */
#include "fcgi/store/view.h"

enum { EFFECT_PUT = 0, EFFECT_DELETE = 1 };

void
effect_put(struct buf *effects, uint8_t table, const void *key, size_t key_len, const void *value,
    size_t value_len)
{
	buf_u8(effects, table);
	buf_u8(effects, EFFECT_PUT);
	buf_bytes(effects, key, key_len);
	buf_bytes(effects, value, value_len);
}

void
effect_delete(struct buf *effects, uint8_t table, const void *key, size_t key_len)
{
	buf_u8(effects, table);
	buf_u8(effects, EFFECT_DELETE);
	buf_bytes(effects, key, key_len);
}

bool
effect_next(struct cur *c, struct effect *out)
{
	if (c->bad || c->at == c->end)
		return false;
	*out = (struct effect){.table = cur_u8(c)};
	uint8_t kind = cur_u8(c);
	out->is_delete = kind == EFFECT_DELETE;
	out->key = cur_bytes(c, &out->key_len);
	if (!out->is_delete)
		out->value = cur_bytes(c, &out->value_len);
	if (kind > EFFECT_DELETE)
		c->bad = true;
	return !c->bad;
}
