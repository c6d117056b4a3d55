/* Settings: defaults, file, environment, and one sentence for what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/settings.h"
#include "tests/unit/suites.h"

static char dir[] = "/tmp/bazar-settings-XXXXXX";
static char error[SETTINGS_ERROR];
static struct settings s;

static void
write_file(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void
test_defaults(void)
{
	CU_ASSERT_EQUAL(settings_load("/nowhere", &s, error), 0);
	CU_ASSERT_STRING_EQUAL(s.listen, "127.0.0.1");
	CU_ASSERT_STRING_EQUAL(s.currency, "USD");
	CU_ASSERT_EQUAL(s.cache_entries, 100);
	CU_ASSERT_EQUAL(settings_log_level(&s), LOG_INFO);
	for (size_t i = 0; i < settings_count; i++) {
		CU_ASSERT_EQUAL(strncmp(settings_list[i].name, "BAZAR_", 6), 0);
		CU_ASSERT_TRUE(strlen(settings_list[i].help) > 0);
	}
}

static void
test_the_environment_wins_over_the_file(void)
{
	write_file("bazar.conf",
	    "# comment\n\n  BAZAR_CURRENCY = EUR \nBAZAR_CACHE_ENTRIES=7\nBAZAR_ADMIN_TOKEN=a=b\n");
	setenv("BAZAR_CACHE_ENTRIES", "8", 1);
	CU_ASSERT_EQUAL(settings_load(dir, &s, error), 0);
	unsetenv("BAZAR_CACHE_ENTRIES");
	CU_ASSERT_STRING_EQUAL(s.currency, "EUR");
	CU_ASSERT_STRING_EQUAL(s.admin_token, "a=b");
	CU_ASSERT_EQUAL(s.cache_entries, 8);
}

static void
test_what_is_wrong_is_named(void)
{
	static const char *const bad[][2] = {{"BAZAR_CACHE_ENTRIES=0\n", "BAZAR_CACHE_ENTRIES"},
	    {"BAZAR_CACHE_ENTRIES=10x\n", "BAZAR_CACHE_ENTRIES"},
	    {"BAZAR_CACHE_ENTRIES=-1\n", "BAZAR_CACHE_ENTRIES"},
	    {"BAZAR_CACHE_ENTRIES=\n", "BAZAR_CACHE_ENTRIES"},
	    {"BAZAR_CURRENCY=usd\n", "BAZAR_CURRENCY"}, {"BAZAR_CURRENCY=EURO\n", "BAZAR_CURRENCY"},
	    {"BAZAR_LOG_LEVEL=loud\n", "BAZAR_LOG_LEVEL"},
	    {"BAZAR_ADMIN_TOKEN=two words\n", "BAZAR_ADMIN_TOKEN"},
	    {"BAZAR_HOSTS=\n", "BAZAR_HOSTS"}, {"\nBAZAR_COLOUR=1\n", "line 2"},
	    {"nonsense\n", "line 1"}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file("bazar.conf", bad[i][0]);
		CU_ASSERT_EQUAL(settings_load(dir, &s, error), -1);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, bad[i][1]));
	}
}

static void
test_a_file_that_cannot_be_read_is_an_error(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/bazar.conf", dir);
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
	CU_ASSERT_EQUAL(settings_load(dir, &s, error), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "bazar.conf"));
	rmdir(path);
}

static void
test_secret(void)
{
	char secret[SETTINGS_SECRET];
	CU_ASSERT_EQUAL(settings_secret("/nowhere", secret, error), -1);
	write_file("secret", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n");
	char path[256];
	snprintf(path, sizeof(path), "%s/secret", dir);
	CU_ASSERT_EQUAL(chmod(path, 0644), 0);
	CU_ASSERT_EQUAL(settings_secret(dir, secret, error), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "chmod 600"));
	CU_ASSERT_EQUAL(chmod(path, 0600), 0);
	CU_ASSERT_EQUAL(settings_secret(dir, secret, error), 0);
	CU_ASSERT_EQUAL(strlen(secret), 64);
	write_file("secret", "0123456789abcdef\n");
	CU_ASSERT_EQUAL(settings_secret(dir, secret, error), -1);
}

static void
test_segment_names_a_directory(void)
{
	char one[SETTINGS_SEGMENT], again[SETTINGS_SEGMENT], path[64];
	snprintf(path, sizeof(path), "%s/../%s/.", dir, dir + strlen("/tmp/"));
	CU_ASSERT_EQUAL(settings_segment(dir, one), 0);
	CU_ASSERT_EQUAL(settings_segment(path, again), 0);
	CU_ASSERT_STRING_EQUAL(one, again);
	CU_ASSERT_EQUAL(one[0], '/');
	CU_ASSERT_EQUAL(settings_segment("/nowhere", one), -1);
}

static int
set_up(void)
{
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
clean_up(void)
{
	static const char *const files[] = {"bazar.conf", "secret"};
	char path[256];
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

void
register_settings(void)
{
	CU_pSuite suite = CU_add_suite("settings", set_up, clean_up);
	CU_add_test(suite, "defaults", test_defaults);
	CU_add_test(suite, "the environment wins", test_the_environment_wins_over_the_file);
	CU_add_test(suite, "what is wrong is named", test_what_is_wrong_is_named);
	CU_add_test(
	    suite, "a file that cannot be read", test_a_file_that_cannot_be_read_is_an_error);
	CU_add_test(suite, "secret", test_secret);
	CU_add_test(suite, "segment", test_segment_names_a_directory);
}
