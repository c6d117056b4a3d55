#include "fcgi/catalog/index.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/catalog/change.h"
#include "fcgi/catalog/rows.h"
#include "fcgi/log.h"

#define INDEX_VERSION 1
#define WEIGHT_BITS 3

_Static_assert(INDEX_BLOCK << WEIGHT_BITS == 256, "a posting is one byte");
_Static_assert(WORD_WEIGHT_MAX < 1 << WEIGHT_BITS, "a weight fits");

struct index_change {
	char word[WORD_SIZE];
	uint8_t weight; /* 0: the book no longer has the word */
	uint64_t id;
	size_t number; /* of the change: later ones win */
};

/* ---- Rows ---- */

void
index_key(struct buf *out, const char *word, uint64_t block)
{
	buf_add(out, word, strlen(word) + 1);
	buf_u64(out, block);
}

bool
index_row(const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len,
    struct index_row *out)
{
	if (key_len < 1 + 1 + 8 || key_len > INDEX_KEY_MAX || key[key_len - 9] != 0 ||
	    value_len < 2 || value_len > INDEX_VALUE_MAX || value[0] != INDEX_VERSION)
		return false;
	struct cur block = cur_make(key + key_len - 8, 8);
	*out = (struct index_row){.word = key,
	    .word_len = key_len - 9,
	    .first = cur_u64(&block) * INDEX_BLOCK,
	    .postings = value + 1,
	    .count = value_len - 1};
	return true;
}

uint64_t
index_posting_id(const struct index_row *row, size_t i)
{
	return row->first + (row->postings[i] >> WEIGHT_BITS);
}

uint8_t
index_posting_weight(const struct index_row *row, size_t i)
{
	return row->postings[i] & ((1 << WEIGHT_BITS) - 1);
}

/* ---- What changes ---- */

static void
note(struct index_changes *all, const char *word, uint64_t id, uint8_t weight)
{
	if (all->count == all->cap) {
		all->cap = all->cap > 0 ? 2 * all->cap : 2 * WORDS_MAX;
		all->list = xrealloc(all->list, all->cap * sizeof(*all->list));
	}
	struct index_change *ch = &all->list[all->count];
	*ch = (struct index_change){.weight = weight, .id = id, .number = all->count++};
	memcpy(ch->word, word, strlen(word) + 1);
}

void
index_note(struct index_changes *changes, const struct book *before, const struct book *after)
{
	struct words was = {.count = 0}, is = {.count = 0};
	if (before != NULL && after != NULL && strcmp(before->title, after->title) == 0 &&
	    strcmp(before->author, after->author) == 0)
		return;
	if (before != NULL)
		words_of_book(before, &was);
	if (after != NULL)
		words_of_book(after, &is);
	for (size_t i = 0; i < was.count; i++)
		if (words_find(&is, was.word[i].text) == NULL)
			note(changes, was.word[i].text, before->id, 0);
	for (size_t i = 0; i < is.count; i++) {
		const struct word *old = words_find(&was, is.word[i].text);
		if (old == NULL || old->weight != is.word[i].weight)
			note(changes, is.word[i].text, after->id, is.word[i].weight);
	}
}

/* ---- Writing ---- */

static int
compare(const void *a, const void *b)
{
	const struct index_change *x = a, *y = b;
	int word = strcmp(x->word, y->word);
	if (word != 0)
		return word;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

/* The weights of a block's books, by place; 0: none. */
static void
read_weights(const struct view *v, const struct buf *key, uint8_t weights[INDEX_BLOCK])
{
	struct buf value = {0};
	struct index_row row;
	memset(weights, 0, INDEX_BLOCK);
	if (v->get(v->ctx, TABLE_WORD, key->data, key->len, &value)) {
		if (!index_row(key->data, key->len, value.data, value.len, &row))
			log_fatal("catalog: a row of the index is damaged");
		for (size_t i = 0; i < row.count; i++)
			weights[row.postings[i] >> WEIGHT_BITS] = index_posting_weight(&row, i);
	}
	buf_free(&value);
}

static void
write_weights(struct change *c, const struct buf *key, const uint8_t weights[INDEX_BLOCK])
{
	uint8_t bytes[INDEX_VALUE_MAX] = {INDEX_VERSION};
	struct buf value = {.data = bytes, .len = 1};
	for (unsigned place = 0; place < INDEX_BLOCK; place++)
		if (weights[place] != 0)
			bytes[value.len++] = (uint8_t)(place << WEIGHT_BITS | weights[place]);
	if (value.len > 1)
		change_put(c, TABLE_WORD, key->data, key->len, &value);
	else
		change_delete(c, TABLE_WORD, key->data, key->len);
}

/* The changes of one row, the first of `rest`; returns how many they were. */
static size_t
write_row(struct change *c, const struct index_change *rest, size_t count)
{
	uint8_t weights[INDEX_BLOCK];
	uint64_t block = rest->id / INDEX_BLOCK;
	struct buf key = {0};
	size_t n = 0;
	index_key(&key, rest->word, block);
	read_weights(overlay_view(c->overlay), &key, weights);
	for (; n < count && rest[n].id / INDEX_BLOCK == block &&
	       strcmp(rest[n].word, rest->word) == 0;
	     n++)
		weights[rest[n].id % INDEX_BLOCK] = rest[n].weight;
	write_weights(c, &key, weights);
	buf_free(&key);
	return n;
}

void
index_write(struct index_changes *changes, struct change *c)
{
	if (changes->count > 0)
		qsort(changes->list, changes->count, sizeof(*changes->list), compare);
	for (size_t i = 0; i < changes->count;)
		i += write_row(c, changes->list + i, changes->count - i);
	free(changes->list);
	*changes = (struct index_changes){0};
}
