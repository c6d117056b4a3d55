/*
 * bazar-init: runs schema.sql and seed.sql in an in-memory SQL database and prints the books as
 * JSON, prices in cents, as fcgi/catalog/seed.h reads them.
 *
 * A program of its own: the SQL engine exports a second copy of Berkeley DB's functions, which must
 * not meet the one that the workers use.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dbsql.h>
#include <jansson.h>

#include "fcgi/base/buf.h"

static const char usage[] = "usage: bazar-init [--schema FILE] [--seed FILE]\n"
			    "Prints the first contents of a new store as JSON.\n"
			    "  --schema FILE  tables and constraints (default: sql/schema.sql)\n"
			    "  --seed FILE    rows (default: sql/seed.sql)\n";

struct options {
	const char *schema;
	const char *seed;
};

static int
read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	char block[4096];
	size_t n;
	int rc = file == NULL ? -1 : 0;
	while (file != NULL && (n = fread(block, 1, sizeof(block), file)) > 0)
		buf_add(out, block, n);
	if (file == NULL || ferror(file))
		rc = -1;
	if (rc != 0)
		fprintf(stderr, "bazar-init: %s: %s\n", path, strerror(errno));
	if (file != NULL)
		fclose(file);
	return rc;
}

static int
count_lines(const char *from, const char *to)
{
	int lines = 1;
	for (; from < to; from++)
		lines += *from == '\n';
	return lines;
}

/* Says which statement failed: its line in the file and how it begins. */
static void
complain(sqlite3 *db, const char *path, const char *text, const char *statement)
{
	for (; isspace((unsigned char)*statement) || *statement == '-'; statement++)
		if (*statement == '-')
			statement += strcspn(statement, "\n"); /* a comment */
	fprintf(stderr, "bazar-init: %s: line %d: %s: %.*s\n", path, count_lines(text, statement),
	    sqlite3_errmsg(db), (int)strcspn(statement, "\n"), statement);
}

/* One statement; *rest is what follows it. */
static int
run_statement(sqlite3 *db, const char *statement, const char **rest)
{
	sqlite3_stmt *prepared = NULL;
	int rc = sqlite3_prepare_v2(db, statement, -1, &prepared, rest);
	if (rc != SQLITE_OK)
		return -1;
	if (prepared == NULL) /* a comment, or nothing */
		return 0;
	do
		rc = sqlite3_step(prepared);
	while (rc == SQLITE_ROW);
	return sqlite3_finalize(prepared) == SQLITE_OK && rc == SQLITE_DONE ? 0 : -1;
}

static int
run_file(sqlite3 *db, const char *path)
{
	struct buf text = {0};
	int rc = read_file(path, &text);
	const char *start = buf_cstr(&text), *rest = NULL;
	for (const char *at = start; rc == 0 && *at != '\0'; at = rest) {
		rc = run_statement(db, at, &rest);
		if (rc != 0)
			complain(db, path, start, at);
	}
	buf_free(&text);
	return rc;
}

static json_t *
read_books(sqlite3 *db)
{
	sqlite3_stmt *s = NULL;
	json_t *books = json_array();
	int rc = sqlite3_prepare_v2(db,
	    "SELECT id, title, author, topic, price, quantity FROM books ORDER BY id", -1, &s,
	    NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		json_t *book = json_pack("{s:I, s:s, s:s, s:s, s:I, s:I}", "id",
		    (json_int_t)sqlite3_column_int64(s, 0), "title", sqlite3_column_text(s, 1),
		    "author", sqlite3_column_text(s, 2), "topic", sqlite3_column_text(s, 3),
		    "price", (json_int_t)sqlite3_column_int64(s, 4), "quantity",
		    (json_int_t)sqlite3_column_int64(s, 5));
		rc = json_array_append_new(books, book) == 0 ? SQLITE_OK : SQLITE_NOMEM;
	}
	sqlite3_finalize(s);
	if (rc == SQLITE_DONE)
		return books;
	fprintf(stderr, "bazar-init: table books: %s\n", sqlite3_errmsg(db));
	json_decref(books);
	return NULL;
}

static int
print_books(sqlite3 *db)
{
	json_t *books = read_books(db);
	if (books == NULL)
		return -1;
	json_t *root = json_pack("{s:o}", "books", books);
	int rc = json_dumpf(root, stdout, JSON_INDENT(2));
	json_decref(root);
	if (rc != 0 || putchar('\n') == EOF || fflush(stdout) != 0) {
		fprintf(stderr, "bazar-init: standard output: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

/* Ends the program when told to, or when it does not understand. */
static struct options
read_options(int argc, char **argv)
{
	static const struct option known[] = {{"schema", required_argument, NULL, 's'},
	    {"seed", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	struct options o = {.schema = "sql/schema.sql", .seed = "sql/seed.sql"};
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		if (c == 's')
			o.schema = optarg;
		else if (c == 'd')
			o.seed = optarg;
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		exit(EXIT_FAILURE);
	}
	return o;
}

int
main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	sqlite3 *db = NULL;
	int rc = sqlite3_open(":memory:", &db) == SQLITE_OK ? 0 : -1;
	if (rc != 0)
		fprintf(stderr, "bazar-init: cannot open a database in memory\n");
	if (rc == 0)
		rc = run_file(db, o.schema);
	if (rc == 0)
		rc = run_file(db, o.seed);
	if (rc == 0)
		rc = print_books(db);
	sqlite3_close(db);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
