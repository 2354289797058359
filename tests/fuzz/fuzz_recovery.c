/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How recovery codes are read. Whatever is read as a code is one: printed and read again it is the same, its check letter
 * fits, and each of its letters changed alone is a typing error.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"
#include "plugins/recovery/codes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t letters[RECOVERY_LETTERS], again[RECOVERY_LETTERS], random[RECOVERY_RANDOM_BYTES];
	char printed[RECOVERY_PRINTED];
	struct countersign_view text = {printed, sizeof(printed)};

	/* Any bytes as randomness make a code that is read as itself. */
	if (len >= sizeof(random)) {
		memcpy(random, data, sizeof(random));
		recovery_make(random, letters);
		recovery_print(letters, printed);
		CHECK(recovery_read(text, again) == RECOVERY_READ && memcmp(letters, again, sizeof(again)) == 0);
	}
	if (recovery_read((struct countersign_view){(const char *)data, len}, letters) != RECOVERY_READ)
		return 0;
	for (size_t i = 0; i < RECOVERY_LETTERS; i++)
		CHECK(letters[i] < 32);
	recovery_print(letters, printed);
	CHECK(recovery_read(text, again) == RECOVERY_READ && memcmp(letters, again, sizeof(again)) == 0);
	for (size_t i = 0; i < RECOVERY_LETTERS; i++) {
		letters[i] ^= 1 + len % 31;
		recovery_print(letters, printed);
		CHECK(recovery_read(text, again) == RECOVERY_MISTYPED);
		letters[i] ^= 1 + len % 31;
	}
	return 0;
}
