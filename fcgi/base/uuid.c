#include "fcgi/base/uuid.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <uuid/uuid.h>

/* Version 4 (RFC 9562 section 5.4). One system call, where libuuid's own function makes five: every
 * purchase draws one. */
struct uuid
uuid_random(void)
{
	struct uuid id;
	if (getrandom(id.bytes, sizeof(id.bytes), 0) != (ssize_t)sizeof(id.bytes))
		abort(); /* so few bytes are never cut short */
	id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	return id;
}

struct uuid
uuid_named(const struct uuid *space, const void *name, size_t len)
{
	struct uuid id;
	uuid_generate_sha1(id.bytes, space->bytes, name, len);
	return id;
}

bool
uuid_parse_text(const char *text, struct uuid *out)
{
	return strlen(text) == UUID_TEXT - 1 && uuid_parse(text, out->bytes) == 0;
}

void
uuid_print(const struct uuid *id, char out[UUID_TEXT])
{
	uuid_unparse_lower(id->bytes, out);
}

bool
uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool
uuid_is_nil(const struct uuid *id)
{
	return uuid_is_null(id->bytes) == 1;
}
