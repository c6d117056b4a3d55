#include "fcgi/base/uuid.h"

#include <string.h>

#include <uuid/uuid.h>

struct uuid
uuid_random(void)
{
	struct uuid id;
	uuid_generate_random(id.bytes);
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
