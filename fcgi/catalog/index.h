/*
 * The inverted index: which books have a word in title or author, kept by the same entries as the
 * books themselves, so that a reader sees both at one applied_seq.
 *
 * A row has the postings of one word within one block of INDEX_BLOCK ids. Key: the word, a 0 byte,
 * the block's number (8 bytes). Value: a version byte, then a byte a book by ascending id: its
 * place in the block (5 bits) and the word's weight (3 bits, 1 to WORD_WEIGHT_MAX). A row without
 * postings is not there.
 */
#ifndef BAZAR_CATALOG_INDEX_H
#define BAZAR_CATALOG_INDEX_H

#include "fcgi/catalog/words.h"

#define INDEX_BLOCK 32
#define INDEX_KEY_MAX (WORD_SIZE + 8)
#define INDEX_VALUE_MAX (1 + INDEX_BLOCK)

/* Changes of one operation that are still to be written: each row is written once, however many of
 * the operation's books it has. All zero is empty. */
struct index_changes {
	struct index_change *list;
	size_t count, cap;
};
struct change;

/* Notes what becomes different when `before` (NULL: nothing) becomes `after` (NULL: nothing). */
void index_note(struct index_changes *changes, const struct book *before, const struct book *after);
/* Writes the rows, and empties and frees the list. */
void index_write(struct index_changes *changes, struct change *c);

/* ---- Reading ---- */

/* The first key that has the word (with `block`), or that begins with the letters of `word`. */
void index_key(struct buf *out, const char *word, uint64_t block);

/* Takes a row apart. False: no row of the index, that is damage. `visit` gets the postings. */
struct index_row {
	const uint8_t *word; /* not terminated */
	size_t word_len;
	uint64_t first; /* id of the block's first place */
	const uint8_t *postings;
	size_t count;
};
bool index_row(const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len,
    struct index_row *out);
uint64_t index_posting_id(const struct index_row *row, size_t i);
uint8_t index_posting_weight(const struct index_row *row, size_t i);

#endif
