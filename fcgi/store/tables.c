#include "fcgi/store/tables.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/store/pages.h"
#include "fcgi/store/store.h"

#define VALUE_USUAL 1024 /* bytes; longer ones cost a second look */
#define KEY_MAX 1024     /* bytes */
#define BULK 16384u      /* rows of a scan are copied this many bytes at a time */
#define BULK_STEP 1024   /* Berkeley DB wants a multiple of it */
#define OWN_TABLES_MAX 2 /* of the store itself */

struct tables {
	struct env *env;
	DB *db[STORE_TABLES_MAX + OWN_TABLES_MAX];
	unsigned count;
};

/* ---- Opening ---- */

static int
open_table(struct tables *t, DB_TXN *txn, const char *name, uint32_t flags)
{
	char file[64];
	snprintf(file, sizeof(file), "%s.db", name);
	DB *db;
	int rc = db_create(&db, env_handle(t->env), 0);
	if (rc != 0)
		return rc;
	t->db[t->count++] = db;
	if ((rc = db->set_pagesize(db, PAGES_SIZE)) != 0 ||
	    (rc = db->set_flags(db, DB_CHKSUM)) != 0)
		return rc;
	return db->open(db, txn, file, NULL, DB_BTREE, flags | DB_THREAD, 0600);
}

/* All or none: the first table's file tells a store from an empty directory. */
static int
open_all(struct tables *t, const char *const names[], unsigned count, bool is_new)
{
	DB_ENV *env = env_handle(t->env);
	DB_TXN *txn;
	int rc = env->txn_begin(env, NULL, &txn, 0);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = open_table(t, txn, names[i], is_new ? DB_CREATE | DB_EXCL : 0);
	if (rc != 0) {
		(void)txn->abort(txn);
		return rc;
	}
	return txn->commit(txn, 0);
}

/* Full statistics visit every page of the tree, and each visit checks the page's checksum. */
static int
visit_pages(struct tables *t, unsigned i, struct trouble *trouble)
{
	void *statistics = NULL;
	int rc = t->db[i]->stat(t->db[i], NULL, &statistics, 0);
	free(statistics);
	return rc == 0 ? 0 : env_explain(t->env, rc, trouble);
}

static int
check_table(
    struct tables *t, const char *dir, const char *name, unsigned i, struct trouble *trouble)
{
	char path[PATH_MAX];
	uint32_t page;
	snprintf(path, sizeof(path), "%s/%s.db", dir, name);
	switch (pages_check(path, &page)) {
	case PAGES_GOOD:
		return 0;
	case PAGES_UNCERTAIN:
		return visit_pages(t, i, trouble);
	case PAGES_DAMAGED:
		return trouble_say(trouble, "damaged-page",
		    "the store in %s is damaged: page %u of %s.db is not what was written", dir,
		    page, name);
	default:
		return trouble_say(trouble, NULL, "cannot read %s: %s", path, strerror(errno));
	}
}

/* 1 or 0; -1 with the trouble. */
static int
is_missing(const char *dir, const char *name, struct trouble *trouble)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s.db", dir, name);
	if (access(path, F_OK) == 0)
		return 0;
	return errno == ENOENT ? 1 : trouble_say(trouble, NULL, "%s: %s", path, strerror(errno));
}

struct tables *
tables_open(struct env *e, const char *dir, const char *const names[], unsigned count,
    struct trouble *trouble)
{
	struct tables *t = xcalloc(1, sizeof(*t));
	t->env = e;
	int is_new = is_missing(dir, names[0], trouble);
	if (is_new < 0)
		goto failed;
	if (is_new && env_has_history(e)) {
		trouble_say(trouble, "missing-file", "the store in %s is damaged: %s.db is missing",
		    dir, names[0]);
		goto failed;
	}
	int rc = open_all(t, names, count, is_new);
	if (rc != 0) {
		env_explain(e, rc, trouble);
		goto failed;
	}
	for (unsigned i = 0; i < count && !is_new; i++)
		if (check_table(t, dir, names[i], i, trouble) != 0)
			goto failed;
	return t;

failed:
	tables_close(t);
	return NULL;
}

void
tables_close(struct tables *t)
{
	for (unsigned i = 0; i < t->count; i++)
		(void)t->db[i]->close(t->db[i], DB_NOSYNC); /* the checkpoint writes the pages */
	free(t);
}

unsigned
tables_count(const struct tables *t)
{
	return t->count;
}

/* ---- Reading ---- */

static DBT
input(const void *bytes, size_t len)
{
	return (DBT){.data = (void *)(uintptr_t)bytes, .size = (u_int32_t)len};
}

static DBT
room(void *bytes, size_t size)
{
	return (DBT){.data = bytes, .ulen = (u_int32_t)size, .flags = DB_DBT_USERMEM};
}

bool
tables_get(struct tables *t, unsigned table, const void *key, size_t len, struct buf *value)
{
	uint8_t usual[VALUE_USUAL];
	DB *db = t->db[table];
	DBT k = input(key, len), v = room(usual, sizeof(usual));
	uint8_t *longer = NULL;
	int rc = db->get(db, NULL, &k, &v, 0);
	if (rc == DB_BUFFER_SMALL) {
		longer = xmalloc(v.size);
		v = room(longer, v.size);
		rc = db->get(db, NULL, &k, &v, 0);
	}
	if (rc == 0)
		buf_add(value, v.data, v.size);
	else if (rc != DB_NOTFOUND)
		env_check(rc, "read");
	free(longer);
	return rc == 0;
}

/* The value itself is not read, however long it is. */
size_t
tables_value_len(struct tables *t, unsigned table, const void *key, size_t len)
{
	DB *db = t->db[table];
	DBT k = input(key, len), v = room(NULL, 0);
	int rc = db->get(db, NULL, &k, &v, 0);
	if (rc == DB_NOTFOUND)
		return 0;
	if (rc != DB_BUFFER_SMALL)
		env_check(rc, "read");
	return v.size;
}

/* Calls `visit` for each row of a bulk answer; false when it wants no more. */
static bool
visit_bulk(DBT *bulk, view_visit visit, void *arg)
{
	void *place, *key, *value;
	u_int32_t key_len, value_len;
	DB_MULTIPLE_INIT(place, bulk);
	for (;;) {
		DB_MULTIPLE_KEY_NEXT(place, bulk, key, key_len, value, value_len);
		if (place == NULL)
			return true;
		if (!visit(arg, key, key_len, value, value_len))
			return false;
	}
}

/* The next rows, as many as fit; grows the room for a single row that does not. */
static int
read_bulk(DBC *cursor, DBT *key, DBT *bulk, uint32_t where)
{
	int rc;
	while ((rc = cursor->get(cursor, key, bulk, where | DB_MULTIPLE_KEY)) == DB_BUFFER_SMALL) {
		u_int32_t need = bulk->size > 2 * bulk->ulen ? bulk->size : 2 * bulk->ulen;
		bulk->ulen = (need + BULK_STEP - 1) / BULK_STEP * BULK_STEP;
		bulk->data = xrealloc(bulk->data, bulk->ulen);
	}
	return rc;
}

static DBC *
open_cursor(struct tables *t, unsigned table)
{
	DBC *cursor = NULL;
	DB *db = t->db[table];
	env_check(db->cursor(db, NULL, &cursor, 0), "read");
	return cursor;
}

void
tables_scan(
    struct tables *t, unsigned table, const void *from, size_t len, view_visit visit, void *arg)
{
	uint8_t start[KEY_MAX];
	if (len > sizeof(start))
		return;
	if (len > 0)
		memcpy(start, from, len);
	DBT key = room(start, sizeof(start)), bulk = room(xmalloc(BULK), BULK);
	key.size = (u_int32_t)len;
	DBC *cursor = open_cursor(t, table);
	uint32_t where = len > 0 ? DB_SET_RANGE : DB_FIRST;
	int rc;
	while ((rc = read_bulk(cursor, &key, &bulk, where)) == 0 && visit_bulk(&bulk, visit, arg))
		where = DB_NEXT;
	if (rc != DB_NOTFOUND)
		env_check(rc, "read");
	env_check(cursor->close(cursor), "read");
	free(bulk.data);
}

/* ---- Writing ---- */

DB_TXN *
tables_begin(struct tables *t)
{
	DB_TXN *txn = NULL;
	DB_ENV *env = env_handle(t->env);
	env_check(env->txn_begin(env, NULL, &txn, 0), "begin");
	return txn;
}

void
tables_put(struct tables *t, DB_TXN *txn, unsigned table, const void *key, size_t key_len,
    const void *value, size_t value_len)
{
	DBT k = input(key, key_len), v = input(value, value_len);
	env_check(t->db[table]->put(t->db[table], txn, &k, &v, 0), "write");
}

void
tables_delete(struct tables *t, DB_TXN *txn, unsigned table, const void *key, size_t key_len)
{
	DBT k = input(key, key_len);
	int rc = t->db[table]->del(t->db[table], txn, &k, 0);
	if (rc != DB_NOTFOUND)
		env_check(rc, "delete");
}

void
tables_commit(DB_TXN *txn)
{
	env_check(txn->commit(txn, 0), "commit");
}
