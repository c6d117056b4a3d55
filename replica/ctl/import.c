/*
 * bazarctl import: a CSV file of books into the catalog.
 *
 * Everything is checked before anything is changed. Then the books go to the primary in chunks,
 * each of them one log entry, under a key made of the file's contents and the chunk's number: a
 * chunk that is sent again, in this run or in one after a crash, changes nothing.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/hash.h"
#include "fcgi/jsonw.h"
#include "replica/ctl/bookfile.h"
#include "replica/ctl/bookset.h"
#include "replica/ctl/ctl.h"

#define CHUNK_PATIENCE_MS 60000 /* for a primary to come back, a chunk */
#define BAR 40

struct import {
	struct ctl *ctl;
	const struct node *primary;
	struct bookfile *file;
	bool replace;
	struct bookset set;
	uint64_t least, most; /* ids */
	size_t done;          /* books */
	size_t replayed;      /* of these, by an earlier run */
};

/* ---- Checking ---- */

static void
check_file(struct import *im)
{
	struct book b;
	struct csv_place place;
	im->least = UINT64_MAX;
	bookfile_rewind(im->file);
	while (bookfile_next(im->file, &b, &place)) {
		const struct bookset_item *first = bookset_add(&im->set, b.id, b.title, place);
		if (first != NULL)
			bookfile_error(im->file, place,
			    "id %" PRIu64 " is already in line %" PRIu32, b.id, first->line);
		im->least = b.id < im->least ? b.id : im->least;
		im->most = b.id > im->most ? b.id : im->most;
	}
}

/* A book of the catalog: does the file have its id with another title? */
static bool
check_row(void *arg, json_t *row)
{
	struct import *im = arg;
	uint64_t id = (uint64_t)json_integer_value(json_object_get(row, "id"));
	const char *title = json_string_value(json_object_get(row, "title"));
	const struct bookset_item *item = bookset_find(&im->set, id);
	if (item != NULL && title != NULL && item->title != bookset_title(title))
		bookfile_error(im->file, (struct csv_place){item->line, item->column},
		    "book %" PRIu64 " exists as \"%s\"; to change it, import with --replace", id,
		    title);
	return id < im->most && bookfile_errors(im->file) < BOOKFILE_ERRORS_MAX;
}

static int
check_catalog(struct import *im)
{
	char from[24];
	if (im->replace || im->set.count == 0)
		return 0;
	snprintf(from, sizeof(from), "%" PRIu64, im->least - 1);
	return http_walk(im->ctl->http, im->primary, "/peer/books", "after", from, check_row, im);
}

static int
check(struct import *im)
{
	check_file(im);
	size_t errors = bookfile_errors(im->file);
	if (errors == 0 && check_catalog(im) != 0)
		return -1;
	errors = bookfile_errors(im->file);
	if (errors > 0)
		ctl_fail("%zu error%s%s; nothing was imported", errors, errors == 1 ? "" : "s",
		    errors >= BOOKFILE_ERRORS_MAX ? ", there may be more" : "");
	return errors > 0 ? -1 : 0;
}

/* ---- Applying ---- */

static void
show_progress(const struct import *im)
{
	if (!isatty(STDERR_FILENO) || im->set.count == 0)
		return;
	int filled = (int)(BAR * im->done / im->set.count);
	fprintf(stderr, "\r[%.*s%*s] %zu of %zu books", filled,
	    "########################################", BAR - filled, "", im->done, im->set.count);
	if (im->done == im->set.count)
		fputc('\n', stderr);
}

static void
write_book(struct jsonw *w, const struct book *b)
{
	jsonw_open(w, NULL, '{');
	jsonw_int(w, "id", b->id);
	jsonw_text(w, "title", b->title);
	jsonw_text(w, "author", b->author);
	jsonw_text(w, "topic", b->topic);
	jsonw_cents(w, "price", b->price);
	jsonw_int(w, "quantity", b->quantity);
	jsonw_close(w);
}

/* The next books of the file as a request. Returns how many; 0 at the end. */
static size_t
make_chunk(struct import *im, struct buf *body)
{
	struct book b;
	struct csv_place place;
	size_t count = 0;
	buf_clear(body);
	struct jsonw w = jsonw_start(body);
	jsonw_open(&w, NULL, '{');
	jsonw_bool(&w, "replace", im->replace);
	jsonw_open(&w, "books", '[');
	for (; count < CATALOG_IMPORT_MAX && bookfile_next(im->file, &b, &place); count++)
		write_book(&w, &b);
	jsonw_close(&w);
	jsonw_close(&w);
	return count;
}

/* Until the primary has decided, or for CHUNK_PATIENCE_MS. Returns 0, or -1: http_error says why.
 */
static int
send_chunk(struct import *im, const char *key, const struct buf *body, struct http_answer *a)
{
	uint64_t end = clock_ms() + CHUNK_PATIENCE_MS;
	for (unsigned attempt = 1;; attempt++) {
		int status = http_post(im->ctl->http, im->primary, "/peer/import", key, body, a);
		if (status == 200)
			return 0;
		/* 409: the same chunk, sent before, is still under way. */
		if (!(http_again(status) || status == 409) || clock_ms() >= end)
			return -1;
		ctl_sleep_ms(http_pause_ms(attempt));
	}
}

static int
apply(struct import *im)
{
	struct buf body = {0};
	struct http_answer a = {0};
	uint64_t file = bookfile_hash(im->file);
	int result = 0;
	size_t count;
	bookfile_rewind(im->file);
	for (size_t chunk = 0; (count = make_chunk(im, &body)) > 0; chunk++) {
		char key[80];
		/* The body is part of the key: another flag or size of chunks is another chunk. */
		snprintf(key, sizeof(key), "import-%016" PRIx64 "-%zu-%016" PRIx64, file, chunk,
		    hash64(body.data, body.len));
		result = send_chunk(im, key, &body, &a);
		if (result != 0)
			break;
		im->done += count;
		im->replayed += a.replayed ? count : 0;
		show_progress(im);
	}
	buf_free(&body);
	buf_free(&a.body);
	return result;
}

static int
import_file(struct import *im)
{
	uint64_t began = clock_ms();
	if (check(im) != 0)
		return CTL_FAILED;
	if (apply(im) != 0)
		return ctl_fail(
		    "%zu of %zu books were imported, then %s. The same command goes on there.",
		    im->done, im->set.count, http_error(im->ctl->http));
	if (im->done != im->set.count)
		return ctl_fail("the file changed while it was read; import it again");
	printf("%zu books in %.1f s", im->done, (double)(clock_ms() - began) / 1000);
	if (im->replayed > 0)
		printf("; %zu of them came with an earlier import of this very file and were not "
		       "changed again",
		    im->replayed);
	putchar('\n');
	return CTL_OK;
}

int
command_import(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"replace", no_argument, NULL, 'r'}, {0}};
	struct import im = {.ctl = ctl};
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'r')
			return ctl_usage(argv[0]);
		im.replace = true;
	}
	if (argc - optind != 1)
		return ctl_usage(argv[0]);
	im.primary = ctl_primary(ctl, NODE_CATALOG);
	if (im.primary == NULL)
		return CTL_FAILED;
	im.file = bookfile_open(argv[optind]);
	int result = im.file != NULL ? import_file(&im) : CTL_FAILED;
	bookset_free(&im.set);
	bookfile_close(im.file);
	return result;
}
