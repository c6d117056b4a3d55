/*
 * The protocol core among peers that lie: the input is a list of steps, most of them messages that
 * are well-formed and half plausible. Whatever they say, what the core does with its own disk must
 * keep the contract of core.h.
 * fuzzes: replica/core/backup.c replica/core/primary.c replica/core/peer.c replica/core/log.c
 *   replica/core/campaign.c replica/core/members.c replica/core/load.c replica/core/lease.c
 *   replica/core/empty.c
 */
#include <stdlib.h>
#include <string.h>

#include "replica/core/core.h"
#include "tests/fuzz/fuzz.h"

#define SELF 1
#define PEER 2
#define STEPS_MAX 200
#define LOG_MAX 256
#define OWN_BOOT 7

/* The disk, and what is needed to make up plausible messages. */
struct disk {
	struct entry *log[LOG_MAX]; /* of seq 1, 2, ... */
	size_t count;
	uint64_t applied;
	struct epoch promised;
	struct uuid incarnation;
	uint64_t request; /* of the last message sent */
	size_t waiting;   /* operations not yet answered */
	size_t commands;  /* the same */
	uint64_t base;    /* the log begins after it */
	bool abandoned;
};

/* ---- The machine ---- */

static bool
never_decided(void *ctx, const struct op *op, struct buf *answer)
{
	(void)ctx, (void)op, (void)answer;
	return false;
}

static void
begin(void *ctx)
{
	(void)ctx;
}

static void
execute(void *ctx, const struct op *op, uint64_t time_ms, struct outcome *out)
{
	(void)ctx, (void)op, (void)time_ms;
	uint64_t key = 1;
	buf_str(&out->effects, "effect");
	buf_str(&out->answer, "answer");
	buf_add(&out->keys, &key, sizeof(key));
}

static struct entry *
log_read(void *ctx, uint64_t seq)
{
	const struct disk *d = ctx;
	return seq > d->base && seq <= d->base + d->count ? entry_copy(d->log[seq - d->base - 1])
							  : NULL;
}

static uint64_t
log_first(void *ctx)
{
	const struct disk *d = ctx;
	return d->count > 0 ? d->base + 1 : 0;
}

static bool
dump(void *ctx, struct buf *cursor, size_t max, struct buf *rows)
{
	(void)ctx, (void)max;
	buf_u8(cursor, 0);
	buf_str(rows, "row");
	return cursor->len < 3;
}

/* ---- Carrying out actions, with the contract as assertions ---- */

static void
append(struct disk *d, struct entry *const *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct entry *e = entries[i];
		assert(e->at.seq == d->base + d->count + 1);
		if (d->count > 0)
			assert(position_equal(e->prev, d->log[d->count - 1]->at));
		assert(d->count < LOG_MAX);
		d->log[d->count++] = entry_copy(e);
	}
}

static void
apply(struct disk *d, struct entry *const *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert(entries[i]->at.seq == ++d->applied && d->applied <= d->base + d->count);
		const struct entry *own = d->log[d->applied - d->base - 1];
		assert(position_equal(entries[i]->at, own->at) && entries[i]->crc == own->crc);
	}
}

static void
send_message(struct disk *d, const struct message *m)
{
	struct buf bytes = {0};
	struct message back;
	message_encode(m, &bytes);
	assert(message_decode(bytes.data, bytes.len, &back) == 0);
	message_clear(&back);
	buf_free(&bytes);
	if (!message_is_answer(m))
		d->request = m->request;
}

static void
carry_out(struct disk *d, const struct core_actions *actions)
{
	for (size_t i = 0; i < actions->count; i++) {
		const struct core_action *a = &actions->list[i];
		switch (a->kind) {
		case ACT_SAVE:
			assert(epoch_compare(a->save.promised, d->promised) >= 0);
			d->promised = a->save.promised;
			d->incarnation = a->save.incarnation;
			break;
		case ACT_APPEND:
			append(d, a->entries, a->count);
			break;
		case ACT_TRUNCATE:
			assert(a->seq > d->applied);
			while (d->base + d->count >= a->seq)
				entry_free(d->log[--d->count]);
			break;
		case ACT_APPLY:
			apply(d, a->entries, a->count);
			break;
		case ACT_SEND:
			send_message(d, &a->message);
			break;
		case ACT_ANSWER:
			assert(d->waiting > 0);
			d->waiting--;
			break;
		case ACT_LOAD:
			assert(d->count == 0 && d->applied == 0);
			break;
		case ACT_LOADED:
			assert(d->count == 0 && d->applied == 0);
			d->base = d->applied = a->loaded.base.seq;
			break;
		case ACT_TOLD:
			assert(d->commands > 0);
			d->commands--;
			break;
		case ACT_ABANDON:
			assert(i == actions->count - 1);
			d->abandoned = true;
			break;
		case ACT_PEER:
		case ACT_FLUSH:
		case ACT_MARK:
		case ACT_FLOOR:
		case ACT_FLOOR_ALL:
		case ACT_GATE:
			break;
		}
	}
}

/* ---- Making messages ---- */

static struct epoch
make_epoch(struct cur *in, const struct disk *d)
{
	uint8_t byte = cur_u8(in);
	if (byte < 128)
		return d->promised;
	return (struct epoch){.counter = byte % 8, .replica = byte / 8 % 4};
}

static struct position
make_position(struct cur *in, const struct disk *d)
{
	uint8_t byte = cur_u8(in);
	if (byte < 160 && d->count > 0)
		return d->log[d->count - 1 - byte % d->count]->at; /* one of ours */
	if (byte < 192)
		return (struct position){.seq = 0};
	struct epoch epoch = make_epoch(in, d);
	return (struct position){.epoch = epoch, .seq = byte % 16};
}

static struct entry *
make_set(const struct disk *d, uint8_t byte, struct position prev)
{
	struct set s = {.primary = PEER, .min = 1 + byte % 2, .wanted = byte % 3, .count = 2};
	struct buf effects = {0};
	s.member[0] = (struct set_member){.id = SELF, .in_sync = s.min == 2 || byte % 8 < 4};
	s.member[1] = (struct set_member){.id = PEER, .in_sync = true};
	set_encode(&s, &effects);
	struct entry_parts parts = {.kind = ENTRY_SET,
	    .at = {.epoch = d->promised, .seq = prev.seq + 1},
	    .prev = prev,
	    .effects = effects.data,
	    .effects_len = effects.len};
	struct entry *e = entry_new(&parts);
	buf_free(&effects);
	return e;
}

static struct entry *
make_entry(struct cur *in, const struct disk *d, struct position prev)
{
	static const uint64_t key = 1;
	uint8_t byte = cur_u8(in);
	if (byte % 16 == 15)
		return make_set(d, byte / 16, prev);
	struct entry_parts parts = {
	    .at = {.epoch = make_epoch(in, d), .seq = prev.seq + 1},
	    .prev = prev,
	    .time_ms = byte,
	    .keys = &key,
	    .key_count = byte % 2,
	    .effects = &byte,
	    .effects_len = 1,
	};
	return entry_new(&parts);
}

static void
deliver(struct core *c, struct disk *d, struct cur *in, uint64_t now)
{
	static const struct uuid other = {{1}};
	static const struct set set = {.primary = PEER,
	    .min = 1,
	    .count = 2,
	    .member = {{.id = SELF, .in_sync = true}, {.id = PEER, .in_sync = true}}};
	struct entry *entries[3];
	struct message m = {
	    .kind = 1 + cur_u8(in) % MSG_HANDED,
	    .from = PEER,
	    .to = SELF,
	    .epoch = make_epoch(in, d),
	    .boot = 1 + cur_u8(in) % 3,
	    .entries = entries,
	};
	uint8_t byte = cur_u8(in);
	m.verdict = message_is_answer(&m) ? byte % 4 : VERDICT_OK;
	m.incarnation = byte < 192 ? d->incarnation : other;
	byte = cur_u8(in);
	m.peer_boot = byte < 192 ? OWN_BOOT : byte % 2;
	m.request = byte % 64 < 48 && d->request > 0 ? d->request : 1u + byte;
	m.prev = make_position(in, d);
	m.last = make_position(in, d);
	m.commit = make_position(in, d);
	m.granted = byte % 4;
	m.set = set;
	m.set.primary = 1 + byte % 2;
	if (m.kind == MSG_LOAD || m.kind == MSG_LOADED)
		m.chunk = 1 + byte % 4;
	if (m.kind == MSG_LOAD && byte >= 128)
		m.until = byte % 8;
	if (byte % 32 == 31)
		m.formerly = d->incarnation;
	struct position prev = m.prev;
	bool carries = m.kind == MSG_APPEND || m.kind == MSG_FETCHED;
	for (size_t n = carries ? cur_u8(in) % 4 : 0; m.entry_count < n;) {
		entries[m.entry_count] = make_entry(in, d, prev);
		prev = entries[m.entry_count++]->at;
	}
	carry_out(d, core_message(c, now, now, &m));
	while (m.entry_count > 0)
		entry_free(entries[--m.entry_count]);
}

static void
submit(struct core *c, struct disk *d, struct cur *in, uint64_t now)
{
	static const struct buf no_args;
	struct op *ops[4];
	size_t count = 1 + cur_u8(in) % 4;
	for (size_t i = 0; i < count; i++)
		ops[i] = op_new((struct uuid){{cur_u8(in)}}, i + 1, 1, &no_args);
	d->waiting += count;
	carry_out(d, core_submit(c, now, now, ops, count));
}

static void
command(struct core *c, struct disk *d, struct cur *in, uint64_t now)
{
	uint8_t byte = cur_u8(in);
	struct core_command command = {.kind = byte % (COMMAND_PROMOTE + 1),
	    .id = byte / 8 % 4,
	    .address = "127.0.0.1:1",
	    .min_insync = byte / 8 % 4,
	    .lost = byte >= 128,
	    .accept_data_loss = byte % 16 >= 8,
	    .primary_stopped = byte >= 192};
	d->commands++;
	carry_out(d, core_command(c, now, now, &command));
}

static void
step(struct core *c, struct disk *d, struct cur *in, uint64_t *now)
{
	uint8_t what = cur_u8(in);
	*now += what % 8 == 7 ? 8 * (uint64_t)cur_u8(in) : what / 8;
	if (what % 32 == 0)
		command(c, d, in, *now);
	else if (what % 8 < 5)
		deliver(c, d, in, *now);
	else if (what % 8 == 5)
		submit(c, d, in, *now);
	else if (what % 8 == 6)
		carry_out(d, core_send_failed(c, *now, *now, PEER, d->request));
	else
		carry_out(d, core_tick(c, *now, *now));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disk d = {0};
	struct cur in = cur_make(data, size);
	struct machine machine = {&d, never_decided, begin, execute, log_read, log_first, dump};
	struct core_config config = {
	    .self = SELF,
	    .first = {.primary = 1 + cur_u8(&in) % 2,
		.min = 2,
		.count = 2,
		.member = {{.id = SELF, .in_sync = true}, {.id = PEER, .in_sync = true}}},
	    .boot = OWN_BOOT,
	    .incarnation_if_new = {{9}},
	    .machine = &machine,
	};
	struct core_durable durable = {0};
	struct core_status status;
	uint64_t now = 1000;

	struct core *c = core_new(&config, &durable);
	carry_out(&d, core_start(c, now));
	for (int i = 0; i < STEPS_MAX && in.at < in.end && !d.abandoned && d.count + 16 < LOG_MAX;
	     i++)
		step(c, &d, &in, &now);
	core_status(c, &status);
	assert(status.applied == d.applied && status.last.seq == d.base + d.count);
	core_free(c);
	while (d.count > 0)
		entry_free(d.log[--d.count]);
	return 0;
}
