#include "tests/torture/load/client.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "tests/torture/load/http.h"
#include "tests/torture/load/recorder.h"

#define RECENT 256 /* orders that are looked at again */
#define PAUSE_LEAST_MS 30
#define PAUSE_MOST_MS 300
#define UNKEYED 33 /* one write in so many has no key, and may stay open */
#define AGAIN 20   /* one decided write in so many is sent again */
#define DIRECT 10  /* one write in so many goes to a replica's own port */
#define CART_LINES 3
#define CART_COPIES 2 /* of a book, at most */

/* ---- A hand: what a client works with ---- */

struct hand {
	struct load *load;
	struct http *http;
	struct buf outcome;
	unsigned number;
	uint64_t random;
	int64_t seen[SHOP_BOOKS_MAX]; /* prices, for If-Match; 0: none yet */
};

static uint64_t
pick(struct hand *h, uint64_t limit)
{
	h->random++;
	return hash64(&h->random, sizeof(h->random)) % limit;
}

static void
sleep_ms(double ms)
{
	struct timespec t = {(time_t)(ms / 1000), (long)(fmod(ms, 1000) * 1e6)};
	nanosleep(&t, NULL);
}

static struct hand
hand_make(struct load *load, unsigned number)
{
	uint64_t origin[2] = {load->seed, number};
	return (struct hand){.load = load,
	    .http = http_new(),
	    .number = number,
	    .random = hash64(origin, sizeof(origin))};
}

static void
hand_free(struct hand *h)
{
	http_free(h->http);
	buf_free(&h->outcome);
}

/* ---- Orders that were heard of lately, by all clients ---- */

static struct {
	pthread_mutex_t lock;
	char ids[RECENT][UUID_TEXT];
	size_t count;
} recent = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
note_order(const char *id)
{
	pthread_mutex_lock(&recent.lock);
	snprintf(recent.ids[recent.count++ % RECENT], UUID_TEXT, "%s", id);
	pthread_mutex_unlock(&recent.lock);
}

/* Most often one of the last few. */
static bool
recall_order(struct hand *h, char id[UUID_TEXT])
{
	pthread_mutex_lock(&recent.lock);
	size_t known = recent.count < RECENT ? recent.count : RECENT;
	if (known > 8 && pick(h, 4) != 0)
		known = 8;
	if (known > 0)
		memcpy(id, recent.ids[(recent.count - 1 - pick(h, known)) % RECENT], UUID_TEXT);
	pthread_mutex_unlock(&recent.lock);
	return known > 0;
}

/* ---- Answers in the words of a history ---- */

static int64_t
cents(const json_t *object, const char *name)
{
	return llround(json_number_value(json_object_get(object, name)) * 100);
}

static int64_t
number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *
text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));
	return value != NULL ? value : "-";
}

static void
say(struct hand *h, const char *outcome)
{
	buf_clear(&h->outcome);
	buf_printf(&h->outcome, "%s", outcome);
}

static void
say_unexpected(struct hand *h, const struct reply *reply)
{
	atomic_fetch_add(&h->load->unexpected, 1);
	log_error("status %d: %s", reply->status, text(reply->json, "detail"));
	say(h, "unknown");
}

static void
say_lines(struct hand *h, const json_t *order)
{
	const json_t *lines = json_object_get(order, "lines"), *line;
	size_t i;
	json_array_foreach(lines, i, line)
	{
		buf_printf(&h->outcome, "%c%" PRId64 ":%" PRId64, i == 0 ? ' ' : ',',
		    number(line, "book_id"), number(line, "quantity"));
	}
}

static void
say_prices(struct hand *h, const json_t *order)
{
	const json_t *lines = json_object_get(order, "lines"), *line;
	size_t i;
	json_array_foreach(lines, i, line)
	{
		buf_printf(&h->outcome, "%c%" PRId64, i == 0 ? ' ' : ',', cents(line, "price"));
	}
}

static void
say_read_order(struct hand *h, const json_t *data)
{
	const char *status = text(data, "status");
	bool sold = strcmp(status, "CONFIRMED") == 0;
	say(h, sold ? "confirmed" : strcmp(status, "PENDING") == 0 ? "pending" : "rejected");
	say_lines(h, data);
	if (!sold)
		return;
	say_prices(h, data);
	buf_printf(&h->outcome, " %s", text(data, "created_at"));
}

static void
say_found(struct hand *h, const json_t *data)
{
	size_t i;
	const json_t *book;
	say(h, "ok");
	json_array_foreach(data, i, book)
	{
		buf_printf(&h->outcome, " %" PRId64 ":%" PRId64 ":%" PRId64, number(book, "id"),
		    cents(book, "price"), number(book, "quantity"));
	}
}

static void
say_read(struct hand *h, const char *kind, const struct reply *reply)
{
	const json_t *data = json_object_get(reply->json, "data");
	bool order = strcmp(kind, "order") == 0;
	say(h, "failed");
	if (order && reply->status == 404)
		say(h, "none");
	if (reply->status != 200 || data == NULL)
		return;
	buf_clear(&h->outcome);
	if (order)
		say_read_order(h, data);
	else if (strcmp(kind, "search") == 0)
		say_found(h, data);
	else if (strcmp(kind, "tag") == 0)
		buf_printf(&h->outcome, "ok %" PRId64, cents(data, "price"));
	else
		buf_printf(&h->outcome, "ok %" PRId64 " %" PRId64, cents(data, "price"),
		    number(data, "quantity"));
}

static void
say_done(struct hand *h, const char *kind, const struct reply *reply)
{
	const json_t *data = json_object_get(reply->json, "data");
	buf_clear(&h->outcome);
	if (strcmp(kind, "buy") == 0) {
		note_order(text(data, "order_id"));
		buf_printf(&h->outcome, "ok %" PRId64 " %s %s", cents(data, "price"),
		    text(data, "order_id"), text(data, "created_at"));
	} else if (strcmp(kind, "cart") == 0) {
		note_order(text(data, "order_id"));
		say(h, "ok");
		say_prices(h, data);
		buf_printf(&h->outcome, " %s %s", text(data, "order_id"), text(data, "created_at"));
	} else {
		buf_printf(&h->outcome, "ok %" PRId64 " %" PRId64, cents(data, "price"),
		    number(data, "quantity"));
	}
}

static void
say_conflict(struct hand *h, const struct reply *reply)
{
	const char *type = text(reply->json, "type");
	bool none = strcmp(type, "/problems/sold-out") == 0;
	if (!none && strcmp(type, "/problems/insufficient-stock") != 0) {
		say(h, "unknown"); /* the same key is being handled right now */
		return;
	}
	say(h, none ? "sold-out" : "insufficient");
	if (json_object_get(reply->json, "book_id") != NULL) /* of a cart */
		buf_printf(&h->outcome, " %" PRId64, number(reply->json, "book_id"));
	if (!none)
		buf_printf(&h->outcome, " %" PRId64, number(reply->json, "available"));
}

/* Returns whether it is decided for good. */
static bool
say_written(struct hand *h, const char *kind, const struct reply *reply)
{
	const json_t *data = json_object_get(reply->json, "data");
	say(h, reply->sent ? "unknown" : "unsent");
	switch (reply->status) {
	case 200:
		if (data == NULL)
			return false;
		say_done(h, kind, reply);
		return true;
	case 202:
		if (data == NULL)
			return false;
		note_order(text(data, "order_id"));
		buf_clear(&h->outcome);
		buf_printf(&h->outcome, "pending %s", text(data, "order_id"));
		return false;
	case 409:
		say_conflict(h, reply);
		return buf_cstr(&h->outcome)[0] != 'u';
	case 412:
		say(h, "refused");
		return true;
	case 421:
		say(h, "unsent");
		return false;
	case 503:
		if (strcmp(text(reply->json, "outcome"), "not_applied") == 0)
			say(h, "not-applied");
		return false;
	case 0:
	case 500:
	case 502:
	case 504:
		return false;
	default:
		say_unexpected(h, reply);
		return false;
	}
}

/* ---- Requests ---- */

static void
record(struct hand *h, struct line *line, const struct door *door, struct reply *reply)
{
	line->invoked = reply->invoked;
	line->returned = reply->returned;
	line->client = h->number;
	line->at = door->name;
	line->served = reply->served;
	line->cache = reply->cache;
	line->outcome = buf_cstr(&h->outcome);
	recorder_write(line);
	json_decref(reply->json);
}

/* Returns whether there was an answer. */
static bool
read_once(struct hand *h, const char *kind, const char *object, const struct door *door)
{
	char path[512];
	struct line line = {.kind = kind, .object = object, .argument = "-"};
	if (strcmp(kind, "tag") == 0)
		snprintf(path, sizeof(path), "/update/%s/price", object);
	else
		snprintf(path, sizeof(path), "/%s/%s", strcmp(kind, "order") == 0 ? "orders" : kind,
		    object);
	struct request request = {.method = "GET", .path = path, .port = door->port};
	struct reply reply = http_send(h->http, &request);
	say_read(h, kind, &reply);
	record(h, &line, door, &reply);
	return buf_cstr(&h->outcome)[0] != 'f';
}

struct write {
	const char *kind;
	unsigned book; /* index */
	int64_t argument, expected;
	uint64_t key;
	struct {
		uint64_t id;
		unsigned copies;
	} cart[CART_LINES];
	unsigned lines; /* of a cart */
};

/* The words of a history, and the body of the request. */
static void
print_cart(const struct write *w, char object[128], char body[256])
{
	size_t o = 0, b = (size_t)snprintf(body, 256, "{\"lines\":[");
	for (unsigned i = 0; i < w->lines; i++) {
		const char *comma = i > 0 ? "," : "";
		o += (size_t)snprintf(object + o, 128 - o, "%s%" PRIu64 ":%u", comma, w->cart[i].id,
		    w->cart[i].copies);
		b += (size_t)snprintf(body + b, 256 - b,
		    "%s{\"book_id\":%" PRIu64 ",\"quantity\":%u}", comma, w->cart[i].id,
		    w->cart[i].copies);
	}
	snprintf(body + b, 256 - b, "]}");
}

/* One attempt. Returns whether it was decided. */
static bool
attempt(struct hand *h, const struct write *w, const struct door *door)
{
	char path[128], body[256], object[128], argument[64];
	uint64_t id = h->load->shop.books[w->book].id;
	struct line line = {.kind = w->kind, .object = object, .argument = argument, .key = w->key};
	struct request request = {.method = "PUT",
	    .path = path,
	    .port = door->port,
	    .body = body,
	    .key = w->key,
	    .if_match = w->expected};
	snprintf(object, sizeof(object), "%" PRIu64, id);
	snprintf(argument, sizeof(argument), "%" PRId64, w->argument);
	snprintf(path, sizeof(path), "/update/%" PRIu64 "/%s", id, w->kind);
	if (strcmp(w->kind, "buy") == 0) {
		request.method = "POST";
		snprintf(path, sizeof(path), "/buy/%" PRIu64, id);
		snprintf(body, sizeof(body), "{\"quantity\":%" PRId64 "}", w->argument);
	} else if (strcmp(w->kind, "cart") == 0) {
		request.method = "POST";
		snprintf(path, sizeof(path), "/orders");
		snprintf(argument, sizeof(argument), "-");
		print_cart(w, object, body);
	} else if (strcmp(w->kind, "stock") == 0) {
		snprintf(body, sizeof(body), "{\"quantity_change\":%" PRId64 "}", w->argument);
	} else {
		snprintf(body, sizeof(body), "{\"price\":%" PRId64 ".%02" PRId64 "}",
		    w->argument / 100, w->argument % 100);
	}
	if (w->expected != 0)
		snprintf(
		    argument, sizeof(argument), "%" PRId64 ">%" PRId64, w->expected, w->argument);
	struct reply reply = http_send(h->http, &request);
	bool decided = say_written(h, w->kind, &reply);
	record(h, &line, door, &reply);
	return decided;
}

/* ---- What a client does ---- */

/* The front, or (one time in `direct`) the port of a replica of that service. */
static const struct door *
choose_door(struct hand *h, const char *service, uint64_t direct)
{
	const struct shop *s = &h->load->shop;
	const struct door *found[SHOP_DOORS_MAX];
	size_t count = 0;
	if (pick(h, direct) != 0)
		return &s->doors[0];
	for (unsigned i = 1; i < s->door_count; i++)
		if (strncmp(s->doors[i].name, service, strlen(service)) == 0)
			found[count++] = &s->doors[i];
	return count > 0 ? found[pick(h, count)] : &s->doors[0];
}

static void
look_at_book(struct hand *h)
{
	char object[24];
	unsigned book = (unsigned)pick(h, h->load->shop.book_count);
	unsigned which = (unsigned)pick(h, 10);
	const char *kind = which < 5 ? "info" : which < 9 ? "search" : "tag";
	snprintf(object, sizeof(object), "%" PRIu64, h->load->shop.books[book].id);
	bool answered =
	    read_once(h, kind, which < 5 || which == 9 ? object : h->load->shop.books[book].topic,
		choose_door(h, "catalog", 2));
	if (answered && strcmp(kind, "search") != 0)
		h->seen[book] = strtoll(buf_cstr(&h->outcome) + strlen("ok "), NULL, 10);
}

static void
look(struct hand *h)
{
	char id[UUID_TEXT];
	if (pick(h, 8) == 0 && recall_order(h, id))
		read_once(h, "order", id, choose_door(h, "order", 2));
	else
		look_at_book(h);
}

/* Books that differ, of whatever topics, in whatever order. */
static void
fill_cart(struct hand *h, struct write *w)
{
	const struct shop *s = &h->load->shop;
	unsigned most = s->book_count < CART_LINES ? s->book_count : CART_LINES;
	unsigned book = w->book;
	w->kind = "cart";
	w->lines = 1 + (unsigned)pick(h, most);
	for (unsigned i = 0; i < w->lines; i++) {
		w->cart[i].id = s->books[book].id;
		w->cart[i].copies = 1 + (unsigned)pick(h, CART_COPIES);
		unsigned left = s->book_count - most; /* of a round, never to be used up */
		book = (book + 1 + (unsigned)pick(h, 1 + left / CART_LINES)) % s->book_count;
	}
}

/* As much comes as goes: a buyer takes 2 or 3 on average, and every second time finds the shelves
 * filled. */
static struct write
choose_write(struct hand *h)
{
	struct write w = {.kind = "buy", .book = (unsigned)pick(h, h->load->shop.book_count)};
	uint64_t which = pick(h, 10);
	w.argument = 1 + (int64_t)pick(h, 3);
	if (which < 2) {
		fill_cart(h, &w);
	} else if (which >= 5 && which < 7) {
		w.kind = "stock";
		w.argument = pick(h, 4) == 0 ? -1 - (int64_t)pick(h, 4) : 2 + (int64_t)pick(h, 14);
	} else if (which >= 7) {
		w.kind = "price";
		w.argument = (int64_t)atomic_fetch_add(&h->load->prices, 1);
		w.expected = which == 9 ? h->seen[w.book] : 0;
	}
	return w;
}

/* Open ones should be alike: the checker then only counts them. */
static struct write
without_key(struct write w)
{
	if (strcmp(w.kind, "price") != 0) {
		w.kind = "buy";
		w.argument = 1;
	}
	w.expected = 0;
	w.key = 0;
	return w;
}

static void
change(struct hand *h)
{
	struct write w = choose_write(h);
	bool buys = strcmp(w.kind, "buy") == 0 || strcmp(w.kind, "cart") == 0;
	const char *service = buys ? "order" : "catalog";
	if (pick(h, UNKEYED) == 0) {
		w = without_key(w);
		attempt(h, &w, &h->load->shop.doors[0]);
		return;
	}
	w.key = atomic_fetch_add(&h->load->keys, 1);
	while (!attempt(h, &w, choose_door(h, service, DIRECT))) {
		if (recorder_now() > atomic_load(&h->load->give_up)) {
			atomic_fetch_add(&h->load->undecided, 1);
			return;
		}
		sleep_ms(PAUSE_LEAST_MS + (double)pick(h, PAUSE_MOST_MS - PAUSE_LEAST_MS));
	}
	if (pick(h, AGAIN) == 0)
		attempt(h, &w, choose_door(h, service, DIRECT));
}

void *
client_main(void *arg)
{
	const struct client *c = arg;
	struct hand h = hand_make(c->load, c->number);
	while (!atomic_load(&c->load->stop)) {
		if (c->writes && pick(&h, 2) == 0)
			change(&h);
		else
			look(&h);
		sleep_ms(c->load->pause_s * 1000 * (double)pick(&h, 2000) / 1000);
	}
	hand_free(&h);
	return NULL;
}

/* ---- Beginning and end ---- */

static struct reply
get(struct hand *h, const char *path)
{
	struct request request = {
	    .method = "GET", .path = path, .port = h->load->shop.doors[0].port};
	struct reply reply = http_send(h->http, &request);
	if (reply.status != 200)
		log_fatal("GET %s: status %d", path, reply.status);
	return reply;
}

static void
discover_topic(struct hand *h, const char *name)
{
	char path[512], *topic = http_escape(h->http, name);
	size_t i;
	const json_t *book;
	struct shop *s = &h->load->shop;
	snprintf(path, sizeof(path), "/search/%s", topic);
	struct reply reply = get(h, path);
	json_array_foreach(json_object_get(reply.json, "data"), i, book)
	{
		if (s->book_count == SHOP_BOOKS_MAX)
			log_fatal("more than %d books", SHOP_BOOKS_MAX);
		s->books[s->book_count].id = (uint64_t)number(book, "id");
		s->books[s->book_count++].topic = xstrdup(topic);
		recorder_book((uint64_t)number(book, "id"), topic, cents(book, "price"),
		    number(book, "quantity"));
	}
	free(topic);
	json_decref(reply.json);
}

void
client_discover(struct load *load)
{
	struct hand h = hand_make(load, 0);
	size_t i;
	const json_t *topic;
	struct reply reply = get(&h, "/topics");
	json_array_foreach(json_object_get(reply.json, "data"), i, topic)
	{
		discover_topic(&h, text(topic, "topic"));
	}
	json_decref(reply.json);
	hand_free(&h);
}

static bool
look_until_answered(struct hand *h, const char *kind, const char *object, const struct door *door)
{
	while (!read_once(h, kind, object, door)) {
		if (recorder_now() > atomic_load(&h->load->give_up))
			return false;
		sleep_ms(PAUSE_LEAST_MS);
	}
	return true;
}

unsigned
client_last_look(struct load *load, unsigned client)
{
	struct hand h = hand_make(load, client);
	const struct shop *s = &load->shop;
	unsigned missing = 0;
	for (unsigned d = 0; d < s->door_count; d++) {
		if (strncmp(s->doors[d].name, "order", strlen("order")) == 0)
			continue;
		for (unsigned b = 0; b < s->book_count; b++) {
			char id[24];
			snprintf(id, sizeof(id), "%" PRIu64, s->books[b].id);
			missing += !look_until_answered(&h, "info", id, &s->doors[d]);
			missing +=
			    !look_until_answered(&h, "search", s->books[b].topic, &s->doors[d]);
		}
	}
	hand_free(&h);
	return missing;
}
