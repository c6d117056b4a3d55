/*
 * The postings of one word somebody looks for, read from the index: ascending ids, each with what
 * its match is worth. Bounded: `known` says up to where they are all there.
 */
#ifndef BAZAR_CATALOG_POSTINGS_H
#define BAZAR_CATALOG_POSTINGS_H

#include "fcgi/catalog/index.h"

/* What a match is worth: twice the word's weight, and one more for the whole word. */
#define SCORE_BITS 4
#define SCORE_MAX (2 * WORD_WEIGHT_MAX + 1)

struct postings {
	const char *word;
	bool open;      /* only the beginning of a word */
	uint64_t *list; /* id << SCORE_BITS | score */
	size_t count, cap;
	uint64_t known; /* ids below it that are not in the list do not have the word */
	size_t at;      /* of postings_score */
};

/* Those of ids >= `from`, of at most `most` postings seen. Free with postings_free. */
struct postings postings_read(
    const struct view *v, const char *word, bool open, uint64_t from, size_t most);
void postings_free(struct postings *p);

static inline uint64_t
posting_id(uint64_t posting)
{
	return posting >> SCORE_BITS;
}

/* The score of `id`, 0: it is not there. To be asked by ascending ids. */
unsigned postings_score(struct postings *p, uint64_t id);

/* For ids from `known` on, where the list says nothing: what a match is worth of the whole word,
 * read from the index anew; of the word as it is looked for, with a book's words. 0: there is none.
 */
unsigned postings_look_up(const struct postings *p, const struct view *v, uint64_t id);
unsigned postings_score_book(const struct postings *p, const struct words *words);

#endif
