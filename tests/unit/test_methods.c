/* SPDX-License-Identifier: Apache-2.0 */
/* The table of methods against the interfaces: sorted, and each method in both. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/engine/api.h"

#include "tests/unit/unit.h"

enum { TEXT_MAX_BYTES = 64 * 1024, NAME_MAX_BYTES = 128 };

/* Calls `each` with every full name of a method in an interface's text. */
static size_t
methods_of(const char *interface, const char *text, void (*each)(const char *name))
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, "\nmethod ")) != NULL;) {
		char name[NAME_MAX_BYTES];

		at += strlen("\nmethod ");
		snprintf(name, sizeof(name), "%s.%.*s", interface, (int)strcspn(at, "("), at);
		each(name);
		n++;
	}
	return n;
}

static void
is_in_table(const char *name)
{
	if (method_find(view_str(name)) == NULL)
		fail_msg("%s is in the interfaces and not in the table of methods", name);
}

static const char *wanted;
static bool seen;

static void
is_wanted(const char *name)
{
	seen |= strcmp(name, wanted) == 0;
}

/* The interface between gateway and engine is not shown to anyone: its text is in the source alone. */
static const char *
internal_text(void)
{
	static char text[TEXT_MAX_BYTES];
	const char *top = getenv("CS_SRCDIR");
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/include/countersign/org.countersign.Internal.varlink", top == NULL ? "." : top);
	f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void
test_table_is_sorted(void **state)
{
	(void)state;
	for (size_t i = 1; method_at(i) != NULL; i++)
		assert_true(strcmp(method_at(i - 1)->name, method_at(i)->name) < 0);
	for (size_t i = 0; method_at(i) != NULL; i++)
		assert_ptr_equal(method_find(view_str(method_at(i)->name)), method_at(i));
	assert_null(method_find(VIEW("")));
	assert_null(method_find(VIEW("org.countersign.Payments")));
	assert_null(method_find(VIEW("org.countersign.Payments.Authorize2")));
	assert_null(method_find(VIEW("~")));
}

static void
test_interfaces_have_methods(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; interface_at(i) != NULL; i++)
		n += methods_of(interface_at(i)->name, interface_at(i)->text, is_in_table);
	n += methods_of("org.countersign.Internal", internal_text(), is_in_table);
	assert_true(n > 0);
}

static void
test_methods_have_interfaces(void **state)
{
	(void)state;
	for (size_t i = 0; method_at(i) != NULL; i++) {
		wanted = method_at(i)->name;
		seen = strncmp(wanted, "org.varlink.service.", 20) == 0;
		for (size_t k = 0; interface_at(k) != NULL; k++)
			methods_of(interface_at(k)->name, interface_at(k)->text, is_wanted);
		methods_of("org.countersign.Internal", internal_text(), is_wanted);
		if (!seen)
			fail_msg("%s is in the table of methods and in no interface", wanted);
	}
}

/* Who may call what follows from the interface's name. */
static void
test_interfaces_keep_to_their_callers(void **state)
{
	(void)state;
	for (size_t i = 0; method_at(i) != NULL; i++) {
		const struct method *m = method_at(i);

		if (strncmp(m->name, "org.countersign.Admin.", 22) == 0)
			assert_int_equal(m->who, FOR_ADMIN);
		else if (strncmp(m->name, "org.countersign.Internal.", 25) == 0)
			assert_int_equal(m->who, FOR_GATEWAY);
		else if (m->who != FOR_ANYONE)
			assert_int_equal(m->who & FOR_GATEWAY, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_sorted),
		cmocka_unit_test(test_interfaces_have_methods),
		cmocka_unit_test(test_methods_have_interfaces),
		cmocka_unit_test(test_interfaces_keep_to_their_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
