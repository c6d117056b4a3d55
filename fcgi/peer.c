#include "fcgi/peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/health.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"
#include "replica/core/message.h"

/* ---- Replication ---- */

static void
post_replicate(struct call *c)
{
	c->r->type = "application/octet-stream";
	c->r->status = replica_receive(c->worker->replica, c->q->body, c->q->body_len, &c->r->body);
	if (c->r->status == 400)
		problem(c->r, c->q, PROBLEM_BAD_BODY, "This is no message between replicas.");
	else if (c->r->status == 503)
		problem(c->r, c->q, PROBLEM_OVERLOADED, "This replica is stopping or too busy.");
}

/* ---- An operator's command ---- */

#define COMMAND_MAX 1024 /* bytes */

static bool
read_command(const json_t *json, struct core_command *out)
{
	static const struct {
		const char *name;
		enum core_command_kind kind;
	} kinds[] = {{"min-insync", COMMAND_MIN_INSYNC}, {"add", COMMAND_ADD},
	    {"remove", COMMAND_REMOVE}, {"hand-over", COMMAND_HAND_OVER},
	    {"promote", COMMAND_PROMOTE}};
	const char *name, *address = "";
	json_int_t id = 0, min = 0;
	int lost = 0, loss = 0, stopped = 0;
	json_error_t why;
	if (json_unpack_ex((json_t *)(uintptr_t)json, &why, 0,
		"{s:s, s?I, s?s, s?I, s?b, s?b, s?b !}", "command", &name, "id", &id, "address",
		&address, "min_insync", &min, "lost", &lost, "accept_data_loss", &loss,
		"primary_stopped", &stopped) != 0 ||
	    id < 0 || id > UINT32_MAX || min < 0 || min > UINT32_MAX ||
	    strlen(address) >= sizeof(out->address))
		return false;
	*out = (struct core_command){.id = (uint32_t)id,
	    .min_insync = (uint32_t)min,
	    .lost = lost,
	    .accept_data_loss = loss,
	    .primary_stopped = stopped};
	strcpy(out->address, address);
	size_t i = 0, count = sizeof(kinds) / sizeof(kinds[0]);
	while (i < count && strcmp(kinds[i].name, name) != 0)
		i++;
	if (i < count)
		out->kind = kinds[i].kind;
	return i < count;
}

/* Done or not, the answer is 200: `result` is a word for bazarctl to explain. */
static void
post_command(struct call *c)
{
	static const char *const results[] = {
#define TOLD(name, word) [TOLD_##name] = (word),
#include "replica/core/told.def"
#undef TOLD
	};
	struct core_command command;
	json_t *json = json_loadb((const char *)c->q->body, c->q->body_len, 0, NULL);
	bool good = read_command(json, &command);
	json_decref(json);
	if (!good) {
		problem(c->r, c->q, PROBLEM_BAD_BODY, "This is no command to a replica.");
		return;
	}
	struct jsonw w = response_success(c->r, NULL);
	jsonw_open(&w, "data", '{');
	jsonw_text(&w, "result", results[replica_command(c->worker->replica, &command)]);
	jsonw_close(&w);
	jsonw_close(&w);
}

/* ---- Pages of the log and of tables, for bazarctl ---- */

struct jsonw
peer_page_start(struct call *c, uint64_t applied_seq)
{
	struct jsonw w = response_success(c->r, NULL);
	jsonw_int(&w, "applied_seq", applied_seq);
	jsonw_open(&w, "data", '[');
	return w;
}

void
peer_page_end(struct jsonw *w, const char *next)
{
	jsonw_close(w);
	if (next != NULL)
		jsonw_text(w, "next", next);
	else
		jsonw_null(w, "next");
	jsonw_close(w);
}

void
peer_write_position(struct jsonw *w, const char *key, const struct position *p)
{
	jsonw_open(w, key, '{');
	jsonw_int(w, "counter", p->epoch.counter);
	jsonw_int(w, "replica", p->epoch.replica);
	jsonw_int(w, "seq", p->seq);
	jsonw_close(w);
}

static void
write_entry(struct jsonw *w, const struct entry *e)
{
	char op_id[UUID_TEXT], crc[17];
	uuid_print(&e->op_id, op_id);
	snprintf(crc, sizeof(crc), "%016" PRIx64, e->crc);
	jsonw_open(w, NULL, '{');
	peer_write_position(w, "at", &e->at);
	peer_write_position(w, "prev", &e->prev);
	jsonw_int(w, "time_ms", e->time_ms);
	jsonw_text(w, "op_id", op_id);
	jsonw_int(w, "bytes", e->bytes_len);
	jsonw_text(w, "crc", crc);
	jsonw_close(w);
}

/* Entries from seq `from` on (or from the oldest held). */
static void
get_log(struct call *c)
{
	uint64_t from;
	size_t limit;
	if (!read_number(c, "from", &from) || !read_limit(c, &limit))
		return;
	struct core_status status;
	struct store_stats stats;
	replica_status(c->worker->replica, &status);
	store_stats(c->worker->store, &stats);
	if (from < stats.log_first)
		from = stats.log_first;
	struct jsonw w = peer_page_start(c, status.applied);
	for (; limit > 0 && from >= 1 && from <= stats.log_last; limit--, from++) {
		struct entry *e = store_entry(c->worker->store, from);
		if (e == NULL)
			continue; /* pruned meanwhile */
		write_entry(&w, e);
		entry_free(e);
	}
	char next[24];
	snprintf(next, sizeof(next), "%" PRIu64, from);
	peer_page_end(&w, from <= stats.log_last ? next : NULL);
}

/* ---- Pieces of the tables and of the log as they are, for a backup ---- */

#define PIECE_BYTES (256u << 10)
#define CURSOR_MAX 4096

/* Of the entry applied last, or, where that is pruned, as of the last step: nothing was written
 * since. */
static struct position
applied_position(const struct worker *w, uint64_t applied)
{
	struct core_status status;
	replica_status(w->replica, &status);
	struct position at = {.epoch = status.commit.epoch, .seq = applied};
	struct entry *e = store_entry(w->store, applied);
	if (e != NULL)
		at = e->at;
	entry_free(e);
	return at;
}

/* Body: where to go on, empty at first. Answer: {u8 whether there is more, the position applied
 * before it was read, where to go on, rows}. */
static void
post_dump(struct call *c)
{
	struct buf cursor = {0}, rows = {0};
	struct store *store = c->worker->store;
	buf_add(&cursor, c->q->body, c->q->body_len);
	uint64_t applied = store_read_begin(store);
	store_read_end(store);
	bool more = store_dump(store, &cursor, PIECE_BYTES, &rows);
	c->r->type = "application/octet-stream";
	buf_u8(&c->r->body, more);
	position_put(&c->r->body, applied_position(c->worker, applied));
	buf_bytes(&c->r->body, cursor.data, cursor.len);
	buf_bytes(&c->r->body, rows.data, rows.len);
	buf_free(&cursor);
	buf_free(&rows);
}

/* Applied entries from seq `from` on, as they are: {u64 applied, entries with their lengths}. */
static void
get_entries(struct call *c)
{
	uint64_t from;
	struct store *store = c->worker->store;
	if (!read_number(c, "from", &from))
		return;
	uint64_t applied = store_read_begin(store);
	store_read_end(store);
	c->r->type = "application/octet-stream";
	buf_u64(&c->r->body, applied);
	for (struct entry *e; from <= applied && c->r->body.len < PIECE_BYTES &&
			      (e = store_entry(store, from)) != NULL;
	     from++) {
		buf_bytes(&c->r->body, e->bytes, e->bytes_len);
		entry_free(e);
	}
}

/* ---- One number for all tables ---- */

static bool
digest_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	XXH3_state_t *state = arg;
	uint64_t lengths[2] = {key_len, value_len};
	XXH3_64bits_update(state, lengths, sizeof(lengths));
	XXH3_64bits_update(state, key, key_len);
	XXH3_64bits_update(state, value, value_len);
	return true;
}

/* Equal on replicas whose tables are equal. Holds up writes while it reads everything: for when
 * the shop is at rest. */
static void
get_digest(struct call *c)
{
	XXH3_state_t *state = XXH3_createState();
	if (state == NULL)
		abort();
	XXH3_64bits_reset(state);
	uint64_t applied = store_read_begin(c->worker->store);
	const struct view *v = store_view(c->worker->store);
	for (unsigned table = 0; table < c->worker->table_count; table++)
		v->scan(v->ctx, (uint8_t)table, NULL, 0, digest_row, state);
	store_read_end(c->worker->store);

	char digest[17];
	snprintf(digest, sizeof(digest), "%016" PRIx64, XXH3_64bits_digest(state));
	XXH3_freeState(state);
	struct jsonw w = response_success(c->r, NULL);
	jsonw_open(&w, "data", '{');
	jsonw_int(&w, "applied_seq", applied);
	jsonw_text(&w, "digest", digest);
	jsonw_close(&w);
	jsonw_close(&w);
}

const struct route peer_routes[] = {
    {METHOD_GET, "/healthz", NULL, 0, 0, health_alive},
    {METHOD_GET, "/readyz", NULL, 0, 0, health_ready},
    {METHOD_GET, "/metrics", NULL, 0, 0, health_metrics},
    {METHOD_GET, "/status", NULL, 0, 0, health_status},
    {METHOD_POST, "/peer/replicate", NULL, PEER_BODY_MAX, ROUTE_INTERNAL | ROUTE_BINARY,
	post_replicate},
    {METHOD_POST, "/peer/command", NULL, COMMAND_MAX, ROUTE_INTERNAL, post_command},
    {METHOD_GET, "/peer/log", "from limit", 0, ROUTE_INTERNAL, get_log},
    {METHOD_POST, "/peer/dump", NULL, CURSOR_MAX, ROUTE_INTERNAL | ROUTE_BINARY, post_dump},
    {METHOD_GET, "/peer/entries", "from", 0, ROUTE_INTERNAL, get_entries},
    {METHOD_GET, "/peer/digest", NULL, 0, ROUTE_INTERNAL, get_digest},
    {0},
};
