#include "fcgi/catalog/bodies.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"

enum body_verdict
body_price(const void *bytes, size_t len, int64_t *cents, const char **why)
{
	json_t *json;
	enum body_verdict verdict = body_parse(bytes, len, "price", &json, why);
	if (verdict != BODY_FINE)
		return verdict;
	if (!body_cents(json, "price", BOOK_PRICE_MAX, cents)) {
		*why = "price must be a number from 0.01 to 9999999.99 with at most two decimals.";
		verdict = BODY_REFUSED;
	}
	json_decref(json);
	return verdict;
}

enum body_verdict
body_stock(const void *bytes, size_t len, int64_t *change, const char **why)
{
	json_t *json;
	enum body_verdict verdict = body_parse(bytes, len, "quantity_change", &json, why);
	if (verdict != BODY_FINE)
		return verdict;
	if (!body_integer(json, "quantity_change", -BOOK_QUANTITY_MAX, BOOK_QUANTITY_MAX, change) ||
	    *change == 0) {
		*why = "quantity_change must be an integer other than 0, at most 1000000000.";
		verdict = BODY_REFUSED;
	}
	json_decref(json);
	return verdict;
}

/* ---- What to remove from the cache ---- */

/* A topic that cannot be folded into a key was never cached: there is nothing to remove. */
static bool
add_topic(struct invalidation *out, const json_t *topic)
{
	const char *text = json_string_value(topic);
	if (text == NULL || *text == '\0')
		return false;
	if (text_fold(text, strlen(text), out->topics[out->topic_count], sizeof(out->topics[0])) ==
	    0)
		out->topic_count++;
	return true;
}

static bool
read_invalidation(const json_t *json, struct invalidation *out)
{
	const json_t *book = json_object_get(json, "book_id"),
		     *topics = json_object_get(json, "topics"), *topic;
	int64_t id;
	size_t i;
	if (book == NULL && topics == NULL)
		return false;
	if (book != NULL && !body_integer(json, "book_id", 1, BOOK_ID_MAX, &id))
		return false;
	if (book != NULL)
		out->book = (uint64_t)id;
	if (topics != NULL &&
	    (!json_is_array(topics) || json_array_size(topics) > INVALIDATION_TOPICS))
		return false;
	json_array_foreach(topics, i, topic)
	{
		if (!add_topic(out, topic))
			return false;
	}
	return true;
}

enum body_verdict
body_invalidation(const void *bytes, size_t len, struct invalidation *out, const char **why)
{
	out->all = len == 0;
	out->book = out->topic_count = 0;
	if (out->all)
		return BODY_FINE;
	json_t *json;
	enum body_verdict verdict = body_parse(bytes, len, "book_id topics", &json, why);
	if (verdict != BODY_FINE)
		return verdict;
	if (!read_invalidation(json, out)) {
		*why = "There must be a book_id, or topics: a list of at most 100 texts.";
		verdict = BODY_REFUSED;
	}
	json_decref(json);
	return verdict;
}

/* ---- Books ---- */

static bool
copy_text(const json_t *object, const char *name, char *out, size_t size)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_string(value) || json_string_length(value) >= size)
		return false;
	memcpy(out, json_string_value(value), json_string_length(value) + 1);
	return true;
}

static bool
read_book(const json_t *json, struct book *out)
{
	int64_t id;
	if (json_object_size(json) != 6 || !body_integer(json, "id", 1, BOOK_ID_MAX, &id) ||
	    !body_cents(json, "price", BOOK_PRICE_MAX, &out->price) ||
	    !body_integer(json, "quantity", 0, BOOK_QUANTITY_MAX, &out->quantity) ||
	    !copy_text(json, "title", out->title, sizeof(out->title)) ||
	    !copy_text(json, "author", out->author, sizeof(out->author)) ||
	    !copy_text(json, "topic", out->topic, sizeof(out->topic)))
		return false;
	out->id = (uint64_t)id;
	return book_problem(out) == NULL;
}

/* A member that may be left out. */
static bool
is_left_out(const json_t *object, const char *name)
{
	return json_object_get(object, name) == NULL;
}

static const char *
read_new_book(const json_t *json, struct book *out)
{
	int64_t id = 1;
	*out = (struct book){.id = 1};
	if (!is_left_out(json, "id") && !body_integer(json, "id", 1, BOOK_ID_MAX, &id))
		return "id must be an integer from 1 to 999999999999999999.";
	if (!copy_text(json, "title", out->title, sizeof(out->title)) ||
	    !copy_text(json, "topic", out->topic, sizeof(out->topic)) ||
	    (!is_left_out(json, "author") &&
		!copy_text(json, "author", out->author, sizeof(out->author))))
		return "title (at most 512 bytes), topic (128) and author (1024, or none) must be "
		       "texts.";
	if (!body_cents(json, "price", BOOK_PRICE_MAX, &out->price))
		return "price must be a number from 0.01 to 9999999.99 with at most two decimals.";
	if (!is_left_out(json, "quantity") &&
	    !body_integer(json, "quantity", 0, BOOK_QUANTITY_MAX, &out->quantity))
		return "quantity must be an integer from 0 to 1000000000.";
	const char *problem = book_problem(out);
	out->id = is_left_out(json, "id") ? 0 : (uint64_t)id;
	return problem;
}

enum body_verdict
body_book(const void *bytes, size_t len, struct book *out, const char **why)
{
	json_t *json;
	enum body_verdict verdict =
	    body_parse(bytes, len, "id title author topic price quantity", &json, why);
	if (verdict != BODY_FINE)
		return verdict;
	*why = read_new_book(json, out);
	json_decref(json);
	return *why == NULL ? BODY_FINE : BODY_REFUSED;
}

/* ---- Import ---- */

static bool
read_import(const json_t *json, bool *replace, struct book **books, size_t *count)
{
	const json_t *flag = json_object_get(json, "replace"),
		     *list = json_object_get(json, "books"), *book;
	size_t i;
	*count = json_array_size(list);
	if (!json_is_boolean(flag) || *count < 1 || *count > CATALOG_IMPORT_MAX)
		return false;
	*replace = json_is_true(flag);
	*books = xcalloc(*count, sizeof(**books));
	json_array_foreach(list, i, book)
	{
		if (!read_book(book, &(*books)[i])) {
			free(*books);
			*books = NULL;
			return false;
		}
	}
	return true;
}

enum body_verdict
body_import(const void *bytes, size_t len, bool *replace, struct book **books, size_t *count,
    const char **why)
{
	json_t *json;
	enum body_verdict verdict = body_parse(bytes, len, "replace books", &json, why);
	if (verdict != BODY_FINE)
		return verdict;
	if (!read_import(json, replace, books, count)) {
		*why = "There must be replace, true or false, and books, a list of whole books.";
		verdict = BODY_REFUSED;
	}
	json_decref(json);
	return verdict;
}
