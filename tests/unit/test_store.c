/* The store on real files: what is committed survives, what is damaged is noticed. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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

#include "fcgi/base/hash.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suites.h"

static const char *const tables[] = {"alpha", "beta"};
enum { ALPHA, BETA };

/* An entry with these effects. */
static struct entry *
make_entry(struct fixture *f, const struct buf *effects)
{
	struct uuid id = uuid_random();
	struct outcome out = {.effects = *effects};
	return fixture_entry(f, &id, &out);
}

static struct entry *
put_entry(struct fixture *f, uint8_t table, const char *key, const char *value)
{
	struct buf effects = {0};
	effect_put(&effects, table, key, strlen(key), value, strlen(value));
	struct entry *e = make_entry(f, &effects);
	buf_free(&effects);
	return e;
}

static void
commit(struct fixture *f, struct entry *e)
{
	store_append(f->store, &e, 1);
	store_apply(f->store, &e, 1);
	entry_free(e);
}

static void
check_row(struct fixture *f, uint8_t table, const char *key, const char *want)
{
	struct buf value = {0};
	const struct view *v = store_view(f->store);
	store_read_begin(f->store);
	bool found = v->get(v->ctx, table, key, strlen(key), &value);
	store_read_end(f->store);
	CU_ASSERT_EQUAL(found, want != NULL);
	if (found && want != NULL)
		CU_ASSERT_STRING_EQUAL(buf_cstr(&value), want);
	buf_free(&value);
}

static void
free_tail(struct core_durable *d)
{
	for (size_t i = 0; i < d->tail_count; i++)
		entry_free(d->tail[i]);
	free(d->tail);
}

static void
test_round_trip(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	struct core_durable d;
	store_load(f.store, &d);
	CU_ASSERT_EQUAL(d.last.seq, 0);
	CU_ASSERT_TRUE(uuid_is_nil(&d.pledge.incarnation));

	struct uuid incarnation = uuid_random(), formerly = uuid_random();
	struct core_pledge pledge = {{7, 1}, {6, 2}, incarnation, formerly, {5, 1}};
	store_save(f.store, &pledge);
	commit(&f, put_entry(&f, ALPHA, "a", "one"));
	commit(&f, put_entry(&f, BETA, "a", "two"));
	struct entry *tail = put_entry(&f, ALPHA, "a", "three");
	store_append(f.store, &tail, 1);
	store_flush(f.store);

	fixture_reopen(&f);
	check_row(&f, ALPHA, "a", "one");
	check_row(&f, BETA, "a", "two");
	check_row(&f, BETA, "b", NULL);
	store_load(f.store, &d);
	CU_ASSERT_EQUAL(memcmp(&d.pledge, &pledge, sizeof(pledge)), 0);
	CU_ASSERT_EQUAL(d.set.count, 0);
	CU_ASSERT_EQUAL(d.partial_until, 0);
	CU_ASSERT_EQUAL(d.applied.seq, 2);
	CU_ASSERT_TRUE(position_equal(d.last, tail->at));
	CU_ASSERT_EQUAL_FATAL(d.tail_count, 1);
	CU_ASSERT_EQUAL(d.tail[0]->bytes_len, tail->bytes_len);
	CU_ASSERT_EQUAL(memcmp(d.tail[0]->bytes, tail->bytes, tail->bytes_len), 0);
	free_tail(&d);
	entry_free(tail);
	fixture_close(&f);
}

static void
check_log_size(struct store *s, uint64_t entries, uint64_t bytes)
{
	uint64_t count;
	CU_ASSERT_EQUAL(store_log_size(s, &count), bytes);
	CU_ASSERT_EQUAL(count, entries);
}

static void
test_truncate_and_prune(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	for (int i = 0; i < 600; i++)
		commit(&f, put_entry(&f, ALPHA, "a", "x"));
	struct position applied = f.last;
	struct entry *tail[2] = {put_entry(&f, ALPHA, "a", "y"), put_entry(&f, ALPHA, "a", "z")};
	store_append(f.store, tail, 2);
	store_truncate(f.store, applied.seq + 2);
	store_prune(f.store, 590);

	struct store_stats stats;
	for (int round = 0; round < 2; round++) {
		store_stats(f.store, &stats);
		CU_ASSERT_EQUAL(stats.log_first, 590);
		CU_ASSERT_EQUAL(stats.log_last, 601);
		CU_ASSERT_TRUE(stats.bytes > 0);
		check_log_size(f.store, 12, 12 * tail[0]->bytes_len);
		CU_ASSERT_PTR_NULL(store_entry(f.store, 589));
		CU_ASSERT_PTR_NULL(store_entry(f.store, 602));
		struct entry *e = store_entry(f.store, 590);
		NEED(e);
		CU_ASSERT_EQUAL(e->at.seq, 590);
		entry_free(e);
		fixture_reopen(&f);
	}
	/* Asked for more, it keeps what is not applied. */
	store_prune(f.store, 5000);
	store_truncate(f.store, 601);
	fixture_reopen(&f);
	store_stats(f.store, &stats);
	CU_ASSERT_EQUAL(stats.log_last, 0);
	check_log_size(f.store, 0, 0);
	store_append(f.store, tail, 1);
	check_log_size(f.store, 1, tail[0]->bytes_len);
	struct core_durable d;
	store_load(f.store, &d);
	CU_ASSERT_TRUE(position_equal(d.applied, applied));
	CU_ASSERT_TRUE(position_equal(d.last, tail[0]->at));
	free_tail(&d);
	entry_free(tail[0]);
	entry_free(tail[1]);
	fixture_close(&f);
}

/* ---- The replica set ---- */

static struct set
make_set(uint32_t min)
{
	return (struct set){
	    .primary = 2,
	    .min = min,
	    .count = 2,
	    .member = {{1, "127.0.0.1:9080", true}, {2, "127.0.0.1:9082", true}},
	};
}

static struct entry *
set_entry(struct fixture *f, const struct set *set)
{
	struct buf effects = {0};
	set_encode(set, &effects);
	struct entry_parts parts = {.kind = ENTRY_SET,
	    .at = {{1, 1}, f->last.seq + 1},
	    .prev = f->last,
	    .effects = effects.data,
	    .effects_len = effects.len};
	struct entry *e = entry_new(&parts);
	NEED(e);
	f->last = e->at;
	buf_free(&effects);
	return e;
}

static void
test_set_is_of_the_applied_entry(void)
{
	struct fixture f;
	struct core_durable d;
	struct set one = make_set(1), two = make_set(2);
	fixture_open(&f, tables, 2);
	commit(&f, set_entry(&f, &two));
	commit(&f, put_entry(&f, ALPHA, "a", "one"));
	struct entry *tail = set_entry(&f, &one);
	store_append(f.store, &tail, 1);
	fixture_reopen(&f);
	store_load(f.store, &d);
	CU_ASSERT_EQUAL(d.applied.seq, 2);
	CU_ASSERT_EQUAL(d.last.seq, 3);
	CU_ASSERT_EQUAL(d.set.min, 2);
	CU_ASSERT_EQUAL(d.set.count, 2);
	CU_ASSERT_EQUAL(d.set.primary, 2);
	CU_ASSERT_STRING_EQUAL(d.set.member[1].address, "127.0.0.1:9082");
	check_row(&f, ALPHA, "a", "one");
	store_apply(f.store, d.tail, d.tail_count);
	free_tail(&d);
	fixture_reopen(&f);
	store_load(f.store, &d);
	CU_ASSERT_EQUAL(d.applied.seq, 3);
	CU_ASSERT_EQUAL(d.set.min, 1);
	entry_free(tail);
	fixture_close(&f);
}

/* ---- Scans ---- */

struct seen {
	unsigned count, limit;
	char first[32], last[32];
	size_t longest;
};

static bool
see(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	(void)value;
	struct seen *s = arg;
	snprintf(s->last, sizeof(s->last), "%.*s", (int)key_len, (const char *)key);
	if (s->count++ == 0)
		memcpy(s->first, s->last, sizeof(s->first));
	s->longest = value_len > s->longest ? value_len : s->longest;
	return s->count < s->limit;
}

static void
test_scan_and_large_apply(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	struct entry *entries[4];
	char key[16], value[200];
	memset(value, 'v', sizeof(value));
	for (int n = 0; n < 4; n++) {
		struct buf effects = {0};
		for (int i = n; i < 16000; i += 4) {
			snprintf(key, sizeof(key), "%06d", i);
			effect_put(&effects, ALPHA, key, strlen(key), value, sizeof(value));
		}
		entries[n] = make_entry(&f, &effects);
		buf_free(&effects);
	}
	store_append(f.store, entries, 4);
	store_flush(f.store);
	store_apply(f.store, entries, 4);
	for (int n = 0; n < 4; n++)
		entry_free(entries[n]);

	const struct view *v = store_view(f.store);
	struct seen all = {.limit = UINT32_MAX}, some = {.limit = 700}, end = {.limit = 9};
	v->scan(v->ctx, ALPHA, NULL, 0, see, &all);
	CU_ASSERT_EQUAL(all.count, 16000);
	CU_ASSERT_STRING_EQUAL(all.last, "015999");
	v->scan(v->ctx, ALPHA, "0099990", 7, see, &some);
	CU_ASSERT_EQUAL(some.count, 700);
	CU_ASSERT_STRING_EQUAL(some.first, "010000");
	CU_ASSERT_STRING_EQUAL(some.last, "010699");
	v->scan(v->ctx, ALPHA, "9", 1, see, &end);
	CU_ASSERT_EQUAL(end.count, 0);
	v->scan(v->ctx, BETA, NULL, 0, see, &end);
	CU_ASSERT_EQUAL(end.count, 0);
	fixture_close(&f);
}

static void
test_long_rows(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	static uint8_t value[100000];
	struct buf effects = {0}, back = {0};
	effect_put(&effects, ALPHA, "long", 4, value, sizeof(value));
	effect_put(&effects, ALPHA, "short", 5, NULL, 0);
	commit(&f, make_entry(&f, &effects));
	const struct view *v = store_view(f.store);
	CU_ASSERT_TRUE(v->get(v->ctx, ALPHA, "long", 4, &back));
	CU_ASSERT_EQUAL(back.len, sizeof(value));
	struct seen all = {.limit = UINT32_MAX};
	v->scan(v->ctx, ALPHA, NULL, 0, see, &all);
	CU_ASSERT_EQUAL(all.count, 2);
	CU_ASSERT_EQUAL(all.longest, sizeof(value));
	struct entry *e = store_entry(f.store, f.last.seq);
	check_log_size(f.store, 1, e->bytes_len);
	entry_free(e);
	store_prune(f.store, f.last.seq + 1);
	check_log_size(f.store, 0, 0);
	buf_free(&effects);
	buf_free(&back);
	fixture_close(&f);
}

/* ---- Copying a store ---- */

struct digest {
	uint64_t rows, sum;
};

static bool
digest_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	struct digest *d = arg;
	d->rows++;
	d->sum = d->sum * 31 + hash64(key, key_len);
	d->sum = d->sum * 31 + hash64(value, value_len);
	return true;
}

static struct digest
digest_store(struct fixture *f)
{
	struct digest d = {0};
	const struct view *v = store_view(f->store);
	for (int table = ALPHA; table <= BETA; table++)
		v->scan(v->ctx, (uint8_t)table, NULL, 0, digest_row, &d);
	return d;
}

/* Rows of many lengths, all over both tables; some go again. */
static struct entry *
random_entry(struct fixture *f, unsigned rows)
{
	static const char text[3000] = {'x'};
	struct buf effects = {0};
	char key[32];
	for (unsigned i = 0; i < rows; i++) {
		uint8_t table = (uint8_t)(rand() % 2);
		int len = snprintf(key, sizeof(key), "%d", rand() % 3000);
		if (rand() % 4 == 0)
			effect_delete(&effects, table, key, (size_t)len);
		else
			effect_put(&effects, table, key, (size_t)len, text,
			    (size_t)(rand() % 50 == 0 ? rand() % 3000 : rand() % 100));
	}
	struct entry *e = make_entry(f, &effects);
	buf_free(&effects);
	return e;
}

/* Copies the tables while the source goes on; returns the source's applied seq at the end. */
static uint64_t
copy_tables(struct fixture *from, struct fixture *to, size_t max)
{
	struct buf cursor = {0}, rows = {0};
	unsigned pieces = 0;
	for (bool more = true; more; pieces++) {
		buf_clear(&rows);
		more = store_dump(from->store, &cursor, max, &rows);
		CU_ASSERT_TRUE(rows.len < max + 3100);
		store_load_rows(to->store, rows.data, rows.len);
		if (more)
			commit(from, random_entry(from, 20));
	}
	CU_ASSERT_TRUE(pieces > 10);
	buf_free(&cursor);
	buf_free(&rows);
	return from->last.seq;
}

static void
replay(struct fixture *from, struct fixture *to, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		struct entry *e = store_entry(from->store, seq);
		NEED(e);
		commit(to, e);
	}
}

static void
test_copy_while_writing(void)
{
	struct fixture from, to;
	struct core_durable d;
	struct set set = make_set(2);
	fixture_open(&from, tables, 2);
	fixture_open(&to, tables, 2);
	for (int i = 0; i < 10; i++)
		commit(&from, random_entry(&from, 400));
	struct position base = from.last;
	uint64_t until = copy_tables(&from, &to, 10000);
	CU_ASSERT_TRUE(until > base.seq + 10);
	store_load_end(to.store, base, until, &set);
	fixture_reopen(&to);
	store_load(to.store, &d);
	CU_ASSERT_TRUE(position_equal(d.applied, base) && position_equal(d.last, base));
	CU_ASSERT_EQUAL(d.partial_until, until);
	CU_ASSERT_EQUAL(d.set.count, 2);
	CU_ASSERT_EQUAL(store_log_first(to.store), 0);

	commit(&from, random_entry(&from, 20));
	replay(&from, &to, base.seq + 1, until - 1);
	fixture_reopen(&to);
	store_load(to.store, &d);
	CU_ASSERT_EQUAL(d.applied.seq, until - 1);
	CU_ASSERT_EQUAL(d.partial_until, until);
	CU_ASSERT_EQUAL(store_log_first(to.store), base.seq + 1);
	replay(&from, &to, until, until + 1);
	fixture_reopen(&to);
	store_load(to.store, &d);
	CU_ASSERT_EQUAL(d.partial_until, 0);
	struct digest a = digest_store(&from), b = digest_store(&to);
	CU_ASSERT_TRUE(a.rows > 2000);
	CU_ASSERT_TRUE(a.rows == b.rows && a.sum == b.sum);
	fixture_close(&from);
	fixture_close(&to);
}

static void
test_copy_of_nothing_and_of_long_rows(void)
{
	struct fixture f;
	struct buf cursor = {0}, rows = {0};
	static uint8_t value[5000];
	fixture_open(&f, tables, 2);
	CU_ASSERT_FALSE(store_dump(f.store, &cursor, 1000, &rows));
	CU_ASSERT_EQUAL(rows.len, 0);
	struct buf effects = {0};
	effect_put(&effects, BETA, "1", 1, value, sizeof(value));
	effect_put(&effects, BETA, "2", 1, value, sizeof(value));
	commit(&f, make_entry(&f, &effects));
	buf_clear(&cursor);
	CU_ASSERT_TRUE(store_dump(f.store, &cursor, 0, &rows));
	CU_ASSERT_FALSE(store_dump(f.store, &cursor, 0, &rows));
	CU_ASSERT_EQUAL(rows.len, effects.len);
	CU_ASSERT_EQUAL(memcmp(rows.data, effects.data, rows.len), 0);
	buf_free(&effects);
	buf_free(&cursor);
	buf_free(&rows);
	fixture_close(&f);
}

static void
load_and_die(void *arg)
{
	struct fixture *f = arg;
	char error[500];
	struct buf rows = {0};
	f->store = fixture_try_open(f, error, sizeof(error));
	effect_put(&rows, ALPHA, "a", 1, "one", 3);
	store_load_rows(f->store, rows.data, rows.len);
	store_flush(f->store);
	effect_put(&rows, ALPHA, "b", 1, "two", 3);
	store_load_rows(f->store, rows.data, rows.len);
	_exit(77);
}

static void
test_crash_while_copying(void)
{
	struct fixture f;
	struct core_durable d;
	char error[500];
	fixture_open(&f, tables, 2);
	store_close(f.store);
	CU_ASSERT_EQUAL(WEXITSTATUS(fixture_fork(load_and_die, &f)), 77);
	f.store = fixture_try_open(&f, error, sizeof(error));
	CU_ASSERT_PTR_NOT_NULL_FATAL(f.store);
	store_load(f.store, &d);
	CU_ASSERT_EQUAL(d.partial_until, UINT64_MAX);
	CU_ASSERT_EQUAL(d.applied.seq, 0);
	CU_ASSERT_EQUAL(d.last.seq, 0);
	check_row(&f, ALPHA, "a", "one");
	fixture_close(&f);
}

/* ---- Readers beside the writer ---- */

struct race {
	struct fixture *f;
	atomic_bool stop;
	atomic_uint torn, reads;
};

static void *
read_pairs(void *arg)
{
	struct race *race = arg;
	const struct view *v = store_view(race->f->store);
	struct buf a = {0}, b = {0};
	while (!race->stop) {
		buf_clear(&a);
		buf_clear(&b);
		uint64_t seq = store_read_begin(race->f->store);
		bool has_a = v->get(v->ctx, ALPHA, "k", 1, &a);
		bool has_b = v->get(v->ctx, BETA, "k", 1, &b);
		store_read_end(race->f->store);
		struct entry *e = seq > 1 ? store_entry(race->f->store, seq) : NULL;
		if (has_a != has_b || (has_a && strtoull(buf_cstr(&a), NULL, 10) != seq) ||
		    strcmp(buf_cstr(&a), buf_cstr(&b)) != 0 || (seq > 1 && e == NULL))
			race->torn++;
		entry_free(e);
		race->reads++;
	}
	buf_free(&a);
	buf_free(&b);
	return NULL;
}

static void
test_reads_are_of_one_applied_seq(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	struct race race = {.f = &f};
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, read_pairs, &race), 0);
	for (int i = 0; i < 300 || race.reads < 1000; i++) {
		struct buf effects = {0};
		char text[24];
		snprintf(text, sizeof(text), "%llu", (unsigned long long)f.last.seq + 1);
		effect_put(&effects, ALPHA, "k", 1, text, strlen(text));
		effect_put(&effects, BETA, "k", 1, text, strlen(text));
		commit(&f, make_entry(&f, &effects));
		buf_free(&effects);
	}
	race.stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(race.torn, 0);
	fixture_close(&f);
}

/* ---- Crashes ---- */

/*
 * A child writes batches until it is killed: entry n puts n into row "last" and into one of 50
 * others. After every flush it tells its parent how far the log must reach, whatever happens. Every
 * third batch it appends an entry that it drops again.
 */
struct crash {
	struct fixture *f;
	int flushed; /* pipe */
};

static struct entry *
numbered_entry(struct fixture *f)
{
	struct buf effects = {0};
	char key[8], text[24];
	uint64_t seq = f->last.seq + 1;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)seq);
	snprintf(key, sizeof(key), "row%llu", (unsigned long long)seq % 50);
	effect_put(&effects, ALPHA, "last", 4, text, strlen(text));
	effect_put(&effects, BETA, key, strlen(key), text, strlen(text));
	struct entry *e = make_entry(f, &effects);
	buf_free(&effects);
	return e;
}

static void
write_until_killed(const struct crash *crash)
{
	struct fixture *f = crash->f;
	char error[500];
	f->store = fixture_try_open(f, error, sizeof(error));
	if (f->store == NULL)
		_exit(1);
	for (unsigned round = 0;; round++) {
		struct entry *batch[8];
		unsigned count = 1 + round % 7;
		for (unsigned i = 0; i < count; i++)
			batch[i] = numbered_entry(f);
		store_append(f->store, batch, count);
		if (round % 3 == 2) {
			struct position end = f->last;
			struct entry *dropped = numbered_entry(f);
			store_append(f->store, &dropped, 1);
			store_truncate(f->store, dropped->at.seq);
			entry_free(dropped);
			f->last = end;
		}
		store_flush(f->store);
		if (write(crash->flushed, &f->last.seq, sizeof(f->last.seq)) < 0)
			_exit(1);
		store_apply(f->store, batch, count);
		store_prune(f->store, f->last.seq > 40 ? f->last.seq - 40 : 0);
		for (unsigned i = 0; i < count; i++)
			entry_free(batch[i]);
	}
}

static void
check_after_crash(struct fixture *f, uint64_t flushed)
{
	struct core_durable d;
	char key[8], want[24];
	store_load(f->store, &d);
	CU_ASSERT_TRUE(d.last.seq >= flushed);
	CU_ASSERT_EQUAL(d.last.seq - d.applied.seq, d.tail_count);
	uint64_t applied = d.applied.seq;
	snprintf(want, sizeof(want), "%llu", (unsigned long long)applied);
	if (applied > 0)
		check_row(f, ALPHA, "last", want);
	for (uint64_t seq = applied > 49 ? applied - 49 : 1; seq <= applied; seq++) {
		snprintf(key, sizeof(key), "row%llu", (unsigned long long)seq % 50);
		snprintf(want, sizeof(want), "%llu", (unsigned long long)seq);
		check_row(f, BETA, key, want);
	}
	store_apply(f->store, d.tail, d.tail_count);
	f->last = d.last;
	free_tail(&d);
}

static void
crash_once(struct fixture *f, unsigned milliseconds)
{
	int ends[2];
	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	pid_t pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		write_until_killed(&(struct crash){.f = f, .flushed = ends[1]});
	}
	close(ends[1]);
	uint64_t flushed = 0;
	CU_ASSERT_EQUAL(read(ends[0], &flushed, sizeof(flushed)), (ssize_t)sizeof(flushed));
	usleep(milliseconds * 1000 + (unsigned)(rand() % 1000));
	kill(pid, SIGKILL);
	while (read(ends[0], &flushed, sizeof(flushed)) == (ssize_t)sizeof(flushed))
		;
	close(ends[0]);
	int status;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFSIGNALED(status));

	char error[500] = "";
	f->store = fixture_try_open(f, error, sizeof(error));
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->store);
	check_after_crash(f, flushed);
}

static void
test_kill_at_any_moment(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	for (unsigned round = 0; round < 25; round++) {
		store_close(f.store);
		crash_once(&f, round * 3);
	}
	fixture_close(&f);
}

/* ---- Trouble ---- */

static void
test_one_opener_only(void)
{
	struct fixture f;
	char error[500] = "", want[32];
	fixture_open(&f, tables, 2);
	CU_ASSERT_PTR_NULL(fixture_try_open(&f, error, sizeof(error)));
	snprintf(want, sizeof(want), "in use by process %d", getpid());
	CU_ASSERT_PTR_NOT_NULL(strstr(error, want));
	fixture_close(&f);
	CU_ASSERT_PTR_NULL(store_open("/dev/null/db", tables, 2, 1 << 20, error, sizeof(error)));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "/dev/null/db"));
}

/* From here on fdatasync of this process fails with EIO. */
static int
break_fdatasync(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0
		   ? 0
		   : -1;
}

static void
write_on_a_broken_disk(void *arg)
{
	struct fixture *f = arg;
	char error[500];
	f->store = fixture_try_open(f, error, sizeof(error));
	if (f->store == NULL || break_fdatasync() != 0)
		_exit(99);
	struct entry *e = numbered_entry(f);
	store_append(f->store, &e, 1);
	store_flush(f->store);
	_exit(98); /* it must not get here */
}

static void
test_a_failed_fsync_ends_the_process(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	store_close(f.store);
	int status = fixture_fork(write_on_a_broken_disk, &f);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 1);
	char error[500];
	f.store = fixture_try_open(&f, error, sizeof(error));
	CU_ASSERT_PTR_NOT_NULL_FATAL(f.store);
	fixture_close(&f);
}

static void
append_out_of_order(void *arg)
{
	struct fixture *f = arg;
	f->last.seq += 1;
	struct entry *e = numbered_entry(f);
	store_append(f->store, &e, 1);
}

static void
write_an_unknown_table(void *arg)
{
	struct fixture *f = arg;
	struct entry *e = put_entry(f, 2, "a", "b");
	store_append(f->store, &e, 1);
	store_apply(f->store, &e, 1);
}

static void
test_what_cannot_be_right_ends_the_process(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	int status = fixture_fork(append_out_of_order, &f);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	status = fixture_fork(write_an_unknown_table, &f);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	fixture_close(&f);
}

/* ---- Overlay and effects ---- */

static void
check_overlay(struct overlay *o, uint8_t table, const char *key, const char *want)
{
	const struct view *v = overlay_view(o);
	struct buf value = {0};
	CU_ASSERT_EQUAL(v->get(v->ctx, table, key, strlen(key), &value), want != NULL);
	if (want != NULL)
		CU_ASSERT_STRING_EQUAL(buf_cstr(&value), want);
	buf_free(&value);
}

static void
test_overlay(void)
{
	struct fixture f;
	fixture_open(&f, tables, 2);
	commit(&f, put_entry(&f, ALPHA, "a", "stored"));
	struct overlay *o = overlay_new(store_view(f.store));
	struct buf effects = {0};
	char key[16];
	effect_delete(&effects, ALPHA, "a", 1);
	effect_put(&effects, BETA, "a", 1, "other", 5);
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		effect_put(&effects, BETA, key, strlen(key), "old", 3);
		effect_put(&effects, BETA, key, strlen(key), key, strlen(key));
	}
	check_overlay(o, ALPHA, "a", "stored");
	overlay_add(o, &effects);
	check_overlay(o, ALPHA, "a", NULL);
	check_overlay(o, BETA, "a", "other");
	check_overlay(o, BETA, "4999", "4999");
	check_overlay(o, BETA, "5000", NULL);
	check_overlay(o, ALPHA, "4999", NULL);
	overlay_reset(o);
	check_overlay(o, ALPHA, "a", "stored");
	check_overlay(o, BETA, "4999", NULL);
	overlay_free(o);
	buf_free(&effects);
	fixture_close(&f);
}

static void
test_effects_are_checked(void)
{
	struct buf b = {0};
	struct effect e;
	effect_put(&b, 3, "key", 3, "value", 5);
	effect_delete(&b, 4, "gone", 4);
	struct cur c = cur_make(b.data, b.len);
	CU_ASSERT_TRUE(effect_next(&c, &e));
	CU_ASSERT_EQUAL(e.table, 3);
	CU_ASSERT_EQUAL(e.value_len, 5);
	CU_ASSERT_TRUE(effect_next(&c, &e));
	CU_ASSERT_TRUE(e.is_delete);
	CU_ASSERT_FALSE(effect_next(&c, &e));
	CU_ASSERT_TRUE(cur_end(&c));
	for (size_t len = 1; len < b.len; len++) {
		c = cur_make(b.data, len);
		while (effect_next(&c, &e))
			;
		CU_ASSERT_TRUE(!cur_ok(&c) || len == 18); /* 18: the first effect, whole */
	}
	b.data[1] = 2; /* neither put nor delete */
	c = cur_make(b.data, b.len);
	CU_ASSERT_FALSE(effect_next(&c, &e));
	CU_ASSERT_FALSE(cur_ok(&c));
	buf_free(&b);
}

void
register_store(void)
{
	CU_TestInfo tests[] = {
	    {"what is written is there after a restart", test_round_trip},
	    {"truncate and prune", test_truncate_and_prune},
	    {"the set is that of the last applied entry", test_set_is_of_the_applied_entry},
	    {"a copy made while writing, then the log", test_copy_while_writing},
	    {"a copy of nothing, and of long rows", test_copy_of_nothing_and_of_long_rows},
	    {"a crash between two pieces of a copy", test_crash_while_copying},
	    {"scans, and an apply of 16,000 rows", test_scan_and_large_apply},
	    {"rows longer than a page", test_long_rows},
	    {"reads beside applies are of one applied_seq", test_reads_are_of_one_applied_seq},
	    {"25 kill -9 at any moment", test_kill_at_any_moment},
	    {"one opener only, and errors with a path", test_one_opener_only},
	    {"a failed fsync ends the process", test_a_failed_fsync_ends_the_process},
	    {"what cannot be right ends the process", test_what_cannot_be_right_ends_the_process},
	    {"the overlay shows a batch over the store", test_overlay},
	    {"malformed effects", test_effects_are_checked},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "store", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
