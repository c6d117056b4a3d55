/* The replica set: counting, and what may be read back. */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "replica/core/set.h"
#include "tests/unit/suites.h"

static struct set
three(uint32_t wanted, uint32_t min)
{
	struct set s = {.primary = 1, .wanted = wanted, .min = min, .count = 3};
	for (uint32_t i = 0; i < s.count; i++) {
		s.member[i] = (struct set_member){.id = i + 1, .in_sync = true};
		snprintf(s.member[i].address, SET_ADDRESS, "10.0.0.%u:9080", i + 1);
	}
	return s;
}

static void
test_what_is_committed_meets_every_promotion(void)
{
	for (uint32_t min = 1; min <= 3; min++) {
		struct set s = three(0, min);
		CU_ASSERT_EQUAL(min + set_quorum(&s), s.count + 1);
		CU_ASSERT_EQUAL(set_needs_leases(&s), min < 3);
	}
}

static void
test_min_rises_with_those_in_sync(void)
{
	struct set s = three(0, 1);
	set_find(&s, 3)->in_sync = false;
	CU_ASSERT_TRUE(set_degraded(&s));
	CU_ASSERT_EQUAL(set_count_in_sync(&s), 2);
	set_raise_min(&s);
	CU_ASSERT_EQUAL(s.min, 2);
	set_find(&s, 3)->in_sync = true;
	set_raise_min(&s);
	CU_ASSERT_EQUAL(s.min, 3);
	s = three(2, 1); /* not beyond what the operator wants */
	set_raise_min(&s);
	CU_ASSERT_EQUAL(s.min, 2);
	s = three(2, 3); /* and never down by itself */
	set_raise_min(&s);
	CU_ASSERT_EQUAL(s.min, 3);
}

static int
there_and_back(const struct set *s, struct set *back)
{
	struct buf bytes = {0};
	set_encode(s, &bytes);
	int rc = set_decode(bytes.data, bytes.len, back);
	for (size_t cut = 0; cut < bytes.len; cut++) { /* never a part of it */
		struct set part;
		CU_ASSERT_EQUAL(set_decode(bytes.data, cut, &part), -1);
	}
	buf_u8(&bytes, 0);
	struct set more;
	CU_ASSERT_EQUAL(set_decode(bytes.data, bytes.len, &more), -1);
	buf_free(&bytes);
	return rc;
}

static void
test_a_set_is_read_back(void)
{
	struct set s = three(2, 2), back;
	s.forced = true;
	set_find(&s, 2)->in_sync = false;
	CU_ASSERT_EQUAL(there_and_back(&s, &back), 0);
	CU_ASSERT_TRUE(set_equal(&s, &back));
}

static void
test_impossible_sets_are_refused(void)
{
	struct set s = three(0, 3), back;
	set_find(&s, 1)->in_sync = false; /* the primary itself, and fewer than min */
	CU_ASSERT_EQUAL(there_and_back(&s, &back), -1);
	s = three(0, 3);
	s.primary = 9;
	CU_ASSERT_EQUAL(there_and_back(&s, &back), -1);
	s = three(0, 0);
	CU_ASSERT_EQUAL(there_and_back(&s, &back), -1);
	s = three(0, 3);
	s.member[2].id = 2; /* twice */
	CU_ASSERT_EQUAL(there_and_back(&s, &back), -1);
	s.member[2].id = 32;
	CU_ASSERT_EQUAL(there_and_back(&s, &back), -1);
	s = (struct set){.primary = 1, .min = 1};
	CU_ASSERT_EQUAL(there_and_back(&s, &back), -1);
}

void
register_set(void)
{
	CU_pSuite suite = CU_add_suite("set", NULL, NULL);
	CU_ADD_TEST(suite, test_what_is_committed_meets_every_promotion);
	CU_ADD_TEST(suite, test_min_rises_with_those_in_sync);
	CU_ADD_TEST(suite, test_a_set_is_read_back);
	CU_ADD_TEST(suite, test_impossible_sets_are_refused);
}
