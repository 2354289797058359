/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relying party's checks of WebAuthn Level 3: section 7.1 for a registration, section 7.2 for
 * an assertion. What was refused first is told.
 */
#ifndef CS_PLUGIN_WEBAUTHN_CHECK_H
#define CS_PLUGIN_WEBAUTHN_CHECK_H

#include "plugins/webauthn/client.h"
#include "plugins/webauthn/record.h"

/*
 * COUNTERSIGN_OK with *why, which is REFUSED_NOT where the passkey is good and written; or from 64
 * on where it could not be found out.
 */
int check_registration(const struct policy *p, const struct registration *asked,
    struct countersign_view answer, struct passkey *key, enum refusal *why);

struct assertion_asked {
	struct countersign_view challenge;
	struct countersign_view card; /* what was shown, JSON; absent: not known */
	bool payment;	 /* of money, or of something that is not known */
	int64_t counter; /* newest seen; not above zero: none was counted */
};

/* The same; *counter is what this assertion says. */
int check_assertion(const struct policy *p, const struct passkey *key,
    const struct assertion_asked *asked, struct countersign_view answer, uint32_t *counter,
    enum refusal *why);

#endif
