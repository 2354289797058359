/* SPDX-License-Identifier: Apache-2.0 */
/* What cmocka wants included before it, and cmocka. */
#ifndef CS_TESTS_UNIT_H
#define CS_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/base/buf.h"

#define assert_view_equal(v, text)                                                                 \
	do {                                                                                       \
		struct view got_view = (v);                                                        \
		assert_int_equal(got_view.len, sizeof(text) - 1);                                  \
		assert_memory_equal(got_view.data, text, sizeof(text) - 1);                        \
	} while (0)

#endif
