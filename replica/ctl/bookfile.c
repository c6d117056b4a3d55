#include "replica/ctl/bookfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"
#include "replica/ctl/ctl.h"

enum column { ID, TITLE, AUTHOR, TOPIC, PRICE, QUANTITY, COLUMNS };

static const char *const column_names[COLUMNS] = {
    "id", "title", "author", "topic", "price", "quantity"};

struct bookfile {
	const char *path;
	void *bytes; /* the mapping; NULL: an empty file */
	size_t len;
	size_t column[COLUMNS]; /* index of its field in every record */
	size_t fields;          /* of every record */
	size_t errors;
	struct csv csv;
};

/* ---- Errors ---- */

void
bookfile_error(struct bookfile *f, struct csv_place place, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (f->errors++ < BOOKFILE_ERRORS_MAX) {
		fprintf(stderr, "%s:%zu:%zu: ", f->path, place.line, place.column);
		vfprintf(stderr, format, args);
		fputc('\n', stderr);
	}
	va_end(args);
}

size_t
bookfile_errors(const struct bookfile *f)
{
	return f->errors;
}

/* ---- Columns ---- */

/* The field of that name in the header just read; -1 after telling what is wrong. */
static int
find_column(struct bookfile *f, const char *name, size_t *index)
{
	char text[16];
	size_t found = 0;
	for (size_t i = 0; i < f->csv.count; i++) {
		const struct csv_field *field = &f->csv.fields[i];
		if (csv_copy(field, text, sizeof(text)) != 0 || strcmp(text, name) != 0)
			continue;
		if (found++ > 0)
			bookfile_error(f, field->place, "a second column named %s", name);
		*index = i;
	}
	if (found == 0)
		bookfile_error(f, f->csv.fields[0].place,
		    "no column is named %s; needed are id,title,author,topic,price,quantity", name);
	return found == 1 ? 0 : -1;
}

static int
read_header(struct bookfile *f)
{
	csv_open(&f->csv, f->len > 0 ? f->bytes : "", f->len);
	enum csv_result result = csv_next(&f->csv);
	if (result == CSV_END)
		bookfile_error(f, f->csv.place,
		    "the file is empty; its first line must name the columns "
		    "id,title,author,topic,price,quantity");
	if (result == CSV_ERROR)
		bookfile_error(f, f->csv.error_place, "%s", f->csv.error);
	if (result != CSV_RECORD)
		return -1;
	int problems = 0;
	for (size_t i = 0; i < COLUMNS; i++)
		problems |= find_column(f, column_names[i], &f->column[i]);
	f->fields = f->csv.count;
	return problems;
}

/* ---- Books ---- */

/* A field of text. What does not fit becomes something that book_problem refuses. */
static void
set_text(const struct csv_field *field, char *out, size_t size)
{
	if (csv_copy(field, out, size) != 0)
		snprintf(out, size, "\x7f");
}

/* One field into the book. What is no such value becomes something that book_problem refuses. */
static void
set_field(struct book *b, enum column column, const struct csv_field *field)
{
	char text[32];
	if (csv_copy(field, text, sizeof(text)) != 0)
		*text = '\0';
	switch (column) {
	case ID:
		b->id = text_parse_id(text);
		break;
	case TITLE:
		set_text(field, b->title, sizeof(b->title));
		break;
	case AUTHOR:
		set_text(field, b->author, sizeof(b->author));
		break;
	case TOPIC:
		set_text(field, b->topic, sizeof(b->topic));
		break;
	case PRICE:
		if (text_parse_cents(text, BOOK_PRICE_MAX, &b->price) != 0)
			b->price = 0;
		break;
	case QUANTITY:
	case COLUMNS:
		b->quantity = strcmp(text, "0") == 0 ? 0 : (int64_t)text_parse_id(text);
		if (b->quantity == 0 && strcmp(text, "0") != 0)
			b->quantity = -1;
		break;
	}
}

/* Something is wrong with the record: which fields are it? Each is tried in a book that is right
 * otherwise, so that the rules themselves are asked and all errors are told at once. */
static void
tell_problems(struct bookfile *f)
{
	static const struct book right = {.id = 1, .title = "t", .topic = "t", .price = 1};
	for (size_t i = 0; i < COLUMNS; i++) {
		const struct csv_field *field = &f->csv.fields[f->column[i]];
		struct book b = right;
		set_field(&b, (enum column)i, field);
		const char *problem = book_problem(&b);
		if (problem != NULL)
			bookfile_error(f, field->place, "%s", problem);
	}
}

/* The record just read as a book; false after telling what is wrong with it. */
static bool
take_book(struct bookfile *f, struct book *out)
{
	if (f->csv.count != f->fields) {
		bookfile_error(f, f->csv.fields[0].place, "%zu fields where the first line has %zu",
		    f->csv.count, f->fields);
		return false;
	}
	out->stocked = 0;
	for (size_t i = 0; i < COLUMNS; i++)
		set_field(out, (enum column)i, &f->csv.fields[f->column[i]]);
	if (book_problem(out) == NULL)
		return true;
	tell_problems(f);
	return false;
}

bool
bookfile_next(struct bookfile *f, struct book *out, struct csv_place *place)
{
	while (f->errors < BOOKFILE_ERRORS_MAX) {
		enum csv_result result = csv_next(&f->csv);
		if (result == CSV_END)
			break;
		if (result == CSV_ERROR) {
			bookfile_error(f, f->csv.error_place, "%s", f->csv.error);
		} else if (take_book(f, out)) {
			*place = f->csv.fields[f->column[ID]].place;
			return true;
		}
	}
	return false;
}

/* ---- The file ---- */

static int
map_file(struct bookfile *f)
{
	struct stat st;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && (errno = EINVAL))) {
		ctl_fail("cannot read %s: %s", f->path,
		    errno == EINVAL ? "it is not a regular file" : strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	f->len = (size_t)st.st_size;
	if (f->len > 0)
		f->bytes = mmap(NULL, f->len, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (f->bytes != MAP_FAILED)
		return 0;
	f->bytes = NULL;
	ctl_fail("cannot map %s: %s", f->path, strerror(errno));
	return -1;
}

struct bookfile *
bookfile_open(const char *path)
{
	struct bookfile *f = xcalloc(1, sizeof(*f));
	f->path = path;
	if (map_file(f) == 0 && read_header(f) == 0)
		return f;
	bookfile_close(f);
	return NULL;
}

void
bookfile_close(struct bookfile *f)
{
	if (f == NULL)
		return;
	if (f->bytes != NULL)
		munmap(f->bytes, f->len);
	free(f);
}

void
bookfile_rewind(struct bookfile *f)
{
	csv_open(&f->csv, f->len > 0 ? f->bytes : "", f->len);
	csv_next(&f->csv); /* the header, known to be right */
}

uint64_t
bookfile_hash(const struct bookfile *f)
{
	return hash64(f->len > 0 ? f->bytes : "", f->len);
}
