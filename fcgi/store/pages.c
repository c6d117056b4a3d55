#include "fcgi/store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/xalloc.h"

#define READ_PAGES 256u

/* The page format of Berkeley DB 5.3 (its dbinc/db_page.h), in the machine's byte order. */
enum {
	NUMBER_AT = 8,     /* u32 */
	LAST_PAGE_AT = 32, /* u32, of page 0, the table's head */
	TYPE_AT = 25,      /* u8 */
	CHECKSUM_AT = 28,  /* u32, over the page with 0 in its place */
	TYPE_EMPTY = 0,
	TYPE_HEAD = 9,
	HEAD_LEN = 512, /* its checksum is over this much, and elsewhere */
	HEAD_CHECKSUM_AT = 492
};

static uint32_t
get32(const uint8_t *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof(v));
	return v;
}

/* h = h * 33 + byte over all bytes, in four lanes, which a processor takes side by side. */
static uint32_t
checksum(const uint8_t *bytes, size_t len)
{
	const uint32_t p1 = 33, p2 = p1 * p1, p3 = p2 * p1, p4 = p3 * p1;
	uint32_t a = 0, b = 0, c = 0, d = 0;
	for (size_t i = 0; i < len; i += 4) {
		a = a * p4 + bytes[i];
		b = b * p4 + bytes[i + 1];
		c = c * p4 + bytes[i + 2];
		d = d * p4 + bytes[i + 3];
	}
	return a * p3 + b * p2 + c * p1 + d;
}

static enum pages
check_page(uint8_t *page, uint32_t number)
{
	static const uint8_t nothing[NUMBER_AT + 4];
	bool is_head = page[TYPE_AT] == TYPE_HEAD;
	size_t len = is_head ? HEAD_LEN : PAGES_SIZE;
	uint8_t *at = page + (is_head ? HEAD_CHECKSUM_AT : CHECKSUM_AT);
	if (page[TYPE_AT] == TYPE_EMPTY && memcmp(page, nothing, sizeof(nothing)) == 0)
		return PAGES_UNCERTAIN; /* never written */
	uint32_t want = get32(at);
	memset(at, 0, sizeof(want));
	return checksum(page, len) == want && get32(page + NUMBER_AT) == number ? PAGES_GOOD
										: PAGES_DAMAGED;
}

struct reader {
	int fd;
	uint8_t *pages;
	uint32_t next,
	    count; /* the number of the next page to check, and how many there should be */
};

/* The next pages; how many, 0 at the end of the file, -1 with errno. */
static ssize_t
read_pages(struct reader *r)
{
	size_t have = 0, want = (size_t)READ_PAGES * PAGES_SIZE;
	while (have < want) {
		ssize_t got = pread(
		    r->fd, r->pages + have, want - have, (off_t)r->next * PAGES_SIZE + (off_t)have);
		if (got < 0 && errno != EINTR)
			return -1;
		if (got == 0)
			break;
		have += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)(have / PAGES_SIZE);
}

static enum pages
check_all(struct reader *r)
{
	enum pages found = PAGES_GOOD;
	while (r->next < r->count) {
		ssize_t got = read_pages(r);
		if (got <= 0)
			return got < 0 ? PAGES_UNREADABLE : PAGES_UNCERTAIN;
		for (ssize_t i = 0; i < got && r->next < r->count; i++, r->next++) {
			uint8_t *page = r->pages + i * PAGES_SIZE;
			if (r->next == 0)
				r->count = get32(page + LAST_PAGE_AT) + 1;
			enum pages one = check_page(page, r->next);
			if (one == PAGES_DAMAGED)
				return one;
			if (one == PAGES_UNCERTAIN)
				found = one;
		}
	}
	return found;
}

enum pages
pages_check(const char *path, uint32_t *page)
{
	struct reader r = {.count = 1};
	r.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return PAGES_UNREADABLE;
	(void)posix_fadvise(r.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	r.pages = xmalloc((size_t)READ_PAGES * PAGES_SIZE);
	enum pages found = check_all(&r);
	int error = errno;
	*page = r.next;
	free(r.pages);
	close(r.fd);
	errno = error;
	return found;
}
