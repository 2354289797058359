/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security events of providers (RISC, CAEP, and what Google and Apple say besides): their names, and what they do. Each
 * effect takes power away, whatever the event says; what a provider takes back ("account-enabled") gives nothing back.
 */
#ifndef CS_CORE_SIGNAL_H
#define CS_CORE_SIGNAL_H

#include "broker/base/buf.h"

/* X(enum, word, help) */
#define SIGNAL_EFFECTS(X) \
	X(SUSPEND_LINK, "suspend-link", "suspends the link, and ends its sessions and open challenges, until the owner resumes it") \
	X(VOID_SESSIONS, "void-sessions", "ends the sessions that were opened through the link") \
	X(VOID_CHALLENGES, "void-challenges", "voids the link's challenges that are open or not yet used") \
	X(PAUSE_ALLOWANCES, "pause-allowances", \
	    "pauses the link's allowances and mandates until a payment is countersigned in a new session") \
	X(VOID_ALLOWANCES, "void-allowances", "revokes the link's allowances and mandates") \
	X(LOWER_EVIDENCE, "lower-evidence", "lowers what the link's evidence counts for") \
	X(NOTIFY, "notify", "tells the owner, through the factors that can")

enum signal_effect_bit {
#define X(id, name, help) SIGNAL_BIT_##id,
	SIGNAL_EFFECTS(X)
#undef X
	SIGNAL_EFFECTS_N
};

/* Masks. None of them: the event is recorded, and does nothing ("ignore"). */
enum signal_effect {
#define X(id, name, help) SIGNAL_##id = 1 << SIGNAL_BIT_##id,
	SIGNAL_EFFECTS(X)
#undef X
	SIGNAL_EFFECTS_ALL = (1 << SIGNAL_EFFECTS_N) - 1
};

#define SIGNAL_STOPS (SIGNAL_SUSPEND_LINK | SIGNAL_VOID_SESSIONS | SIGNAL_VOID_CHALLENGES | SIGNAL_VOID_ALLOWANCES | SIGNAL_NOTIFY)
#define SIGNAL_ASKS (SIGNAL_VOID_SESSIONS | SIGNAL_VOID_CHALLENGES | SIGNAL_PAUSE_ALLOWANCES | SIGNAL_NOTIFY)
/* The same in words, for the manual; a test holds them together. */
#define SIGNAL_STOPS_WORDS "suspend-link void-sessions void-challenges void-allowances notify"
#define SIGNAL_ASKS_WORDS "void-sessions void-challenges pause-allowances notify"

/*
 * X(enum, name, effects unless configured, the same in words, good, help): numbers are stored, so the order only grows at its
 * end. name: as a plugin gives it. good: the last word of the detail with which the event is good news and does nothing, or "".
 */
#define SIGNAL_KINDS(X) \
	X(OTHER, "other", 0, "ignore", "", "Any event that is not named here.") \
	/* RISC */ \
	X(CREDENTIAL_CHANGE_REQUIRED, "account-credential-change-required", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "", \
	    "The user must change a password or other credential.") \
	X(ACCOUNT_PURGED, "account-purged", SIGNAL_STOPS, SIGNAL_STOPS_WORDS, "", "The account was deleted.") \
	X(ACCOUNT_DISABLED, "account-disabled", SIGNAL_STOPS, SIGNAL_STOPS_WORDS, "", \
	    "The account was disabled, perhaps because it was hijacked.") \
	X(ACCOUNT_ENABLED, "account-enabled", 0, "ignore", "", \
	    "The account was enabled again, which gives nothing back here.") \
	X(IDENTIFIER_CHANGED, "identifier-changed", SIGNAL_LOWER_EVIDENCE | SIGNAL_NOTIFY, "lower-evidence notify", "", \
	    "A mail address or phone number is another one now.") \
	X(IDENTIFIER_RECYCLED, "identifier-recycled", SIGNAL_STOPS | SIGNAL_LOWER_EVIDENCE, \
	    SIGNAL_STOPS_WORDS " lower-evidence", "", "A mail address or phone number belongs to somebody else now.") \
	X(CREDENTIAL_COMPROMISE, "credential-compromise", SIGNAL_STOPS, SIGNAL_STOPS_WORDS, "", \
	    "A password or other credential is known to others.") \
	X(OPT_IN, "opt-in", 0, "ignore", "", "Events of this account are sent again.") \
	X(OPT_OUT_INITIATED, "opt-out-initiated", SIGNAL_PAUSE_ALLOWANCES | SIGNAL_NOTIFY, "pause-allowances notify", "", \
	    "Somebody asked that no events of this account be sent any more.") \
	X(OPT_OUT_CANCELLED, "opt-out-cancelled", 0, "ignore", "", "And took that back.") \
	X(OPT_OUT_EFFECTIVE, "opt-out-effective", SIGNAL_PAUSE_ALLOWANCES | SIGNAL_NOTIFY, "pause-allowances notify", "", \
	    "No more events of this account are sent.") \
	X(RECOVERY_ACTIVATED, "recovery-activated", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "", \
	    "Somebody recovers the account.") \
	X(RECOVERY_INFORMATION_CHANGED, "recovery-information-changed", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "", \
	    "The mail address, number or questions for recovery were changed.") \
	X(SESSIONS_REVOKED, "sessions-revoked", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "", \
	    "All of the user's sessions at the provider were ended.") \
	/* CAEP */ \
	X(SESSION_REVOKED, "session-revoked", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "", \
	    "A session of the user at the provider was ended.") \
	X(TOKEN_CLAIMS_CHANGE, "token-claims-change", 0, "ignore", "", "What the provider says of the user has changed.") \
	X(CREDENTIAL_CHANGE, "credential-change", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "", \
	    "A password or other credential was made, changed or removed.") \
	X(ASSURANCE_LEVEL_CHANGE, "assurance-level-change", SIGNAL_LOWER_EVIDENCE | SIGNAL_NOTIFY, "lower-evidence notify", \
	    "increase", "It is less sure than before who the user is. Not where the level rose.") \
	X(DEVICE_COMPLIANCE_CHANGE, "device-compliance-change", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "compliant", \
	    "A device of the user breaks its operator's policy. Not where it keeps it again.") \
	X(SESSION_ESTABLISHED, "session-established", 0, "ignore", "", "The user signed in at the provider.") \
	X(SESSION_PRESENTED, "session-presented", 0, "ignore", "", "The user was seen at the provider.") \
	X(RISK_LEVEL_CHANGE, "risk-level-change", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "low", \
	    "The provider thinks the user at risk. Not where the risk is low.") \
	/* OAuth, as Google sends them */ \
	X(TOKENS_REVOKED, "tokens-revoked", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "", "All of the user's tokens were revoked.") \
	X(TOKEN_REVOKED, "token-revoked", SIGNAL_ASKS, SIGNAL_ASKS_WORDS, "", "A token of the user was revoked.") \
	/* Apple */ \
	X(CONSENT_REVOKED, "consent-revoked", SIGNAL_STOPS, SIGNAL_STOPS_WORDS, "", \
	    "The user no longer wants to sign in here with this ID.") \
	X(ACCOUNT_DELETE, "account-delete", SIGNAL_STOPS, SIGNAL_STOPS_WORDS, "", "The account was deleted.") \
	X(ACCOUNT_DELETED, "account-deleted", SIGNAL_STOPS, SIGNAL_STOPS_WORDS, "", "The same in other words.") \
	X(EMAIL_ENABLED, "email-enabled", 0, "ignore", "", "Mail to the relay address is forwarded.") \
	X(EMAIL_DISABLED, "email-disabled", 0, "ignore", "", "Mail to the relay address is not forwarded any more.")

enum signal_kind {
	SIGNAL_KIND_NONE,
#define X(id, name, effects, words, good, help) SIGNAL_KIND_##id,
	SIGNAL_KINDS(X)
#undef X
	SIGNAL_KIND__COUNT
};

/* Of SIGNAL_KIND_NONE: "". */
const char *signal_name(enum signal_kind kind);
/* SIGNAL_KIND_NONE where the table has no such name. */
enum signal_kind signal_find(struct view name);
uint32_t signal_effects_usual(enum signal_kind kind);
/* Whether this detail (its last word "compliant" or "LOW", say) makes the event good news: then it does nothing. */
bool signal_is_good(enum signal_kind kind, struct view detail);

/* Of one bit. */
const char *signal_effect_name(enum signal_effect_bit bit);
const char *signal_effect_help(enum signal_effect_bit bit);
/* The bit's mask; 0 where there is no such word. */
uint32_t signal_effect_find(struct view word);

#endif
