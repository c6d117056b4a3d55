#include "fcgi/catalog/seed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fcgi/base/xalloc.h"

static const char *
copy(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);
	if (len >= size)
		return "a text is too long";
	memcpy(out, text, len + 1);
	return NULL;
}

/* NULL, or what is wrong. */
static const char *
read_book(const json_t *json, struct book *out)
{
	json_int_t id, price, quantity;
	const char *title, *author, *topic, *problem;
	if (json_unpack((json_t *)(uintptr_t)json, "{s:I, s:s, s:s, s:s, s:I, s:I !}", "id", &id,
		"title", &title, "author", &author, "topic", &topic, "price", &price, "quantity",
		&quantity) != 0)
		return "it needs id, title, author, topic, price, quantity and nothing else";
	*out = (struct book){.id = id > 0 ? (uint64_t)id : 0, .price = price, .quantity = quantity};
	if ((problem = copy(out->title, sizeof(out->title), title)) == NULL &&
	    (problem = copy(out->author, sizeof(out->author), author)) == NULL &&
	    (problem = copy(out->topic, sizeof(out->topic), topic)) == NULL)
		problem = book_problem(out);
	return problem;
}

static int
read_books(const json_t *list, const char *path, struct book *books, char *error, size_t error_size)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *problem = read_book(json_array_get(list, i), &books[i]);
		if (problem != NULL) {
			snprintf(error, error_size, "%s: book %zu: %s", path, i + 1, problem);
			return -1;
		}
	}
	return 0;
}

int
seed_load(const char *path, struct book **books, size_t *count, char *error, size_t error_size)
{
	json_error_t why;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	const json_t *list = json_object_get(root, "books");
	int result = -1;
	*count = json_array_size(list);
	*books = NULL;
	if (root == NULL) {
		snprintf(error, error_size, "%s: line %d: %s", path, why.line, why.text);
	} else if (*count == 0 || *count > CATALOG_IMPORT_MAX) {
		snprintf(error, error_size, "%s: \"books\" must be a list of 1 to %d books", path,
		    CATALOG_IMPORT_MAX);
	} else {
		*books = xcalloc(*count, sizeof(**books));
		result = read_books(list, path, *books, error, error_size);
	}
	json_decref(root);
	if (result != 0) {
		free(*books);
		*books = NULL;
		*count = 0;
	}
	return result;
}
