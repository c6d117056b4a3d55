/*
 * bazarctl backup: both services' tables and the end of their logs into a directory, from the
 * primaries, while they go on selling.
 *
 * The two fit together: the catalog's part ends just before the first reservation of an order that
 * the order service's part does not know. Everything that is confirmed there was reserved before,
 * and an order is logged before it is reserved, so there is such an end, and it comes after the
 * tables were read.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fcgi/base/clock.h"
#include "fcgi/catalog/rows.h"
#include "fcgi/store/backup.h"
#include "replica/ctl/backup.h"
#include "replica/ctl/ctl.h"

#define PATH_BYTES 4096
#define PAUSE_MS 20 /* between pieces, for those who buy */

/* One service's part. */
struct part {
	struct ctl *ctl;
	const struct node *primary;
	struct backup_writer out;
	char path[PATH_BYTES], fresh[PATH_BYTES];
	uint64_t first, last; /* applied when the first piece was read, and the last one */
	struct position at;   /* of the last entry, or of the tables */
	uint64_t rows;        /* bytes */
	struct order_ids *orders;
	bool ended; /* by an order that is not known */
};

static int
failed_to_write(const struct part *p)
{
	return ctl_fail("cannot write %s: %s", p->fresh, strerror(errno));
}

/* ---- Tables ---- */

/* The answer to POST /peer/dump; see fcgi/peer.c. */
static int
take_piece(struct part *p, const struct buf *answer, struct buf *cursor, bool *more)
{
	struct cur c = cur_make(answer->data, answer->len);
	size_t cursor_len, rows_len;
	*more = cur_u8(&c) != 0;
	struct position at = position_get(&c);
	const uint8_t *next = cur_bytes(&c, &cursor_len), *rows = cur_bytes(&c, &rows_len);
	if (!cur_end(&c))
		return ctl_fail("%s answers nonsense", p->primary->name);
	if (p->first == 0)
		p->first = at.seq;
	p->last = at.seq;
	p->at = at;
	buf_clear(cursor);
	buf_add(cursor, next, cursor_len);
	p->rows += rows_len;
	if (p->orders != NULL && p->primary->service == NODE_ORDER)
		order_ids_take(p->orders, rows, rows_len);
	return backup_add(&p->out, BACKUP_ROWS, rows, rows_len) == 0 ? CTL_OK : failed_to_write(p);
}

static int
dump_tables(struct part *p)
{
	struct buf cursor = {0};
	struct http_answer a = {0};
	bool more = true;
	int result = CTL_OK;
	while (more && result == CTL_OK) {
		if (http_post(p->ctl->http, p->primary, "/peer/dump", NULL, &cursor, &a) != 200)
			result = ctl_fail("%s", http_error(p->ctl->http));
		else
			result = take_piece(p, &a.body, &cursor, &more);
		fprintf(stderr, "\r%s: %.1f MB", node_service_name(p->primary->service),
		    (double)p->rows / 1e6);
		ctl_sleep_ms(PAUSE_MS);
	}
	fputc('\n', stderr);
	buf_free(&cursor);
	buf_free(&a.body);
	return result;
}

/* ---- The log ---- */

/* A reservation of an order that is not in the backup: here the catalog's part ends. */
static bool
is_beyond(const struct part *p, const struct entry *e)
{
	if (p->primary->service != NODE_CATALOG || e->at.seq <= p->last)
		return false;
	struct cur c = cur_make(e->effects, e->effects_len);
	for (struct effect f; e->kind == ENTRY_OPERATION && effect_next(&c, &f);)
		if (f.table == TABLE_RESERVATION && !f.is_delete &&
		    !order_ids_has(p->orders, f.key, f.key_len))
			return true;
	return false;
}

static int
take_entry(struct part *p, const uint8_t *bytes, size_t len)
{
	int result = CTL_OK;
	struct entry *e = entry_decode(bytes, len);
	if (e == NULL || e->at.seq != p->at.seq + 1) {
		entry_free(e);
		return ctl_fail("%s has no longer the entries that were written meanwhile; give it "
				"a larger BAZAR_LOG_KEEP",
		    p->primary->name);
	}
	if (is_beyond(p, e)) {
		p->ended = true;
	} else if (backup_add(&p->out, BACKUP_ENTRY, bytes, len) != 0) {
		result = failed_to_write(p);
	} else {
		p->at = e->at;
		if (p->primary->service == NODE_ORDER && e->kind == ENTRY_OPERATION)
			order_ids_take(p->orders, e->effects, e->effects_len);
	}
	entry_free(e);
	return result;
}

/* All entries in an answer to GET /peer/entries: {u64 applied, then each with its length}. */
static int
take_entries(struct part *p, const struct buf *answer, uint64_t *until)
{
	int result = CTL_OK;
	struct cur c = cur_make(answer->data, answer->len);
	uint64_t applied = cur_u64(&c);
	if (*until == 0)
		*until = applied;
	while (result == CTL_OK && !p->ended && p->at.seq < *until && c.at < c.end) {
		size_t len;
		const uint8_t *bytes = cur_bytes(&c, &len);
		result = bytes != NULL ? take_entry(p, bytes, len)
				       : ctl_fail("%s answers nonsense", p->primary->name);
	}
	return result;
}

/* From the first piece's state on, up to what is applied now. The tables are as of any moment in
 * between, row by row, so `at` begins at the first. */
static int
add_log(struct part *p)
{
	char path[64];
	struct http_answer a = {0};
	int result = CTL_OK;
	uint64_t until = 0, before = 0;
	struct position of_tables = p->at;
	p->at.seq = p->first;
	do {
		before = p->at.seq;
		snprintf(path, sizeof(path), "/peer/entries?from=%" PRIu64, p->at.seq + 1);
		if (http_get(p->ctl->http, p->primary, path, HTTP_TIMEOUT_MS, &a) != 200)
			result = ctl_fail("%s", http_error(p->ctl->http));
		else
			result = take_entries(p, &a.body, &until);
	} while (result == CTL_OK && !p->ended && p->at.seq < until && p->at.seq > before);
	if (p->at.seq == of_tables.seq)
		p->at = of_tables; /* with its epoch */
	if (result == CTL_OK && !p->ended && p->at.seq < until)
		result = ctl_fail("%s gives no entry %" PRIu64, p->primary->name, p->at.seq + 1);
	buf_free(&a.body);
	return result;
}

/* ---- Both ---- */

static int
start_part(struct part *p, const char *dir, enum node_service service)
{
	const char *name = node_service_name(service);
	p->primary = ctl_primary(p->ctl, service);
	if (p->primary == NULL)
		return CTL_FAILED;
	snprintf(p->path, sizeof(p->path), "%s/%s", dir, name);
	snprintf(p->fresh, sizeof(p->fresh), "%s/%s.new", dir, name);
	return backup_create(&p->out, p->fresh, name) == 0 ? CTL_OK : failed_to_write(p);
}

static int
finish_part(struct part *p)
{
	int result = backup_finish(&p->out, p->at) == 0 ? CTL_OK : failed_to_write(p);
	p->out.file = NULL;
	if (result == CTL_OK && rename(p->fresh, p->path) != 0)
		result = failed_to_write(p);
	return result;
}

static int
back_up(struct ctl *ctl, const char *dir)
{
	struct part catalog = {.ctl = ctl}, order = {.ctl = ctl};
	catalog.orders = order.orders = order_ids_new();
	int result = start_part(&catalog, dir, NODE_CATALOG);
	if (result == CTL_OK)
		result = start_part(&order, dir, NODE_ORDER);
	if (result == CTL_OK)
		result = dump_tables(&catalog);
	if (result == CTL_OK)
		result = dump_tables(&order);
	if (result == CTL_OK)
		result = add_log(&order);
	order_ids_sort(order.orders);
	if (result == CTL_OK)
		result = add_log(&catalog);
	if (result == CTL_OK)
		result = finish_part(&order);
	if (result == CTL_OK)
		result = finish_part(&catalog);
	if (result == CTL_OK)
		printf("Backed up to %s: the catalog as of entry %" PRIu64
		       ", orders as of entry %" PRIu64 ".\n",
		    dir, catalog.at.seq, order.at.seq);
	struct part *parts[] = {&catalog, &order};
	for (size_t i = 0; i < 2; i++)
		if (parts[i]->out.file != NULL)
			fclose(parts[i]->out.file);
	order_ids_free(order.orders);
	return result;
}

int
command_backup(struct ctl *ctl, int argc, char **argv)
{
	if (!ctl_takes(argc, argv, 1))
		return CTL_USAGE;
	if (mkdir(argv[optind], 0700) != 0 && errno != EEXIST)
		return ctl_fail("cannot create %s: %s", argv[optind], strerror(errno));
	return back_up(ctl, argv[optind]);
}
