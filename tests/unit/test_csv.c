/* CSV: every corner of RFC 4180, and where errors are said to be. */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "replica/ctl/csv.h"
#include "tests/unit/suites.h"

static void
open_text(struct csv *c, const char *text)
{
	csv_open(c, text, strlen(text));
}

/* The next record is `count` fields, their texts given as one string with '|' between them. */
static void
check_record(struct csv *c, size_t count, const char *texts)
{
	char all[256] = "", one[128];
	size_t used = 0;
	CU_ASSERT_EQUAL_FATAL(csv_next(c), CSV_RECORD);
	CU_ASSERT_EQUAL(c->count, count);
	for (size_t i = 0; i < c->count; i++) {
		CU_ASSERT_EQUAL(csv_copy(&c->fields[i], one, sizeof(one)), 0);
		used +=
		    (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? "|" : "", one);
	}
	CU_ASSERT_STRING_EQUAL(all, texts);
}

static void
check_place(struct csv_place place, size_t line, size_t column)
{
	CU_ASSERT_EQUAL(place.line, line);
	CU_ASSERT_EQUAL(place.column, column);
}

static void
check_error(struct csv *c, size_t line, size_t column)
{
	CU_ASSERT_EQUAL_FATAL(csv_next(c), CSV_ERROR);
	CU_ASSERT_PTR_NOT_NULL(c->error);
	check_place(c->error_place, line, column);
}

static void
test_plain_records(void)
{
	struct csv c;
	open_text(&c, "a,b,c\nd,,\n,");
	check_record(&c, 3, "a|b|c");
	check_record(&c, 3, "d||");
	check_record(&c, 2, "|");
	CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
	CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
}

static void
test_line_ends(void)
{
	struct csv c;
	open_text(&c, "a,b\r\nc,d\n\r\n\ne,f\r\n\r\n");
	check_record(&c, 2, "a|b");
	check_record(&c, 2, "c|d");
	check_record(&c, 2, "e|f");
	check_place(c.fields[0].place, 5, 1);
	CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
}

static void
test_nothing(void)
{
	struct csv c;
	const char *const empty[] = {"", "\n", "\r\n\n", "\xef\xbb\xbf", "\xef\xbb\xbf\n"};
	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
		open_text(&c, empty[i]);
		CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
	}
}

static void
test_byte_order_mark(void)
{
	struct csv c;
	open_text(&c, "\xef\xbb\xbf\"a\",b");
	check_record(&c, 2, "a|b");
	check_place(c.fields[1].place, 1, 5);
}

static void
test_quotes(void)
{
	struct csv c;
	open_text(&c, "\"a,b\",\"\",\"say \"\"hi\"\"\"\n\"\"\"\",\"\"\"\"\"\"\r\n\"last\"");
	check_record(&c, 3, "a,b||say \"hi\"");
	check_record(&c, 2, "\"|\"\"");
	check_record(&c, 1, "last");
	CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
}

static void
test_line_ends_in_quotes(void)
{
	struct csv c;
	open_text(&c, "\"one\ntwo\r\nthree\rfour\",x\ny,z\n");
	check_record(&c, 2, "one\ntwo\r\nthree\rfour|x");
	check_place(c.fields[1].place, 3, 13);
	check_record(&c, 2, "y|z");
	check_place(c.fields[0].place, 4, 1);
}

static void
test_blanks_are_kept(void)
{
	struct csv c;
	open_text(&c, " a , b\t\n");
	check_record(&c, 2, " a | b\t");
}

static void
test_columns_are_characters(void)
{
	struct csv c;
	open_text(&c, "\xc3\xa9t\xc3\xa9,\xe2\x82\xac,x");
	check_record(&c, 3, "\xc3\xa9t\xc3\xa9|\xe2\x82\xac|x");
	check_place(c.fields[1].place, 1, 5);
	check_place(c.fields[2].place, 1, 7);
}

static void
test_errors_have_places_and_reading_goes_on(void)
{
	struct csv c;
	open_text(&c, "a,b\"c\n"
		      "\"d\"e,f\n"
		      "g,h\ri\n"
		      "j,k\n");
	check_error(&c, 1, 4);
	check_error(&c, 2, 4);
	check_error(&c, 3, 4);
	check_record(&c, 2, "j|k");
	CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
}

static void
test_a_quote_never_closed(void)
{
	struct csv c;
	open_text(&c, "a,b\nc,\"d\ne,f\n");
	check_record(&c, 2, "a|b");
	check_error(&c, 2, 3);
	CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
	open_text(&c, "\"");
	check_error(&c, 1, 1);
	open_text(&c, "\"a\"\"");
	check_error(&c, 1, 1);
	CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
}

static void
test_a_lone_carriage_return_at_the_end(void)
{
	struct csv c;
	open_text(&c, "a\r");
	check_error(&c, 1, 2);
	CU_ASSERT_EQUAL(csv_next(&c), CSV_END);
}

static void
test_number_of_fields_is_bounded(void)
{
	char text[2 * CSV_FIELDS_MAX + 8];
	struct csv c;
	memset(text, ',', sizeof(text));
	memcpy(text + CSV_FIELDS_MAX - 1, "\nx", 3);
	open_text(&c, text);
	CU_ASSERT_EQUAL(csv_next(&c), CSV_RECORD);
	CU_ASSERT_EQUAL(c.count, CSV_FIELDS_MAX);
	memset(text, ',', sizeof(text));
	memcpy(text + CSV_FIELDS_MAX, "\nx", 3);
	open_text(&c, text);
	CU_ASSERT_EQUAL(csv_next(&c), CSV_ERROR);
	check_record(&c, 1, "x");
}

static void
test_copy_is_bounded(void)
{
	struct csv c;
	char out[4];
	open_text(&c, "abc,abcd,\"a\"\"b\",\"a\"\"bc\"");
	CU_ASSERT_EQUAL_FATAL(csv_next(&c), CSV_RECORD);
	CU_ASSERT_EQUAL(csv_copy(&c.fields[0], out, sizeof(out)), 0);
	CU_ASSERT_EQUAL(csv_copy(&c.fields[1], out, sizeof(out)), -1);
	CU_ASSERT_STRING_EQUAL(out, "");
	CU_ASSERT_EQUAL(csv_copy(&c.fields[2], out, sizeof(out)), 0);
	CU_ASSERT_STRING_EQUAL(out, "a\"b");
	CU_ASSERT_EQUAL(csv_copy(&c.fields[3], out, sizeof(out)), -1);

	csv_open(&c, "a\0b", 3);
	CU_ASSERT_EQUAL_FATAL(csv_next(&c), CSV_RECORD);
	CU_ASSERT_EQUAL(csv_copy(&c.fields[0], out, sizeof(out)), -1);
}

static void
test_what_is_written_is_read_back(void)
{
	const char *const texts[] = {"plain", "", "a,b", "say \"hi\"", "two\r\nlines", "\"", " x "};
	const size_t count = sizeof(texts) / sizeof(*texts);
	struct buf out = {0};
	char back[32];
	struct csv c;
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_u8(&out, ',');
		csv_write(&out, texts[i]);
	}
	csv_open(&c, out.data, out.len);
	CU_ASSERT_EQUAL_FATAL(csv_next(&c), CSV_RECORD);
	CU_ASSERT_EQUAL_FATAL(c.count, count);
	for (size_t i = 0; i < count; i++) {
		CU_ASSERT_EQUAL(csv_copy(&c.fields[i], back, sizeof(back)), 0);
		CU_ASSERT_STRING_EQUAL(back, texts[i]);
	}
	buf_free(&out);
}

void
register_csv(void)
{
	CU_TestInfo tests[] = {
	    {"plain records", test_plain_records},
	    {"line ends of both kinds, empty lines", test_line_ends},
	    {"nothing", test_nothing},
	    {"a byte order mark is skipped", test_byte_order_mark},
	    {"quotes", test_quotes},
	    {"line ends in quotes", test_line_ends_in_quotes},
	    {"blanks are kept", test_blanks_are_kept},
	    {"columns are characters", test_columns_are_characters},
	    {"errors have places and reading goes on", test_errors_have_places_and_reading_goes_on},
	    {"a quote never closed", test_a_quote_never_closed},
	    {"a lone carriage return at the end", test_a_lone_carriage_return_at_the_end},
	    {"the number of fields is bounded", test_number_of_fields_is_bounded},
	    {"copying is bounded", test_copy_is_bounded},
	    {"what is written is read back", test_what_is_written_is_read_back},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "csv", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
