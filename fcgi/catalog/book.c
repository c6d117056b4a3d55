/* What makes a book a book: one place for import, CSV files and the first contents. */
#include <stdio.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/catalog/catalog.h"

const char *
book_problem(const struct book *b)
{
	char folded[BOOK_TOPIC_FOLDED_SIZE];
	size_t title = strlen(b->title), author = strlen(b->author), topic = strlen(b->topic);
	if (b->id == 0 || b->id > BOOK_ID_MAX)
		return "id must be a positive integer of at most 18 digits";
	if (title == 0 || !text_is_clean(b->title, title))
		return "title must be 1 to 512 bytes of UTF-8 without control characters";
	if (!text_is_clean(b->author, author))
		return "author must be at most 1024 bytes of UTF-8 without control characters";
	if (topic == 0 || !text_is_clean(b->topic, topic))
		return "topic must be 1 to 128 bytes of UTF-8 without control characters";
	if (text_fold(b->topic, topic, folded, sizeof(folded)) != 0)
		return "topic is too long once folded for look-up";
	if (b->price < 1 || b->price > BOOK_PRICE_MAX)
		return "price must be 0.01 to 9999999.99";
	if (b->quantity < 0 || b->quantity > BOOK_QUANTITY_MAX)
		return "quantity must be 0 to 1000000000";
	return NULL;
}

uint64_t
catalog_key_book(uint64_t id)
{
	char name[32];
	int len = snprintf(name, sizeof(name), "info:%llu", (unsigned long long)id);
	return hash64(name, (size_t)len);
}

uint64_t
catalog_key_topic(const char *folded)
{
	char name[sizeof("search:") + BOOK_TOPIC_FOLDED_SIZE];
	int len = snprintf(name, sizeof(name), "search:%s", folded);
	return hash64(name, (size_t)len);
}

uint64_t
catalog_key_topics(void)
{
	return hash64("topics", strlen("topics"));
}

uint64_t
catalog_key_shelves(void)
{
	return hash64("shelves", strlen("shelves"));
}
