/* Replicas with real stores, talking HTTP to each other inside one process. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/hash.h"
#include "replica/peer_client.h"
#include "replica/replica.h"
#include "tests/unit/suites.h"
#include "tests/unit/web.h"

/* Bytes: what is kept, and a hundred entries that are not worth dropping yet. */
#define LOG_BYTES_USUALLY ((64u << 20) + 100 * (1u << 20))
#define PATIENCE_MS 10000

/* ---- A service that remembers one row an operation: op id -> args ---- */

static const char *const tables[] = {"things"};

static bool
things_decided(void *ctx, const struct op *op, struct buf *answer)
{
	const struct view *v = store_view(ctx);
	return v->get(v->ctx, 0, op->id.bytes, sizeof(op->id.bytes), answer);
}

static void
things_begin(void *ctx)
{
	(void)ctx;
}

static void
things_execute(void *ctx, const struct op *op, uint64_t time_ms, struct outcome *out)
{
	(void)ctx, (void)time_ms;
	uint64_t key = hash64(op->id.bytes, sizeof(op->id.bytes));
	effect_put(
	    &out->effects, 0, op->id.bytes, sizeof(op->id.bytes), op->args.data, op->args.len);
	buf_add(&out->answer, op->args.data, op->args.len);
	buf_add(&out->keys, &key, sizeof(key));
}

/* ---- Two places for replicas; each has an address of its own from the start ---- */

struct place {
	char dir[64];
	struct web *web;
	struct store *store;
	struct machine machine;
	pthread_mutex_t lock; /* over replica, for the web's threads */
	struct replica *replica;
};

static struct place places[2];
static struct nodes nodes;

static int
take_message(void *arg, const char *path, const void *body, size_t len, struct buf *answer)
{
	struct place *p = arg;
	(void)path;
	pthread_mutex_lock(&p->lock);
	int status = p->replica != NULL ? replica_receive(p->replica, body, len, answer) : 502;
	pthread_mutex_unlock(&p->lock);
	return status;
}

static void
set_up(unsigned count)
{
	nodes = (struct nodes){.count = count};
	for (unsigned i = 0; i < count; i++) {
		struct place *p = &places[i];
		struct node *n = &nodes.node[i];
		*p = (struct place){.lock = PTHREAD_MUTEX_INITIALIZER};
		snprintf(p->dir, sizeof(p->dir), "/tmp/bazar-replica-XXXXXX");
		CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(p->dir));
		p->web = web_start(n->address, take_message, p);
		n->id = i + 1;
		n->primary = i == 0;
		snprintf(n->name, sizeof(n->name), "things-%u", i + 1);
	}
}

static void
start(unsigned i)
{
	struct place *p = &places[i];
	char error[256];
	p->store = store_open(p->dir, tables, 1, 1 << 20, error, sizeof(error));
	CU_ASSERT_PTR_NOT_NULL_FATAL(p->store);
	p->machine = (struct machine){.ctx = p->store,
	    .decided = things_decided,
	    .begin = things_begin,
	    .execute = things_execute};
	struct replica_config config = {.name = nodes.node[i].name,
	    .nodes = &nodes,
	    .secret = "s",
	    .store = p->store,
	    .machine = &p->machine,
	    .log_keep = 1000};
	struct replica *r = replica_start(&config);
	pthread_mutex_lock(&p->lock);
	p->replica = r;
	pthread_mutex_unlock(&p->lock);
}

static void
stop(unsigned i)
{
	struct place *p = &places[i];
	pthread_mutex_lock(&p->lock);
	struct replica *r = p->replica;
	p->replica = NULL;
	pthread_mutex_unlock(&p->lock);
	replica_stop(r);
	store_close(p->store);
}

static void
tear_down(void)
{
	for (unsigned i = 0; i < nodes.count; i++) {
		char command[512];
		if (places[i].replica != NULL)
			stop(i);
		web_stop(places[i].web);
		snprintf(command, sizeof(command), "rm -rf '%s'", places[i].dir);
		CU_ASSERT_EQUAL(system(command), 0);
	}
}

/* ---- Short words for the tests ---- */

static enum core_result
write_thing(struct uuid id, const char *text)
{
	struct buf args = {0};
	buf_add(&args, text, strlen(text));
	struct op *op = op_new(id, 0, 1, &args);
	struct replica_answer answer = {0};
	replica_write(places[0].replica, &op, &answer, 1);
	if (answer.result == CORE_DECIDED || answer.result == CORE_REPLAYED) {
		CU_ASSERT_EQUAL(answer.bytes.len, strlen(text));
		CU_ASSERT_EQUAL(memcmp(answer.bytes.data, text, strlen(text)), 0);
	}
	buf_free(&answer.bytes);
	buf_free(&args);
	return answer.result;
}

static bool
reads_thing(unsigned i, struct uuid id)
{
	struct buf row = {0};
	if (replica_read(places[i].replica, hash64(id.bytes, sizeof(id.bytes))) != 0)
		return false;
	store_read_begin(places[i].store);
	const struct view *v = store_view(places[i].store);
	bool found = v->get(v->ctx, 0, id.bytes, sizeof(id.bytes), &row);
	store_read_end(places[i].store);
	buf_free(&row);
	return found;
}

static bool
is_writable(void)
{
	struct core_status status;
	replica_status(places[0].replica, &status);
	return status.writable && replica_serving(places[0].replica);
}

static bool
is_not_writable(void)
{
	return !is_writable();
}

static bool
backup_serves(void)
{
	return replica_serving(places[1].replica);
}

static bool
wait_for(bool (*condition)(void))
{
	uint64_t deadline = clock_ms() + PATIENCE_MS;
	while (!condition() && clock_ms() < deadline)
		usleep(1000);
	return condition();
}

/* ---- Tests ---- */

static void
test_a_write_is_on_both_when_answered(void)
{
	struct uuid id = uuid_random();
	set_up(2);
	start(0);
	start(1);
	CU_ASSERT_TRUE(wait_for(is_writable));
	CU_ASSERT_EQUAL(write_thing(id, "one"), CORE_DECIDED);
	CU_ASSERT_EQUAL(write_thing(id, "one"), CORE_REPLAYED);
	CU_ASSERT_TRUE(wait_for(backup_serves));
	CU_ASSERT_TRUE(reads_thing(0, id));
	CU_ASSERT_TRUE(reads_thing(1, id));
	tear_down();
}

static void
test_one_replica_needs_nobody(void)
{
	struct uuid id = uuid_random();
	set_up(1);
	start(0);
	CU_ASSERT_EQUAL(write_thing(id, "alone"), CORE_DECIDED);
	stop(0);
	start(0);
	CU_ASSERT_TRUE(wait_for(is_writable));
	CU_ASSERT_TRUE(reads_thing(0, id));
	CU_ASSERT_EQUAL(write_thing(id, "alone"), CORE_REPLAYED);
	tear_down();
}

static bool
log_is_short(void)
{
	uint64_t count, bytes = store_log_size(places[0].store, &count);
	return bytes < LOG_BYTES_USUALLY;
}

/* Far fewer of them than log_keep. */
static void
test_long_entries_are_not_kept_by_the_thousand(void)
{
	static char text[450000];
	memset(text, 'x', sizeof(text) - 1);
	set_up(1);
	start(0);
	CU_ASSERT_TRUE(wait_for(is_writable));
	for (int i = 0; i < 200; i++)
		CU_ASSERT_EQUAL(write_thing(uuid_random(), text), CORE_DECIDED);
	CU_ASSERT_TRUE(wait_for(log_is_short));
	CU_ASSERT_TRUE(store_log_first(places[0].store) > 1);
	tear_down();
}

static void
test_without_its_backup_nothing_is_applied_and_all_heals(void)
{
	struct uuid id = uuid_random();
	set_up(2);
	start(0);
	start(1);
	CU_ASSERT_TRUE(wait_for(is_writable));
	CU_ASSERT_EQUAL(write_thing(uuid_random(), "first"), CORE_DECIDED);
	stop(1);
	uint64_t begin = clock_ms();
	enum core_result result = write_thing(id, "second");
	CU_ASSERT_TRUE(result == CORE_UNKNOWN || result == CORE_NOT_APPLIED);
	CU_ASSERT_EQUAL(write_thing(uuid_random(), "third"), CORE_NOT_APPLIED);
	CU_ASSERT_TRUE(clock_ms() - begin < 8000);
	CU_ASSERT_TRUE(replica_serving(places[0].replica));
	start(1);
	CU_ASSERT_TRUE(wait_for(is_writable));
	CU_ASSERT_EQUAL(
	    write_thing(id, "second"), result == CORE_UNKNOWN ? CORE_REPLAYED : CORE_DECIDED);
	CU_ASSERT_TRUE(wait_for(backup_serves));
	CU_ASSERT_TRUE(reads_thing(1, id));
	tear_down();
}

static void
test_a_backup_refuses_writes_and_unconfirmed_reads(void)
{
	set_up(2);
	start(1);
	CU_ASSERT_FALSE(replica_serving(places[1].replica));
	CU_ASSERT_EQUAL(replica_read(places[1].replica, 1), -1);
	struct op *op = op_new(uuid_random(), 0, 1, NULL);
	struct replica_answer answer = {0};
	replica_write(places[1].replica, &op, &answer, 1);
	CU_ASSERT_EQUAL(answer.result, CORE_NOT_PRIMARY);
	tear_down();
}

static void
test_what_is_no_message_is_refused(void)
{
	struct buf answer = {0};
	set_up(1);
	start(0);
	CU_ASSERT_EQUAL(replica_receive(places[0].replica, "nonsense", 8, &answer), 400);
	CU_ASSERT_EQUAL(answer.len, 0);
	tear_down();
}

static void
note_result(void *arg, struct replica_answer *answer)
{
	*(enum core_result *)arg = answer->result;
}

static void
test_stopping_waits_asleep_and_answers_all(void)
{
	enum core_result result = CORE_DECIDED;
	void *arg = &result;
	struct op *op = op_new(uuid_random(), 0, 1, NULL);
	set_up(2);
	start(0);
	start(1);
	CU_ASSERT_TRUE(wait_for(is_writable));
	stop(1);
	CU_ASSERT_TRUE(wait_for(is_not_writable)); /* the operation can only wait */
	replica_submit(places[0].replica, &op, &arg, 1, note_result);
	clock_t cpu = clock();
	uint64_t begin = clock_ms();
	stop(0);
	CU_ASSERT_EQUAL(result, CORE_NOT_APPLIED);
	CU_ASSERT_TRUE(clock_ms() - begin >= 1000);
	CU_ASSERT_TRUE(clock() - cpu < CLOCKS_PER_SEC / 2);
	tear_down();
}

struct many {
	pthread_t thread;
	unsigned decided;
};

static void *
write_many(void *arg)
{
	struct many *m = arg;
	for (int i = 0; i < 50; i++)
		m->decided += write_thing(uuid_random(), "many") == CORE_DECIDED;
	return NULL;
}

static void
test_writers_share_batches(void)
{
	struct many many[16] = {0};
	struct core_status status;
	set_up(2);
	start(0);
	start(1);
	CU_ASSERT_TRUE(wait_for(is_writable));
	for (size_t i = 0; i < 16; i++)
		CU_ASSERT_EQUAL_FATAL(
		    pthread_create(&many[i].thread, NULL, write_many, &many[i]), 0);
	for (size_t i = 0; i < 16; i++) {
		pthread_join(many[i].thread, NULL);
		CU_ASSERT_EQUAL(many[i].decided, 50);
	}
	replica_status(places[0].replica, &status);
	CU_ASSERT_EQUAL(status.batched_ops, 800);
	CU_ASSERT_TRUE(status.batches < 800);
	tear_down();
}

/* ---- The HTTP client ---- */

struct ended {
	unsigned count;
	uint64_t request;
	int status;
	struct buf answer;
};

static void
note_ended(void *arg, uint32_t id, uint64_t request, int status, const struct buf *answer)
{
	struct ended *e = arg;
	CU_ASSERT_EQUAL(id, 7);
	e->count++;
	e->request = request;
	e->status = status;
	buf_clear(&e->answer);
	buf_add(&e->answer, answer->data, answer->len);
}

static void
send_and_wait(struct peer_client *c, struct ended *e, const char *text)
{
	struct buf body = {0};
	unsigned before = e->count;
	uint64_t deadline = clock_ms() + PATIENCE_MS;
	buf_add(&body, text, strlen(text));
	peer_client_send(c, 7, 42, &body);
	while (e->count == before && clock_ms() < deadline) {
		peer_client_wait(c, 1000);
		peer_client_run(c, note_ended, e);
	}
	CU_ASSERT_EQUAL(e->count, before + 1);
	CU_ASSERT_EQUAL(e->request, 42);
}

static int
echo(void *arg, const char *path, const void *body, size_t len, struct buf *answer)
{
	CU_ASSERT_STRING_EQUAL(path, "/peer/replicate");
	buf_add(answer, body, len);
	return *(int *)arg;
}

static void
test_client_reports_every_end(void)
{
	char address[WEB_ADDRESS];
	int status = 200;
	struct ended e = {0};
	struct web *web = web_start(address, echo, &status);
	struct peer_client *c = peer_client_new("secret");

	peer_client_add(c, 7, address);
	send_and_wait(c, &e, "hello");
	CU_ASSERT_EQUAL(e.status, 200);
	CU_ASSERT_EQUAL(e.answer.len, 5);
	status = 409;
	send_and_wait(c, &e, "");
	CU_ASSERT_EQUAL(e.status, 409);
	web_stop(web);
	send_and_wait(c, &e, "anybody?");
	CU_ASSERT_EQUAL(e.status, 0);
	peer_client_free(c);
	buf_free(&e.answer);
}

static void
test_client_wakes_even_before_it_sleeps(void)
{
	struct peer_client *c = peer_client_new("secret");
	uint64_t begin = clock_ms();
	peer_client_wake(c);
	peer_client_wait(c, PATIENCE_MS);
	CU_ASSERT_TRUE(clock_ms() - begin < PATIENCE_MS);
	peer_client_free(c);
}

void
register_replica(void)
{
	CU_pSuite s = CU_add_suite("replica", NULL, NULL);
	CU_add_test(s, "a write is on both when answered", test_a_write_is_on_both_when_answered);
	CU_add_test(s, "one replica needs nobody", test_one_replica_needs_nobody);
	CU_add_test(s, "long entries are not kept by the thousand",
	    test_long_entries_are_not_kept_by_the_thousand);
	CU_add_test(s, "without its backup nothing is applied, and all heals",
	    test_without_its_backup_nothing_is_applied_and_all_heals);
	CU_add_test(s, "a backup refuses writes, and reads until it is confirmed",
	    test_a_backup_refuses_writes_and_unconfirmed_reads);
	CU_add_test(s, "what is no message is refused", test_what_is_no_message_is_refused);
	CU_add_test(s, "stopping waits asleep, and answers all",
	    test_stopping_waits_asleep_and_answers_all);
	CU_add_test(s, "writers share batches", test_writers_share_batches);
	CU_add_test(s, "the client reports every end", test_client_reports_every_end);
	CU_add_test(
	    s, "the client wakes even before it sleeps", test_client_wakes_even_before_it_sleeps);
}
