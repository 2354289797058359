/* SPDX-License-Identifier: Apache-2.0 */
/* The digests of a payment. */
#include "broker/engine/spend_request.h"

void
spend_request_digests(const struct keyring *k, uint64_t service, const struct id *account,
    const struct spend_words *words, struct request *r)
{
	struct view tag = view_of(&service, sizeof(service));
	struct view key = view_of(account->b, sizeof(account->b));
	struct view payment[] = {tag, key, words->payment_id};
	/* All that the card shows, and what it is for. */
	struct view content[] = {VIEW("spend"), tag, key, words->payment_id,
	    view_of(&r->amount_minor, sizeof(r->amount_minor)), view_of(&r->currency, sizeof(r->currency)),
	    words->payee_id, words->payee_name};

	r->payment = keyring_id(k, DIGEST_PAYMENT, payment, 3);
	r->payee = keyring_id(k, DIGEST_PAYEE, &words->payee_id, 1);
	keyring_digest(k, DIGEST_CONTENT, content, 8, &r->content);
}
