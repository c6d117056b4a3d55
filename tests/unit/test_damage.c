/* Damaged stores are noticed at open and set aside; what only looks like damage is not. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <CUnit/CUnit.h>

#include "fcgi/exit.h"
#include "fcgi/store/pages.h"
#include "fcgi/store/tables.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suites.h"

static const char *const tables[] = {"alpha", "beta"};

/* A store in HOME/db, so that what is set aside has a place; closed. */
struct home {
	char dir[64];
	struct fixture f;
};

static void
put_rows(struct fixture *f, unsigned rows)
{
	char value[500], key[16];
	struct outcome out = {0};
	struct uuid id = uuid_random();
	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < rows; i++) {
		snprintf(key, sizeof(key), "%06u", i);
		effect_put(&out.effects, 0, key, strlen(key), value, sizeof(value));
	}
	struct entry *e = fixture_entry(f, &id, &out);
	store_append(f->store, &e, 1);
	store_apply(f->store, &e, 1);
	entry_free(e);
	buf_free(&out.effects);
}

static struct store *
must_open(struct fixture *f)
{
	char error[500] = "";
	f->store = fixture_try_open(f, error, sizeof(error));
	CU_ASSERT_STRING_EQUAL(error, "");
	NEED(f->store);
	return f->store;
}

/* The process ends as in a crash, but with everything flushed. */
static void
fill_and_crash(void *arg)
{
	struct fixture *f = arg;
	char error[500];
	f->store = fixture_try_open(f, error, sizeof(error));
	for (unsigned i = 0; i < 20; i++) {
		put_rows(f, 20);
		store_flush(f->store);
	}
	_exit(0);
}

static void
home_open(struct home *h, bool crashed)
{
	*h = (struct home){.dir = "/tmp/bazar-unit-XXXXXX"};
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(h->dir));
	h->f = (struct fixture){.tables = tables, .table_count = 2, .time_ms = 1};
	snprintf(h->f.dir, sizeof(h->f.dir), "%.40s/db", h->dir);
	if (crashed) {
		CU_ASSERT_EQUAL(fixture_fork(fill_and_crash, &h->f), 0);
		return;
	}
	must_open(&h->f);
	put_rows(&h->f, 200);
	store_close(h->f.store);
}

static void
home_close(struct home *h)
{
	char command[100];
	snprintf(command, sizeof(command), "rm -r '%s'", h->dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

static const char *
file_in(const struct home *h, const char *name)
{
	static char path[200];
	snprintf(path, sizeof(path), "%s/%s", h->f.dir, name);
	return path;
}

static off_t
size_of(const char *path)
{
	struct stat st;
	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	return st.st_size;
}

static void
flip(const char *path, off_t at)
{
	uint8_t byte;
	int fd = open(path, O_RDWR);
	CU_ASSERT_TRUE(at < size_of(path));
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* ---- Opening ---- */

/* Berkeley DB leaks what it had of a damaged environment, so a child tries. */
static void
open_damaged(void *arg)
{
	char error[500] = "";
	struct store *s = fixture_try_open(arg, error, sizeof(error));
	_exit(s == NULL && strstr(error, "damage") != NULL ? 0 : 1);
}

static void
open_well(void *arg)
{
	char error[500] = "";
	struct store *s = fixture_try_open(arg, error, sizeof(error));
	_exit(s != NULL ? 0 : 1);
}

static void
open_as_worker(void *arg)
{
	struct fixture *f = arg;
	char error[500] = "";
	struct store *s = store_open_or_abandon(f->dir, tables, 2, 16u << 20, error, sizeof(error));
	_exit(s != NULL ? 0 : 77);
}

static int
status_of(void (*child)(void *arg), struct home *h)
{
	int status = fixture_fork(child, &h->f);
	CU_ASSERT_TRUE(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
check_noticed(struct home *h)
{
	CU_ASSERT_EQUAL(status_of(open_damaged, h), 0);
	home_close(h);
}

/* ---- Tables ---- */

static void
test_damaged_tables(void)
{
	struct home h;
	const off_t places[] = {100, 4096 + 2000, 2 * 4096 + 2000, 10 * 4096, 20 * 4096 + 4095};
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		home_open(&h, false);
		flip(file_in(&h, "alpha.db"), places[i]);
		check_noticed(&h);
	}
	for (int percent = 0; percent <= 100; percent += 25) {
		home_open(&h, false);
		off_t pages = size_of(file_in(&h, "alpha.db")) / 4096 - 1;
		CU_ASSERT_EQUAL(truncate(file_in(&h, "alpha.db"), pages * percent / 100 * 4096), 0);
		check_noticed(&h);
	}
	static const char *const names[] = {"alpha.db", "meta.db", "log.db"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		home_open(&h, false);
		CU_ASSERT_EQUAL(unlink(file_in(&h, names[i])), 0);
		check_noticed(&h);
	}
}

static void
test_every_byte_of_a_page_counts(void)
{
	struct home h;
	uint32_t page;
	home_open(&h, false);
	const char *path = file_in(&h, "alpha.db");
	CU_ASSERT_EQUAL(pages_check(path, &page), PAGES_GOOD);
	CU_ASSERT_TRUE(page > 20);
	for (off_t at = 0; at < 512; at++) { /* the table's head: the rest of its page is unused */
		flip(path, at);
		CU_ASSERT_EQUAL(pages_check(path, &page), PAGES_DAMAGED);
		CU_ASSERT_EQUAL(page, 0);
		flip(path, at);
	}
	for (off_t at = 4096; at < size_of(path); at += 13) {
		flip(path, at);
		CU_ASSERT_EQUAL(pages_check(path, &page), PAGES_DAMAGED);
		CU_ASSERT_EQUAL(page, at / 4096);
		flip(path, at);
	}
	CU_ASSERT_EQUAL(pages_check(path, &page), PAGES_GOOD);
	home_close(&h);
}

/* A page that was never written is in order where the tree does not lead to it, only there. */
static void
test_a_page_of_zeros(void)
{
	struct home h;
	uint32_t page;
	static const uint8_t zeros[4096];
	home_open(&h, false);
	int fd = open(file_in(&h, "alpha.db"), O_RDWR);
	CU_ASSERT_EQUAL(pwrite(fd, zeros, sizeof(zeros), 3 * 4096), 4096);
	close(fd);
	CU_ASSERT_EQUAL(pages_check(file_in(&h, "alpha.db"), &page), PAGES_UNCERTAIN);
	check_noticed(&h);
}

/* ---- The log of Berkeley DB ---- */

/* Where the log ends, as the store itself knows it. */
static off_t
flushed_end(struct home *h)
{
	uint32_t end[2] = {0};
	int fd = open(file_in(h, "flushed"), O_RDONLY);
	CU_ASSERT_EQUAL(read(fd, end, sizeof(end)), (ssize_t)sizeof(end));
	close(fd);
	CU_ASSERT_EQUAL(end[0], 1);
	return end[1];
}

static const char log_file[] = "log.0000000001";

static void
test_truncated_log(void)
{
	struct home h;
	for (int percent = 0; percent <= 100; percent += 20) {
		home_open(&h, true);
		off_t end = flushed_end(&h);
		CU_ASSERT_TRUE(end > 100000);
		CU_ASSERT_EQUAL(truncate(file_in(&h, log_file), (end - 1) * percent / 100), 0);
		check_noticed(&h);
	}
	home_open(&h, true); /* what is not written yet is not missing */
	CU_ASSERT_EQUAL(truncate(file_in(&h, log_file), flushed_end(&h)), 0);
	CU_ASSERT_EQUAL(status_of(open_well, &h), 0);
	home_close(&h);
}

static void
test_damaged_or_missing_log(void)
{
	struct home h;
	const int percents[] = {50, 70, 90, 99, 100};
	for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
		home_open(&h, true);
		flip(file_in(&h, log_file), (flushed_end(&h) - 1) * percents[i] / 100);
		check_noticed(&h);
	}
	home_open(&h, true);
	CU_ASSERT_EQUAL(unlink(file_in(&h, log_file)), 0);
	check_noticed(&h);
	home_open(&h, true); /* without the mark there is nothing to compare with */
	CU_ASSERT_EQUAL(truncate(file_in(&h, "flushed"), 7), 0);
	CU_ASSERT_EQUAL(status_of(open_well, &h), 0);
	home_close(&h);
}

/* ---- The replication log ---- */

/* Changes the log's table behind the store's back. */
static void
rewrite_log(struct home *h, void (*change)(struct tables *t, DB_TXN *txn))
{
	static const char *const names[] = {"meta", "log", "alpha", "beta"};
	struct trouble trouble = {0};
	struct env *e = env_open(h->f.dir, 16u << 20, &trouble);
	NEED(e);
	struct tables *t = tables_open(e, h->f.dir, names, 4, &trouble);
	NEED(t);
	env_opened(e);
	DB_TXN *txn = tables_begin(t);
	change(t, txn);
	tables_commit(txn);
	env_flush(e);
	tables_close(t);
	env_close(e);
}

static void
drop_tenth(struct tables *t, DB_TXN *txn)
{
	tables_delete(t, txn, 1, "\0\0\0\0\0\0\0\12", 8);
}

static void
drop_last(struct tables *t, DB_TXN *txn)
{
	tables_delete(t, txn, 1, "\0\0\0\0\0\0\0\24", 8);
}

static void
change_tenth(struct tables *t, DB_TXN *txn)
{
	struct buf bytes = {0};
	CU_ASSERT_TRUE(tables_get(t, 1, "\0\0\0\0\0\0\0\12", 8, &bytes));
	bytes.data[100] ^= 1;
	tables_put(t, txn, 1, "\0\0\0\0\0\0\0\12", 8, bytes.data, bytes.len);
	buf_free(&bytes);
}

static void
test_damaged_entries(void)
{
	void (*const changes[])(struct tables * t, DB_TXN * txn) = {
	    drop_tenth, drop_last, change_tenth};
	struct home h;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		home_open(&h, true);
		rewrite_log(&h, changes[i]);
		check_noticed(&h);
	}
}

/* ---- Setting aside ---- */

static unsigned
count_aside(struct home *h, const char *reason)
{
	unsigned count = 0;
	DIR *dir = opendir(h->dir);
	for (struct dirent *d; (d = readdir(dir)) != NULL;)
		count +=
		    strncmp(d->d_name, "db.aside-", 9) == 0 && strstr(d->d_name, reason) != NULL;
	closedir(dir);
	return count;
}

static void
test_a_damaged_store_is_set_aside(void)
{
	struct home h;
	struct store_stats stats;
	struct core_durable d;
	home_open(&h, false);
	store_stats(must_open(&h.f), &stats);
	CU_ASSERT_EQUAL(stats.set_aside_ms, 0);
	store_close(h.f.store);
	for (unsigned i = 1; i <= 4; i++) {
		flip(file_in(&h, "alpha.db"), 4096 * 2 + 5);
		CU_ASSERT_EQUAL(status_of(open_as_worker, &h), EXIT_ANEW);
		CU_ASSERT_EQUAL(count_aside(&h, "-damaged-page"), i < 2 ? i : 2);
		CU_ASSERT_EQUAL(access(h.f.dir, F_OK), -1);
		CU_ASSERT_EQUAL(status_of(open_as_worker, &h), 0);
		store_load(must_open(&h.f), &d);
		CU_ASSERT_EQUAL(d.last.seq, 0);
		store_stats(h.f.store, &stats);
		CU_ASSERT_STRING_EQUAL(stats.set_aside_reason, "damaged-page");
		CU_ASSERT_TRUE(stats.set_aside_ms > 1700000000000);
		h.f.last = (struct position){0};
		put_rows(&h.f, 200);
		store_close(h.f.store);
	}
	home_close(&h);
}

static void
abandon(void *arg)
{
	struct fixture *f = arg;
	char error[500];
	f->store = fixture_try_open(f, error, sizeof(error));
	put_rows(f, 3);
	store_abandon(f->store, "Other history!");
}

static void
load_half(void *arg)
{
	struct fixture *f = arg;
	char error[500];
	struct buf rows = {0};
	f->store = fixture_try_open(f, error, sizeof(error));
	effect_put(&rows, 0, "a", 1, "one", 3);
	store_load_rows(f->store, rows.data, rows.len);
	store_flush(f->store);
	_exit(0);
}

static void
test_abandoned_stores(void)
{
	struct home h;
	home_open(&h, false);
	CU_ASSERT_EQUAL(status_of(abandon, &h), EXIT_ANEW);
	CU_ASSERT_EQUAL(count_aside(&h, "-other-history-"), 1);
	/* Half a copy is not kept, and takes nobody's place. */
	CU_ASSERT_EQUAL(status_of(load_half, &h), 0);
	CU_ASSERT_EQUAL(status_of(open_as_worker, &h), EXIT_ANEW);
	CU_ASSERT_EQUAL(count_aside(&h, ""), 1);
	CU_ASSERT_EQUAL(status_of(open_as_worker, &h), 0);
	home_close(&h);
}

/* ---- What is no damage ---- */

/* From here on these two system calls fail in this process. */
static void
break_calls(const int call[2], int error)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call[0], 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call[1], 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(99);
}

static struct {
	const int *call;
	int error;
} broken;

static void
open_on_a_bad_disk(void *arg)
{
	break_calls(broken.call, broken.error);
	open_as_worker(arg);
}

/* Each of these ends the process or the opening, and leaves the store where it is. */
static void
test_a_bad_disk_is_no_damage(void)
{
	static const int calls[][2] = {
	    {SYS_pread64, SYS_read},
	    {SYS_read, SYS_read},
	    {SYS_pwrite64, SYS_write},
	    {SYS_fdatasync, SYS_fsync},
	    {SYS_ftruncate, SYS_ftruncate},
	};
	static const int errors[] = {EIO, ENOSPC, EROFS, EACCES, ENOMEM};
	struct home h;
	home_open(&h, true);
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		for (size_t j = 0; j < sizeof(errors) / sizeof(*errors); j++) {
			broken.call = calls[i];
			broken.error = errors[j];
			int status = status_of(open_on_a_bad_disk, &h);
			CU_ASSERT_TRUE(status == 77 || status == EXIT_DISK);
		}
	}
	CU_ASSERT_EQUAL(count_aside(&h, ""), 0);
	CU_ASSERT_EQUAL(status_of(open_as_worker, &h), 0);
	home_close(&h);
}

static void
test_a_store_in_use_is_no_damage(void)
{
	struct home h;
	home_open(&h, false);
	must_open(&h.f);
	CU_ASSERT_EQUAL(status_of(open_as_worker, &h), 77);
	store_close(h.f.store);
	home_close(&h);
}

/* A store whose row `applied` is of format `version`. */
static uint8_t format;

static void
write_format(struct tables *t, DB_TXN *txn)
{
	tables_put(t, txn, 0, "applied", 7, &format, 1);
}

static void
test_other_formats_are_refused(void)
{
	struct home h;
	char error[500] = "";
	home_open(&h, false);
	format = 1;
	rewrite_log(&h, write_format);
	CU_ASSERT_PTR_NULL(fixture_try_open(&h.f, error, sizeof(error)));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "was written by an older program"));
	CU_ASSERT_EQUAL(status_of(open_as_worker, &h), 77);
	format = 200;
	rewrite_log(&h, write_format);
	CU_ASSERT_PTR_NULL(fixture_try_open(&h.f, error, sizeof(error)));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "was written by a newer program"));
	CU_ASSERT_EQUAL(status_of(open_as_worker, &h), 77);
	home_close(&h);
}

void
register_damage(void)
{
	CU_TestInfo tests[] = {
	    {"damaged, cut and missing tables", test_damaged_tables},
	    {"every byte of a page counts", test_every_byte_of_a_page_counts},
	    {"a page of zeros", test_a_page_of_zeros},
	    {"a log that was cut off", test_truncated_log},
	    {"a damaged log, a missing one", test_damaged_or_missing_log},
	    {"log entries that are missing or damaged", test_damaged_entries},
	    {"a damaged store is set aside, two are kept", test_a_damaged_store_is_set_aside},
	    {"abandoned stores, and half copies", test_abandoned_stores},
	    {"a bad disk is no damage", test_a_bad_disk_is_no_damage},
	    {"a store in use is no damage", test_a_store_in_use_is_no_damage},
	    {"stores of other formats are refused", test_other_formats_are_refused},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "damage", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
