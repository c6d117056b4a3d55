#include "fcgi/catalog/change.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/catalog/rows.h"
#include "fcgi/log.h"
#include "replica/core/plant.h"

/* Shows the overlay the effect that starts at `offset`. */
static void
show(struct change *c, size_t offset)
{
	struct buf last = {
	    .data = c->out->effects.data + offset, .len = c->out->effects.len - offset};
	overlay_add(c->overlay, &last);
}

void
change_put(
    struct change *c, uint8_t table, const void *key, size_t key_len, const struct buf *value)
{
	size_t offset = c->out->effects.len;
	effect_put(&c->out->effects, table, key, key_len, value->data, value->len);
	show(c, offset);
}

void
change_delete(struct change *c, uint8_t table, const void *key, size_t key_len)
{
	size_t offset = c->out->effects.len;
	effect_delete(&c->out->effects, table, key, key_len);
	show(c, offset);
}

/* Each key once: a chunk of books often has few topics. */
static void
touch(struct change *c, uint64_t key)
{
	const struct buf *keys = &c->out->keys;
	for (size_t at = 0; at < keys->len; at += sizeof(key))
		if (memcmp(keys->data + at, &key, sizeof(key)) == 0)
			return;
	buf_add(&c->out->keys, &key, sizeof(key));
}

/* One book more or less in the topic; the first one gives it its name, the last one takes it. */
static void
count_topic(struct change *c, const char *folded, const char *name, int by)
{
	const struct view *v = overlay_view(c->overlay);
	struct topic t = {0};
	struct buf row = {0};
	if (v->get(v->ctx, TABLE_TOPIC, folded, strlen(folded), &row)) {
		struct cur at = cur_make(row.data, row.len);
		if (!topic_decode(&at, &t))
			log_fatal("catalog: the row of topic \"%s\" is damaged", folded);
	} else {
		snprintf(t.name, sizeof(t.name), "%s", name);
	}
	t.books += (uint64_t)(int64_t)by;
	buf_clear(&row);
	topic_encode(&row, &t);
	if (t.books > 0)
		change_put(c, TABLE_TOPIC, folded, strlen(folded), &row);
	else
		change_delete(c, TABLE_TOPIC, folded, strlen(folded));
	buf_free(&row);
	touch(c, catalog_key_topics());
}

/* Stored topics were folded successfully before they were accepted (book_problem). */
static void
fold(const struct book *b, char out[BOOK_TOPIC_FOLDED_SIZE])
{
	if (text_fold(b->topic, strlen(b->topic), out, BOOK_TOPIC_FOLDED_SIZE) != 0)
		log_fatal(
		    "catalog: the topic of book %llu cannot be folded", (unsigned long long)b->id);
}

static void
leave_topic(struct change *c, const struct book *b, const char *folded)
{
	struct buf key = {0};
	topic_book_key(&key, folded, b->id);
	change_delete(c, TABLE_TOPIC_BOOK, key.data, key.len);
	buf_free(&key);
	count_topic(c, folded, b->topic, -1);
	touch(c, catalog_key_topic(folded));
}

static void
put_rows(struct change *c, const struct book *b, const char *folded)
{
	struct buf key = {0}, row = {0};
	book_encode(&row, b);
	change_put(c, TABLE_BOOK, book_key(b->id).bytes, sizeof(struct book_key), &row);
	buf_clear(&row);
	topic_book_key(&key, folded, b->id);
	topic_book_encode(&row, b);
	change_put(c, TABLE_TOPIC_BOOK, key.data, key.len, &row);
	buf_free(&key);
	buf_free(&row);
}

void
change_book(struct change *c, const struct book *before, const struct book *after)
{
	char old_topic[BOOK_TOPIC_FOLDED_SIZE] = "", new_topic[BOOK_TOPIC_FOLDED_SIZE];
	bool same_name = before != NULL && strcmp(before->topic, after->topic) == 0;
	fold(after, new_topic);
	if (before != NULL && !same_name)
		fold(before, old_topic);
	bool moves = !same_name && strcmp(old_topic, new_topic) != 0;
	touch(c, catalog_key_book(after->id));
	if (!PLANTED(R8))
		touch(c, catalog_key_topic(new_topic));
	touch(c, catalog_key_shelves());
	if (before != NULL && moves)
		leave_topic(c, before, old_topic);
	if (moves)
		count_topic(c, new_topic, after->topic, +1);
	put_rows(c, after, new_topic);
	index_note(&c->index, before, after);
	if (before == NULL && after->id > c->last_id)
		c->last_id = after->id;
}

void
change_withdraw(struct change *c, const struct book *b)
{
	char topic[BOOK_TOPIC_FOLDED_SIZE];
	struct buf row = {0};
	struct book gone = *b;
	gone.stocked -= gone.quantity;
	gone.quantity = 0;
	book_encode(&row, &gone);
	change_put(c, TABLE_WITHDRAWN, book_key(b->id).bytes, sizeof(struct book_key), &row);
	change_delete(c, TABLE_BOOK, book_key(b->id).bytes, sizeof(struct book_key));
	buf_free(&row);
	fold(b, topic);
	leave_topic(c, b, topic);
	touch(c, catalog_key_book(b->id));
	touch(c, catalog_key_shelves());
	index_note(&c->index, b, NULL);
}

void
change_end(struct change *c)
{
	struct buf row = {0};
	index_write(&c->index, c);
	if (c->last_id > catalog_last_id(overlay_view(c->overlay))) {
		counter_encode(&row, c->last_id);
		change_put(c, TABLE_COUNTER, COUNTER_LAST_ID, strlen(COUNTER_LAST_ID), &row);
	}
	buf_free(&row);
}
