/* bazarctl export: all books or orders to standard output, read page by page from the primary. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/ctl/csv.h"
#include "replica/ctl/ctl.h"

/* What CSV columns a table has; NULL ends them. Books import again. */
static const char *const book_columns[] = {
    "id", "title", "author", "topic", "price", "quantity", NULL};
static const char *const order_columns[] = {"order_id", "book_id", "quantity", "status", "reason",
    "title", "price", "total", "created_at", NULL};

static const struct table {
	const char *name;
	enum node_service service;
	const char *path;
	const char *const *columns;
} tables[] = {
    {"books", NODE_CATALOG, "/peer/books", book_columns},
    {"orders", NODE_ORDER, "/peer/orders", order_columns},
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

struct export
{
	const struct table *table;
	bool csv;
	struct buf line;
	bool broken; /* standard output takes no more */
};

static void
write_field(struct buf *out, const json_t *value)
{
	if (json_is_string(value))
		csv_write(out, json_string_value(value));
	else if (json_is_integer(value))
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value)) /* money, at most 11 digits: exact */
		buf_printf(out, "%.2f", json_real_value(value));
}

/* What the row itself does not have, its owner does. */
static void
write_csv_row(struct export *e, const json_t *row, const json_t *owner)
{
	for (const char *const *column = e->table->columns; *column != NULL; column++) {
		const json_t *value = json_object_get(row, *column);
		if (column != e->table->columns)
			buf_u8(&e->line, ',');
		write_field(&e->line, value != NULL ? value : json_object_get(owner, *column));
	}
	buf_add(&e->line, "\r\n", 2);
}

/* An order has a row for each of its lines. */
static void
write_csv(struct export *e, const json_t *row)
{
	const json_t *lines = json_object_get(row, "lines"), *line;
	size_t i;
	if (lines == NULL)
		write_csv_row(e, row, NULL);
	json_array_foreach(lines, i, line)
	{
		write_csv_row(e, line, row);
	}
}

static void
write_json(struct export *e, const json_t *row)
{
	char *text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(12));
	if (text == NULL)
		abort();
	buf_printf(&e->line, "%s\n", text);
	free(text);
}

static bool
export_row(void *arg, json_t *row)
{
	struct export *e = arg;
	buf_clear(&e->line);
	if (e->csv)
		write_csv(e, row);
	else
		write_json(e, row);
	e->broken = fwrite(e->line.data, 1, e->line.len, stdout) != e->line.len;
	return !e->broken;
}

static void
write_header(const struct table *table)
{
	for (const char *const *column = table->columns; *column != NULL; column++)
		printf("%s%s", column != table->columns ? "," : "", *column);
	printf("\r\n");
}

static int
export_table(struct ctl *ctl, struct export *e)
{
	const struct node *primary = ctl_primary(ctl, e->table->service);
	if (primary == NULL)
		return CTL_FAILED;
	if (e->csv)
		write_header(e->table);
	int result = http_walk(ctl->http, primary, e->table->path, "after", NULL, export_row, e);
	buf_free(&e->line);
	return result == 0 && !e->broken ? CTL_OK : CTL_FAILED;
}

static const struct table *
find_table(const char *name)
{
	for (size_t i = 0; i < TABLES; i++)
		if (strcmp(tables[i].name, name) == 0)
			return &tables[i];
	return NULL;
}

int
command_export(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'}, {0}};
	struct export e = {.table = &tables[0], .csv = true};
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'f' || (strcmp(optarg, "csv") != 0 && strcmp(optarg, "jsonl") != 0))
			return ctl_usage(argv[0]);
		e.csv = strcmp(optarg, "csv") == 0;
	}
	if (optind < argc)
		e.table = find_table(argv[optind++]);
	if (e.table == NULL || optind < argc)
		return ctl_usage(argv[0]);
	return export_table(ctl, &e);
}
