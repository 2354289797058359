/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a store: an account or a payment is refused, or it is valid and has exactly these bytes.
 */
#include <stdint.h>
#include <string.h>

#include "broker/base/check.h"
#include "broker/core/account.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t again[ACCOUNT_BYTES_MAX];
static struct account account;

static void
same_bytes(const struct buf *out, struct view bytes)
{
	CHECK(!out->full);
	CHECK(view_equal(buf_view(out), bytes));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct id key = {{1}};
	struct view bytes = view_of(data, len);
	struct buf out = buf_over(again, sizeof(again));
	struct payment payment;

	if (account_decode(bytes, &key, 1, &account) == CS_OK) {
		CHECK(account_valid(&account));
		account_encode(&account, &out);
		same_bytes(&out, bytes);
	}
	if (payment_decode(bytes, &payment) == CS_OK) {
		CHECK(payment_valid(&payment));
		out = buf_over(again, PAYMENT_BYTES_MAX);
		payment_encode(&payment, &out);
		same_bytes(&out, bytes);
	}
	return 0;
}
