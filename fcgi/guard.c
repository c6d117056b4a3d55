#include "fcgi/guard.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Bytes of a Host value before its port; 0 when it is not host or host:port. */
static size_t
name_length(const char *host)
{
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (len > strlen(host))
		return 0;
	const char *port = host + len;
	if (*port == ':')
		port += 1 + strspn(port + 1, "0123456789");
	return *port == '\0' ? len : 0;
}

bool
guard_host(const char *allowed, const char *host)
{
	size_t len = host != NULL ? name_length(host) : 0;
	if (len == 0)
		return false;
	for (const char *word = allowed; *word != '\0';) {
		size_t word_len = strcspn(word, " \t");
		if (word_len == len && strncasecmp(word, host, len) == 0)
			return true;
		word += word_len;
		word += strspn(word, " \t");
	}
	return false;
}

bool
guard_origin(const char *origin, const char *host)
{
	if (origin == NULL)
		return true;
	const char *authority = strstr(origin, "://");
	return authority != NULL && host != NULL && strcasecmp(authority + 3, host) == 0;
}

bool
guard_site(const char *sec_fetch_site)
{
	return sec_fetch_site == NULL || strcmp(sec_fetch_site, "same-origin") == 0 ||
	       strcmp(sec_fetch_site, "none") == 0;
}

const char *
guard_bearer(const char *authorization)
{
	if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	const char *token = authorization + 7 + strspn(authorization + 7, " ");
	return *token != '\0' ? token : NULL;
}

bool
guard_equal(const char *secret, const char *shown)
{
	if (secret == NULL || shown == NULL)
		return false;
	size_t secret_len = strlen(secret), shown_len = strlen(shown);
	volatile unsigned differ = secret_len != shown_len;
	for (size_t i = 0; i < shown_len; i++)
		differ |= (unsigned char)shown[i] ^ (unsigned char)secret[i < secret_len ? i : 0];
	return differ == 0;
}
