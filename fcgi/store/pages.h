/*
 * Are a table's pages what Berkeley DB wrote? Reads the file from its beginning to its end and
 * compares every page with its checksum: several times as fast as a visit of the tree, page after
 * page, by Berkeley DB itself. For files without changes in memory, as recovery leaves them.
 */
#ifndef BAZAR_STORE_PAGES_H
#define BAZAR_STORE_PAGES_H

#include <stdint.h>

#define PAGES_SIZE 4096 /* bytes of a page of our tables */

enum pages {
	PAGES_GOOD,
	PAGES_DAMAGED,   /* *page is not what was written */
	PAGES_UNCERTAIN, /* missing or empty pages, which may be in order: Berkeley DB must look */
	PAGES_UNREADABLE /* errno */
};

enum pages pages_check(const char *path, uint32_t *page);

#endif
