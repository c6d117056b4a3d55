/* Declares register_<suite>() of every suite listed in suites.def. */
#ifndef BAZAR_TESTS_SUITES_H
#define BAZAR_TESTS_SUITES_H

#include <stdlib.h>

#include <CUnit/CUnit.h>

/* CU_ASSERT_PTR_NOT_NULL_FATAL in words that static analysis understands, too. */
#define NEED(pointer)                                                                              \
	do {                                                                                       \
		CU_ASSERT_PTR_NOT_NULL_FATAL(pointer);                                             \
		if ((pointer) == NULL)                                                             \
			abort();                                                                   \
	} while (0)

#define SUITE(name) void register_##name(void);
#include "tests/unit/suites.def"
#undef SUITE

#endif
