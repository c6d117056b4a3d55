/*
 * Words of any text: a title up to its first 0 byte, an author behind it.
 * fuzzes: fcgi/catalog/words.c
 */
#include <stdio.h>
#include <string.h>

#include "fcgi/catalog/words.h"
#include "tests/fuzz/fuzz.h"

static void
check(const struct words *words)
{
	assert(words->count <= WORDS_MAX);
	for (size_t i = 0; i < words->count; i++) {
		const char *text = words->word[i].text;
		assert(*text != '\0' && strlen(text) < WORD_SIZE);
		assert(text_is_clean(text, strlen(text)));
		assert(words_find(words, text) == &words->word[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct book b;
	struct words words;
	const uint8_t *end = memchr(data, 0, size);
	size_t title = end != NULL ? (size_t)(end - data) : size;
	snprintf(b.title, sizeof(b.title), "%.*s", (int)title, (const char *)data);
	snprintf(b.author, sizeof(b.author), "%.*s", (int)(size - title - (end != NULL)),
	    end != NULL ? (const char *)end + 1 : "");
	words_of_book(&b, &words);
	check(&words);
	for (size_t i = 0; i < words.count; i++)
		assert(words.word[i].weight >= 1 && words.word[i].weight <= WORD_WEIGHT_MAX);
	words_of_text(b.title, 3, &words);
	assert(words.count <= 3);
	check(&words);
	return 0;
}
