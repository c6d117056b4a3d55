/*
 * The words of a text, as people look for them: Unicode case folding, compatibility forms made one,
 * diacritics left out ("Brontë" is "bronte"). An apostrophe joins ("Sorcerer's" is "sorcerers"),
 * and so does a full stop between single letters ("J.K." is "jk"); everything else that is neither
 * letter nor digit parts. A word longer than WORD_SIZE - 1 bytes is known by its beginning.
 */
#ifndef BAZAR_CATALOG_WORDS_H
#define BAZAR_CATALOG_WORDS_H

#include "fcgi/catalog/catalog.h"

#define WORD_SIZE 25   /* with the NUL */
#define WORDS_TITLE 24 /* different words of a title that are known ... */
#define WORDS_MAX 32   /* ... and of title and author together */

struct word {
	char text[WORD_SIZE];
	uint8_t weight; /* 1 to WORD_WEIGHT_MAX: what a match of this word is worth */
};

struct words {
	size_t count;
	struct word word[WORDS_MAX]; /* all different */
	bool open; /* the text ends with the last one, which may be only its beginning so far */
};

/* Of the author; of the title, where it is worth more the more of the title it is. */
#define WORD_WEIGHT_AUTHOR 1
#define WORD_WEIGHT_TITLE 2
#define WORD_WEIGHT_FIRST 1 /* more, for the title's first word */
#define WORD_WEIGHT_SHORT 2 /* more, in a title of at most WORDS_SHORT words */
#define WORD_WEIGHT_WHOLE 7 /* it is the title's only word */
#define WORD_WEIGHT_MAX 7
#define WORDS_SHORT 3

/* What somebody looks for: the first `most` different words (at most WORDS_MAX), without weights.
 * A text that is not UTF-8 has none. */
void words_of_text(const char *text, size_t most, struct words *out);

void words_of_book(const struct book *b, struct words *out);

/* NULL: not among them. */
const struct word *words_find(const struct words *words, const char *text);

#endif
