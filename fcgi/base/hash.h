/*
 * One hash for everything that is not cryptographic: cache keys, dirty keys, checksums, ETags.
 * XXH3 64-bit (xxhash, header-only), stable across machines and versions.
 */
#ifndef BAZAR_BASE_HASH_H
#define BAZAR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t
hash64(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}

#endif
