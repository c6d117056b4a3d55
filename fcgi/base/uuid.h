/*
 * UUIDs (libuuid): order ids, operation ids, incarnations. 16 bytes; text is 36 lower-case
 * characters.
 */
#ifndef BAZAR_BASE_UUID_H
#define BAZAR_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT 37 /* with the NUL */

struct uuid {
	uint8_t bytes[16];
};

struct uuid uuid_random(void);
/*
 * Version 5 (RFC 9562 section 5.5): the same space and name give the same id. With a secret
 * `space` the id cannot be guessed from the name.
 */
struct uuid uuid_named(const struct uuid *space, const void *name, size_t len);
bool uuid_parse_text(const char *text, struct uuid *out); /* canonical 36 characters only */
void uuid_print(const struct uuid *id, char out[UUID_TEXT]);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *id);

#endif
