#include "fcgi/base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <utf8proc.h>

bool
text_is_clean(const char *text, size_t len)
{
	const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
	utf8proc_ssize_t left = (utf8proc_ssize_t)len;
	while (left > 0) {
		utf8proc_int32_t point;
		utf8proc_ssize_t used = utf8proc_iterate(at, left, &point);
		if (used <= 0 || point < 0x20 || (point >= 0x7f && point < 0xa0))
			return false;
		at += used;
		left -= used;
	}
	return true;
}

int
text_fold(const char *text, size_t len, char *out, size_t size)
{
	utf8proc_uint8_t *folded = NULL;
	utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len,
	    &folded, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (n < 0)
		return -1;
	int result = -1;
	if ((size_t)n < size) {
		memcpy(out, folded, (size_t)n);
		out[n] = '\0';
		result = 0;
	}
	free(folded);
	return result;
}

int
text_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
text_percent(const char *text, struct buf *out)
{
	for (; *text != '\0'; text++) {
		if (strchr("-._~", *text) != NULL || isalnum((unsigned char)*text))
			buf_u8(out, (uint8_t)*text);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

void
text_time(uint64_t ms, char out[TEXT_TIME])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc;
	char date[TEXT_TIME - 5];
	if (gmtime_r(&seconds, &utc) == NULL ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		strcpy(date, "1970-01-01T00:00:00");
	snprintf(out, TEXT_TIME, "%.19s.%03uZ", date, (unsigned)(ms % 1000));
}

int
text_parse_cents(const char *text, int64_t max_cents, int64_t *cents)
{
	int64_t value = 0;
	int decimals = -1; /* -1: before the point */
	if (!isdigit((unsigned char)*text))
		return -1;
	for (; *text != '\0'; text++) {
		if (*text == '.' && decimals < 0 && text[1] != '\0') {
			decimals = 0;
			continue;
		}
		if (!isdigit((unsigned char)*text) || decimals == 2 || value > max_cents)
			return -1;
		value = value * 10 + (*text - '0');
		if (decimals >= 0)
			decimals++;
	}
	for (int i = decimals < 0 ? 0 : decimals; i < 2; i++)
		value *= 10;
	if (value > max_cents)
		return -1;
	*cents = value;
	return 0;
}

uint64_t
text_parse_id(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len > 18 || text[0] == '0')
		return 0;
	uint64_t id = 0;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text))
			return 0;
		id = id * 10 + (uint64_t)(*text - '0');
	}
	return id;
}
