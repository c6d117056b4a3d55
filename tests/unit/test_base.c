/* Buffers and their cursor, text from people, UUIDs, histograms, traces. */
#include <string.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/histogram.h"
#include "fcgi/base/text.h"
#include "fcgi/base/trace.h"
#include "fcgi/base/uuid.h"
#include "fcgi/log.h"
#include "tests/unit/suites.h"

static void
test_buf_round_trip(void)
{
	struct buf b = {0};
	buf_u8(&b, 7);
	buf_u16(&b, 0x1234);
	buf_u32(&b, 0);
	buf_u64(&b, UINT64_MAX - 1);
	buf_str(&b, "Zürich");
	buf_patch_u32(&b, 3, 0xdeadbeef);

	struct cur c = cur_make(b.data, b.len);
	char text[16];
	CU_ASSERT_EQUAL(cur_u8(&c), 7);
	CU_ASSERT_EQUAL(cur_u16(&c), 0x1234);
	CU_ASSERT_EQUAL(cur_u32(&c), 0xdeadbeef);
	CU_ASSERT_EQUAL(cur_u64(&c), UINT64_MAX - 1);
	cur_str(&c, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "Zürich");
	CU_ASSERT_TRUE(cur_end(&c));
	buf_free(&b);
}

static void
test_cursor_never_leaves_its_bounds(void)
{
	const uint8_t lying[] = {0xff, 0xff, 0xff, 0xff, 'x'};
	struct cur c = cur_make(lying, sizeof(lying));
	size_t len = 9;
	CU_ASSERT_PTR_NULL(cur_bytes(&c, &len));
	CU_ASSERT_EQUAL(len, 0);
	CU_ASSERT_FALSE(cur_ok(&c));
	CU_ASSERT_EQUAL(cur_u64(&c), 0);

	char small[3];
	struct buf b = {0};
	buf_str(&b, "abc");
	c = cur_make(b.data, b.len);
	cur_str(&c, small, sizeof(small));
	CU_ASSERT_FALSE(cur_ok(&c));
	CU_ASSERT_STRING_EQUAL(small, "");
	buf_free(&b);
}

static void
test_encoded_integers_sort_like_numbers(void)
{
	struct buf a = {0}, b = {0};
	buf_u64(&a, 255);
	buf_u64(&b, 256);
	CU_ASSERT_TRUE(memcmp(a.data, b.data, 8) < 0);
	buf_free(&a);
	buf_free(&b);
}

static void
test_fold(void)
{
	char a[64], b[64];
	CU_ASSERT_EQUAL(text_fold("STRASSE", 7, a, sizeof(a)), 0);
	CU_ASSERT_EQUAL(text_fold("stra\xc3\x9f"
				  "e",
			    7, b, sizeof(b)),
	    0);
	CU_ASSERT_STRING_EQUAL(a, b);
	CU_ASSERT_EQUAL(text_fold("E\xcc\x81", 3, a, sizeof(a)), 0); /* decomposed */
	CU_ASSERT_EQUAL(text_fold("\xc3\xa9", 2, b, sizeof(b)), 0);  /* composed, lower case */
	CU_ASSERT_STRING_EQUAL(a, b);
	CU_ASSERT_EQUAL(text_fold("\xff", 1, a, sizeof(a)), -1);
	CU_ASSERT_EQUAL(text_fold("abc", 3, a, 3), -1);
}

static void
test_clean_text(void)
{
	CU_ASSERT_TRUE(text_is_clean("\xc3\xa9t\xc3\xa9", 5));
	CU_ASSERT_FALSE(text_is_clean("a\nb", 3));
	CU_ASSERT_FALSE(text_is_clean("a\0b", 3));
	CU_ASSERT_FALSE(text_is_clean("\xc3", 1));
	CU_ASSERT_FALSE(text_is_clean("\xed\xa0\x80", 3)); /* a surrogate */
}

static void
check_cents(const char *text, int64_t want)
{
	int64_t cents = -1;
	int result = text_parse_cents(text, 999999999, &cents);
	CU_ASSERT_EQUAL(result, want < 0 ? -1 : 0);
	CU_ASSERT_EQUAL(cents, want < 0 ? -1 : want);
}

static void
test_cents(void)
{
	check_cents("65", 6500);
	check_cents("12.99", 1299);
	check_cents("0.5", 50);
	check_cents("9999999.99", 999999999);
	check_cents("10000000", -1);
	check_cents("99999999999999999999999", -1);
	const char *const bad[] = {
	    "", "-1", "+1", "1.", ".5", "1.234", "1e2", "1,5", " 1", "1 ", "1.2.3"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_cents(bad[i], -1);
}

static void
test_ids(void)
{
	CU_ASSERT_EQUAL(text_parse_id("1"), 1);
	CU_ASSERT_EQUAL(text_parse_id("999999999999999999"), UINT64_C(999999999999999999));
	const char *const bad[] = {"", "0", "01", "-1", "+1", "1x", "1000000000000000000", " 1"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CU_ASSERT_EQUAL(text_parse_id(bad[i]), 0);
}

static void
test_time(void)
{
	char out[TEXT_TIME];
	text_time(UINT64_C(1700000000123), out);
	CU_ASSERT_STRING_EQUAL(out, "2023-11-14T22:13:20.123Z");
}

static void
test_uuid(void)
{
	struct uuid space = uuid_random(), other = uuid_random(), back;
	struct uuid a = uuid_named(&space, "key", 3), b = uuid_named(&space, "key", 3);
	CU_ASSERT_TRUE(uuid_equal(&a, &b));
	b = uuid_named(&other, "key", 3);
	CU_ASSERT_FALSE(uuid_equal(&a, &b));
	char text[UUID_TEXT];
	uuid_print(&a, text);
	CU_ASSERT_TRUE(uuid_parse_text(text, &back));
	CU_ASSERT_TRUE(uuid_equal(&a, &back));
	CU_ASSERT_FALSE(uuid_parse_text("not-a-uuid", &back));
	CU_ASSERT_FALSE(uuid_is_nil(&a));
}

static void
test_histogram(void)
{
	struct histogram h = {0};
	const uint64_t bounds[] = {100000, UINT64_C(5000000000)};
	for (size_t i = 0; i < 2; i++) {
		histogram_add(&h, &histogram_seconds, bounds[i]);
		histogram_add(&h, &histogram_seconds, bounds[i] + 1);
	}
	CU_ASSERT_EQUAL(atomic_load(&h.bucket[0]), 1);
	CU_ASSERT_EQUAL(atomic_load(&h.bucket[1]), 1);
	CU_ASSERT_EQUAL(atomic_load(&h.bucket[HISTOGRAM_BUCKETS - 2]), 1);
	CU_ASSERT_EQUAL(atomic_load(&h.bucket[HISTOGRAM_BUCKETS - 1]), 1);
	CU_ASSERT_EQUAL(atomic_load(&h.sum), 2 * (bounds[0] + bounds[1]) + 2);
	CU_ASSERT_EQUAL(histogram_count(&h), 4);

	struct histogram few = {0}; /* a scale with fewer bounds */
	histogram_add(&few, &histogram_counts, 512);
	histogram_add(&few, &histogram_counts, 513);
	CU_ASSERT_EQUAL(atomic_load(&few.bucket[9]), 1);
	CU_ASSERT_EQUAL(atomic_load(&few.bucket[10]), 1);
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define ZEROS "00000000000000000000000000000000"

static void
check_trace(const char *traceparent, const char *passed_on)
{
	trace_enter("00-" TRACE "-" PARENT "-01");
	trace_enter(traceparent);
	CU_ASSERT_STRING_EQUAL(trace_here(), passed_on);
}

static void
test_trace(void)
{
	check_trace("00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-01");
	check_trace("00-" TRACE "-" PARENT "-02", "00-" TRACE "-" PARENT "-02");
	CU_ASSERT_NSTRING_EQUAL(trace_id(), TRACE, TRACE_ID);
	/* later versions */
	check_trace("01-" TRACE "-" PARENT "-03", "00-" TRACE "-" PARENT "-01");
	check_trace("fe-" TRACE "-" PARENT "-fe-more", "00-" TRACE "-" PARENT "-00");
	const char *const bad[] = {"", "00", "00-" TRACE "-" PARENT, "00-" TRACE "-" PARENT "-0",
	    "00-" TRACE "-" PARENT "-01-more", "00-" TRACE "-" PARENT "-01 ",
	    "01-" TRACE "-" PARENT "-01.more", "ff-" TRACE "-" PARENT "-01",
	    "00-" ZEROS "-" PARENT "-01", "00-" TRACE "-0000000000000000-01",
	    "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", "00_" TRACE "-" PARENT "-01",
	    "00-" TRACE "-" PARENT "-0g"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_trace(bad[i], "");
	check_trace(NULL, "");
}

/* A line of the log in the hands of whoever reads it. */
static void
read_logged(char line[512])
{
	int ends[2], was = dup(STDERR_FILENO);
	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_error("words");
	dup2(was, STDERR_FILENO);
	ssize_t len = read(ends[0], line, 511);
	line[len > 0 ? len : 0] = '\0';
	close(ends[0]), close(ends[1]), close(was);
}

static void
test_logged_trace(void)
{
	char line[512];
	trace_enter("00-" TRACE "-" PARENT "-01");
	read_logged(line);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"trace_id\":\"" TRACE "\",\"msg\":\"words\"}\n"));
	trace_enter(NULL);
	read_logged(line);
	CU_ASSERT_PTR_NULL(strstr(line, "trace_id"));
}

void
register_base(void)
{
	CU_TestInfo tests[] = {
	    {"what is written is read back", test_buf_round_trip},
	    {"a cursor never leaves its bounds", test_cursor_never_leaves_its_bounds},
	    {"encoded integers sort like numbers", test_encoded_integers_sort_like_numbers},
	    {"topics fold by NFC and case", test_fold},
	    {"control characters and bad UTF-8 are refused", test_clean_text},
	    {"decimal money", test_cents},
	    {"ids", test_ids},
	    {"times", test_time},
	    {"uuids", test_uuid},
	    {"a value falls into the first bucket that holds it", test_histogram},
	    {"traces", test_trace},
	    {"a line of the log names the trace", test_logged_trace},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "base", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
