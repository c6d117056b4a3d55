#include "fcgi/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/text.h"

void
page_add(struct response *r, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		abort();
	buf_add(&r->body, text, (size_t)len);
	free(text);
}

void
page_text(struct response *r, const char *text)
{
	static const char special[] = "&<>\"'";
	while (*text != '\0') {
		size_t plain = strcspn(text, special);
		buf_add(&r->body, text, plain);
		text += plain;
		if (*text != '\0')
			page_add(r, "&#%d;", *text++);
	}
}

void
page_part(struct response *r, const char *text)
{
	text_percent(text, &r->body);
}

void
page_start(struct response *r, const char *title, const char *words)
{
	r->type = "text/html; charset=utf-8";
	buf_clear(&r->body);
	page_add(r, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	page_text(r, title);
	page_add(r,
	    "%sBazar.com</title>\n"
	    "<link rel=\"icon\" type=\"image/svg+xml\" href=\"/assets/current/icon.svg\">\n"
	    "<link rel=\"stylesheet\" href=\"/assets/current/style.css\">\n</head>\n<body>\n"
	    "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
	    "<header class=\"top\"><div class=\"inside\">\n"
	    "<a class=\"name\" href=\"/?plain\" aria-label=\"Bazar.com, front page\">"
	    "Bazar<span>.com</span></a>\n"
	    "<form role=\"search\" class=\"search\" action=\"/find\">"
	    "<input type=\"hidden\" name=\"plain\">"
	    "<label class=\"unseen\" for=\"q\">Search by title or author</label>"
	    "<input id=\"q\" name=\"q\" type=\"search\" placeholder=\"Title or author\" value=\"",
	    *title != '\0' ? " · " : "");
	page_text(r, words);
	page_add(r, "\"><button>Search</button></form>\n</div></header>\n"
		    "<main id=\"main\" class=\"inside\" tabindex=\"-1\">\n");
}

void
page_end(struct response *r)
{
	page_add(r, "</main>\n<footer class=\"inside\">"
		    "<p>This is the shop without JavaScript, for reading. Buying needs it, or <a "
		    "href=\"/docs#buy\">a terminal</a>.</p></footer>\n</body>\n</html>\n");
}
