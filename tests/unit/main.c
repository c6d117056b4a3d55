/* The unit tests: every suite registers itself here; one visible list. */
#include <stdlib.h>

#include <CUnit/Basic.h>

#include "fcgi/log.h"
#include "tests/unit/suites.h"

int
main(void)
{
	log_setup("unit", LOG_ERROR);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
#define SUITE(name) register_##name();
#include "tests/unit/suites.def"
#undef SUITE
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_ErrorCode error = CU_basic_run_tests();
	unsigned ran = CU_get_number_of_tests_run();
	unsigned failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	return error == CUE_SUCCESS && ran > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
