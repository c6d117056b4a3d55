/* Declares register_<suite>() of every suite listed in suites.def. */
#ifndef BAZAR_TESTS_SUITES_H
#define BAZAR_TESTS_SUITES_H

#define SUITE(name) void register_##name(void);
#include "tests/unit/suites.def"
#undef SUITE

#endif
