#include "tests/unit/fixture.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/catalog/catalog.h"

#define CACHE_BYTES (16u << 20)

struct store *
fixture_try_open(struct fixture *f, char *error, size_t error_size)
{
	return store_open(f->dir, f->tables, f->table_count, CACHE_BYTES, error, error_size);
}

static void
open_store(struct fixture *f)
{
	char error[500] = "";
	f->store = fixture_try_open(f, error, sizeof(error));
	if (f->store == NULL)
		fprintf(stderr, "%s\n", error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->store);
}

void
fixture_open(struct fixture *f, const char *const tables[], unsigned table_count)
{
	*f = (struct fixture){.dir = "/tmp/bazar-unit-XXXXXX",
	    .tables = tables,
	    .table_count = table_count,
	    .time_ms = 1700000000000};
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->dir));
	open_store(f);
}

void
fixture_open_catalog(struct fixture *f, struct machine *m)
{
	fixture_open(f, catalog_tables, catalog_table_count);
	*m = (struct machine){.ctx = catalog_new(store_view(f->store)),
	    .decided = catalog_decided,
	    .begin = catalog_begin,
	    .execute = catalog_execute};
}

void
fixture_reopen(struct fixture *f)
{
	store_close(f->store);
	open_store(f);
}

void
fixture_close(struct fixture *f)
{
	store_close(f->store);
	buf_free(&f->out.effects);
	buf_free(&f->out.answer);
	buf_free(&f->out.keys);
	DIR *dir = opendir(f->dir);
	for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;)
		(void)unlinkat(dirfd(dir), d->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	CU_ASSERT_EQUAL(rmdir(f->dir), 0);
}

struct entry *
fixture_entry(struct fixture *f, const struct uuid *op_id, const struct outcome *out)
{
	struct entry_parts parts = {
	    .at = {.epoch = {1, 1}, .seq = f->last.seq + 1},
	    .prev = f->last,
	    .time_ms = f->time_ms,
	    .op_id = *op_id,
	    .keys = (const uint64_t *)(const void *)out->keys.data,
	    .key_count = out->keys.len / sizeof(uint64_t),
	    .effects = out->effects.data,
	    .effects_len = out->effects.len,
	    .answer = out->answer.data,
	    .answer_len = out->answer.len,
	};
	struct entry *e = entry_new(&parts);
	CU_ASSERT_FATAL(e != NULL && e->bytes_len <= ENTRY_BYTES_MAX);
	assert(e != NULL);
	f->last = e->at;
	return e;
}

static void
clear_outcome(struct fixture *f)
{
	buf_clear(&f->out.effects);
	buf_clear(&f->out.answer);
	buf_clear(&f->out.keys);
}

void
fixture_decide(struct fixture *f, const struct machine *m, const struct uuid *id, uint8_t kind,
    const struct buf *args)
{
	struct op *op = op_new(*id, 0, kind, args);
	CU_ASSERT_FATAL(f->batch_count < FIXTURE_BATCH);
	if (f->batch_count == 0)
		m->begin(m->ctx);
	clear_outcome(f);
	m->execute(m->ctx, op, f->time_ms, &f->out);
	f->batch[f->batch_count++] = fixture_entry(f, id, &f->out);
	op_free(op);
}

void
fixture_commit(struct fixture *f)
{
	store_append(f->store, f->batch, f->batch_count);
	store_apply(f->store, f->batch, f->batch_count);
	for (size_t i = 0; i < f->batch_count; i++)
		entry_free(f->batch[i]);
	f->batch_count = 0;
}

bool
fixture_run(struct fixture *f, const struct machine *m, const struct uuid *id, uint8_t kind,
    struct buf *args)
{
	struct op *op = op_new(*id, 0, kind, args);
	clear_outcome(f);
	bool decided = m->decided(m->ctx, op, &f->out.answer);
	op_free(op);
	if (!decided) {
		fixture_decide(f, m, id, kind, args);
		fixture_commit(f);
	}
	buf_clear(args);
	return decided;
}

size_t
fixture_touched_count(const struct fixture *f)
{
	return f->out.keys.len / sizeof(uint64_t);
}

bool
fixture_touched(const struct fixture *f, uint64_t key)
{
	for (size_t at = 0; at < f->out.keys.len; at += sizeof(key))
		if (memcmp(f->out.keys.data + at, &key, sizeof(key)) == 0)
			return true;
	return false;
}

int
fixture_fork(void (*child)(void *arg), void *arg)
{
	pid_t pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		int nowhere = open("/dev/null", O_WRONLY);
		dup2(nowhere, STDERR_FILENO);
		child(arg);
		_exit(0);
	}
	int status = -1;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return status;
}
