#include "fcgi/catalog/words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

/* ---- Characters ---- */

#define MAP                                                                                        \
	(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD |              \
	    UTF8PROC_STRIPMARK | UTF8PROC_IGNORE | UTF8PROC_LUMP)

static bool
is_word_char(utf8proc_int32_t point)
{
	utf8proc_category_t category = utf8proc_category(point);
	return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

/* The code point at *at; 0 at the end. The text is what utf8proc_map made, so it is valid. */
static utf8proc_int32_t
next_char(const utf8proc_uint8_t **at)
{
	utf8proc_int32_t point = 0;
	if (**at == 0)
		return 0;
	*at += utf8proc_iterate(*at, -1, &point);
	return point;
}

/* ---- Words ---- */

struct splitter {
	struct words *words;
	size_t most; /* words wanted */
	struct word word;
	size_t len;     /* of word.text; 0: between words */
	size_t letters; /* since the word began, or since a full stop in it */
	size_t total;   /* words seen, known ones too */
};

static void
add_char(struct splitter *s, utf8proc_int32_t point)
{
	utf8proc_uint8_t bytes[4];
	size_t n = (size_t)utf8proc_encode_char(point, bytes);
	s->letters++;
	if (s->len + n < WORD_SIZE) {
		memcpy(s->word.text + s->len, bytes, n);
		s->len += n;
	}
}

static void
end_word(struct splitter *s)
{
	if (s->len == 0)
		return;
	s->word.text[s->len] = '\0';
	s->len = s->letters = 0;
	s->total++;
	struct words *words = s->words;
	if (words->count < s->most && words_find(words, s->word.text) == NULL)
		words->word[words->count++] = s->word;
}

/* Whether what stands between two characters of a word is none of it, but does not end it. */
static bool
joins(struct splitter *s, utf8proc_int32_t point, const utf8proc_uint8_t *rest)
{
	if (s->len == 0 || !is_word_char(next_char(&rest)))
		return false;
	if (point == '.' && s->letters == 1) {
		s->letters = 0;
		return true;
	}
	return point == '\'';
}

/* Adds the words of a folded text; true when it ends within a word. */
static bool
split_folded(struct splitter *s, const utf8proc_uint8_t *at)
{
	for (utf8proc_int32_t point; (point = next_char(&at)) != 0;) {
		if (is_word_char(point))
			add_char(s, point);
		else if (!joins(s, point, at))
			end_word(s);
	}
	bool open = s->len > 0;
	end_word(s);
	return open;
}

/* Most texts are ASCII, where folding is simple; an import has many. False: this one is not. */
static bool
fold_ascii(const char *text, utf8proc_uint8_t *out, size_t size)
{
	size_t i = 0;
	for (; i < size - 1 && text[i] != '\0'; i++) {
		if (!isascii(text[i]))
			return false;
		out[i] = (utf8proc_uint8_t)tolower(text[i]);
	}
	out[i] = 0;
	return text[i] == '\0';
}

static bool
split(struct splitter *s, const char *text)
{
	utf8proc_uint8_t usual[256], *mapped = NULL;
	if (fold_ascii(text, usual, sizeof(usual)))
		return split_folded(s, usual);
	if (utf8proc_map((const utf8proc_uint8_t *)text, 0, &mapped, MAP | UTF8PROC_NULLTERM) < 0)
		return false;
	bool open = split_folded(s, mapped);
	free(mapped);
	return open;
}

const struct word *
words_find(const struct words *words, const char *text)
{
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->word[i].text, text) == 0)
			return &words->word[i];
	return NULL;
}

/* A last word that stood there before already is among the words, but not the last of them. */
void
words_of_text(const char *text, size_t most, struct words *out)
{
	struct splitter s = {.words = out, .most = most};
	out->count = 0;
	bool open = split(&s, text);
	out->open =
	    open && out->count > 0 && strcmp(out->word[out->count - 1].text, s.word.text) == 0;
}

static void
weigh_title(struct words *words, size_t title_words)
{
	unsigned weight = WORD_WEIGHT_TITLE;
	if (title_words <= WORDS_SHORT)
		weight += WORD_WEIGHT_SHORT;
	for (size_t i = 0; i < words->count; i++)
		words->word[i].weight = (uint8_t)(weight + (i == 0 ? WORD_WEIGHT_FIRST : 0));
	if (title_words == 1)
		words->word[0].weight = WORD_WEIGHT_WHOLE;
}

void
words_of_book(const struct book *b, struct words *out)
{
	struct splitter s = {.words = out, .most = WORDS_TITLE};
	out->count = 0;
	out->open = false;
	split(&s, b->title);
	weigh_title(out, s.total);
	s.most = WORDS_MAX;
	s.word.weight = WORD_WEIGHT_AUTHOR;
	split(&s, b->author);
}
