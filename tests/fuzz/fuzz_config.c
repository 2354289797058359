/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical text of a configuration: whatever is accepted must print, and the print must parse to the same print. */
#include <stdint.h>
#include <stdlib.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/parent/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config *c, *again;
	struct bytes first, second;
	struct config_error err;
	char text[64];

	if (config_parse((const char *)data, len, &c, &err) != CS_OK) {
		CHECK(err.message[0] != '\0');
		config_error_text(&err, text, sizeof(text));
		return 0;
	}
	bytes_init(&first, CONFIG_CANONICAL_MAX);
	bytes_init(&second, CONFIG_CANONICAL_MAX);
	config_print(c, &first.buf);
	CHECK(!first.buf.full);
	CHECK(config_parse((const char *)first.buf.data, first.buf.len, &again, &err) == CS_OK);
	config_print(again, &second.buf);
	CHECK(view_equal(buf_view(&first.buf), buf_view(&second.buf)));
	config_free(c);
	config_free(again);
	bytes_clear(&first);
	bytes_clear(&second);
	return 0;
}
