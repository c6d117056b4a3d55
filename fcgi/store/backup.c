#include "fcgi/store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/hash.h"

#define MAGIC "BAZARBK1"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define HEAD_LEN 5  /* kind and length */
#define CHECK_LEN 8 /* check */

/* The check of a record, which is {kind, length, bytes}. */
static uint64_t
chain(uint64_t before, const struct buf *record)
{
	uint64_t parts[2] = {before, hash64(record->data, record->len)};
	return hash64(parts, sizeof(parts));
}

/* ---- Writing ---- */

int
backup_add(struct backup_writer *w, enum backup_kind kind, const void *bytes, size_t len)
{
	struct buf record = {0};
	buf_u8(&record, (uint8_t)kind);
	buf_u32(&record, (uint32_t)len);
	buf_add(&record, bytes, len);
	w->check = chain(w->check, &record);
	buf_u64(&record, w->check);
	bool good = fwrite(record.data, 1, record.len, w->file) == record.len;
	buf_free(&record);
	return good ? 0 : -1;
}

int
backup_create(struct backup_writer *w, const char *path, const char *service)
{
	*w = (struct backup_writer){0};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	w->file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (w->file == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (fwrite(MAGIC, 1, MAGIC_LEN, w->file) != MAGIC_LEN)
		return -1;
	return backup_add(w, BACKUP_HEAD, service, strlen(service));
}

int
backup_finish(struct backup_writer *w, struct position at)
{
	struct buf end = {0};
	position_put(&end, at);
	bool good = backup_add(w, BACKUP_END, end.data, end.len) == 0 && fflush(w->file) == 0 &&
		    fsync(fileno(w->file)) == 0;
	buf_free(&end);
	int error = errno;
	good = fclose(w->file) == 0 && good;
	if (!good)
		errno = error;
	return good ? 0 : -1;
}

/* ---- Reading ---- */

struct reading {
	FILE *file;
	uint64_t check;
	struct buf record;
	backup_visit visit;
	void *arg;
	struct backup_info *info;
	bool ended;
};

static bool
read_bytes(struct reading *r, struct buf *into, size_t len)
{
	buf_reserve(into, len);
	if (fread(into->data + into->len, 1, len, r->file) != len)
		return false;
	into->len += len;
	return true;
}

/* The next record, checked. False: there is none, or it is damaged. */
static bool
read_record(struct reading *r, uint8_t *kind)
{
	buf_clear(&r->record);
	if (!read_bytes(r, &r->record, HEAD_LEN))
		return false;
	struct cur c = cur_make(r->record.data, r->record.len);
	*kind = cur_u8(&c);
	uint32_t len = cur_u32(&c);
	struct buf check = {0};
	bool good = len <= BACKUP_RECORD_MAX && read_bytes(r, &r->record, len) &&
		    read_bytes(r, &check, CHECK_LEN);
	r->check = chain(r->check, &r->record);
	c = cur_make(check.data, check.len);
	good = good && cur_u64(&c) == r->check;
	buf_free(&check);
	return good;
}

static bool
take_entry(struct reading *r, const uint8_t *bytes, size_t len)
{
	struct entry *e = entry_decode(bytes, len);
	if (e == NULL)
		return false;
	r->info->entries++;
	if (r->visit != NULL && e->kind == ENTRY_OPERATION)
		r->visit(r->arg, e->effects, e->effects_len);
	entry_free(e);
	return true;
}

static bool
take_record(struct reading *r, uint8_t kind)
{
	const uint8_t *bytes = r->record.data + HEAD_LEN;
	size_t len = r->record.len - HEAD_LEN;
	struct cur c = cur_make(bytes, len);
	switch ((enum backup_kind)kind) {
	case BACKUP_HEAD:
		if (len >= sizeof(r->info->service))
			return false;
		memcpy(r->info->service, bytes, len);
		return true;
	case BACKUP_ROWS:
		r->info->rows++;
		if (r->visit != NULL)
			r->visit(r->arg, bytes, len);
		return true;
	case BACKUP_ENTRY:
		return take_entry(r, bytes, len);
	case BACKUP_END:
		r->info->at = position_get(&c);
		r->ended = true;
		return cur_end(&c);
	}
	return false;
}

static bool
read_all(struct reading *r)
{
	char magic[MAGIC_LEN];
	uint8_t kind;
	if (fread(magic, 1, MAGIC_LEN, r->file) != MAGIC_LEN ||
	    memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		return false;
	while (!r->ended)
		if (!read_record(r, &kind) || !take_record(r, kind))
			return false;
	return fgetc(r->file) == EOF;
}

int
backup_read(const char *path, backup_visit visit, void *arg, struct backup_info *out,
    char error[BACKUP_ERROR])
{
	*out = (struct backup_info){0};
	struct reading r = {.file = fopen(path, "re"), .visit = visit, .arg = arg, .info = out};
	if (r.file == NULL) {
		snprintf(error, BACKUP_ERROR, "Cannot read %.300s: %s.", path, strerror(errno));
		return -1;
	}
	bool good = read_all(&r);
	if (!good)
		snprintf(error, BACKUP_ERROR,
		    "%.300s is no whole backup: it is damaged, cut off, or something else.", path);
	long bytes = ftell(r.file);
	out->bytes = bytes > 0 ? (uint64_t)bytes : 0;
	fclose(r.file);
	buf_free(&r.record);
	return good ? 0 : -1;
}
