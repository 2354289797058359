/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy: the configuration, compiled for decisions. Immutable; the engine swaps one pointer on a reload. Arrays are
 * dense. Texts are kept only where a trace or a message needs them, and are borrowed from the configuration.
 */
#ifndef CS_CORE_POLICY_H
#define CS_CORE_POLICY_H

#include "broker/core/account.h"
#include "broker/core/stack.h"

enum {
	POLICY_SERVICES_MAX = 256,
	POLICY_PROVIDERS_MAX = 64,
	POLICY_LIMITS_MAX = 16,   /* currencies at one level */
	POLICY_CONTROLS_MAX = 64, /* things that one provider controls, its profile's and its own */
};

/* Limits of one level in one currency; -1: none of this sort. */
struct policy_limit {
	uint16_t currency;
	int64_t per_payment_minor, per_day_minor, per_month_minor;
	int64_t count_day, count_month;
};

struct policy_service {
	uint64_t tag;
	uint32_t rights;          /* enum right */
	uint32_t doors;           /* enum door */
	const struct stack *stack;
};

/* Sorts of things that a provider may control, and that factors rest on. */
enum thing_sort { THING_MAIL = 1 << 0, THING_PHONE = 1 << 1, THING_AAGUID = 1 << 2 };

struct policy_provider {
	uint64_t tag;
	uint64_t plugin;          /* tag of the plugin's file name */
	int64_t cooling_off_ms;
	bool syncs_secrets;       /* what is unknown counts as dependent (rule 11) */
	uint8_t controls_kinds;   /* mask of factor kinds that fall with this provider */
	uint8_t assume_kinds;     /* mask of kinds that the admin declared independent of it */
	uint8_t controls_sorts;   /* mask of enum thing_sort: of which it controls any */
	uint8_t controls_n;
	uint64_t controls[POLICY_CONTROLS_MAX]; /* tags of the things that fall with it, as factor.rests */
	uint8_t limits_n;
	struct policy_limit limits[POLICY_LIMITS_MAX];
};

struct policy_factor {
	uint64_t plugin;
	int64_t cooling_off_ms;
	bool enabled;
	bool reverified;          /* the engine checks the proof itself; else up to trusted_factor_limit only */
};

/* From then on the zone's offset is this. */
struct zone_transition {
	int64_t at_ms;
	int32_t offset_s;
};

/* Two a year for as long as anybody plans, and some more for zones that changed their mind. */
enum { POLICY_TRANSITIONS_MAX = 96 };

struct policy {
	struct id digest;
	int32_t utc_offset_s;     /* of the day, month and year windows, before the first transition */
	uint16_t transitions_n;   /* ascending; 0: the offset never changes */
	struct zone_transition transitions[POLICY_TRANSITIONS_MAX];
	int64_t link_cooling_off_ms;
	int64_t session_idle_ms, session_max_ms;
	int64_t challenge_ms;     /* a prompt lives this long */
	int64_t redeem_ms;        /* a countersignature is redeemed within this time */
	int64_t hold_ms;
	int64_t allowance_max_ms;
	uint32_t prompts_per_link_day;
	uint32_t open_per_link;   /* open challenges of one link: the rest is the reserve for others */
	int64_t limit_cooling_off_ms; /* before a user's raise of a limit binds */
	int64_t recovery_cooling_off_ms; /* before what a recovery code countersigned may countersign; at least its kind's */
	uint32_t needs;           /* mask of enum need: counters that any stack of a service asks for */
	uint16_t services_n, providers_n;
	uint8_t limits_n, trusted_n;
	struct policy_limit limits[POLICY_LIMITS_MAX];
	struct policy_limit trusted[POLICY_LIMITS_MAX]; /* per_payment_minor only */
	struct policy_factor factors[FACTOR__COUNT];
	struct policy_service services[POLICY_SERVICES_MAX];
	struct policy_provider providers[POLICY_PROVIDERS_MAX];
};

const struct policy_service *policy_service(const struct policy *p, uint64_t tag);
const struct policy_provider *policy_provider(const struct policy *p, uint64_t tag);
/* The limit of a level in a currency, or NULL. */
const struct policy_limit *policy_limit(const struct policy_limit *limits, size_t n, uint16_t currency);

/*
 * What the broker knows of itself and its providers at this moment; from the broker's own record. A provider without an
 * entry is unknown, hence stale.
 */
struct broker_provider {
	uint64_t tag;
	bool enabled;
	bool pinned;              /* plugin, issuers and client ids are those of the first load */
	bool frozen;
	bool fresh;               /* the state is not older than its lease */
	int64_t sessions_since_ms;/* sessions opened before a freeze do not come back with the thaw */
	int64_t rekey_until_ms;   /* until then its links may be moved to new subjects; 0: not at all */
	uint8_t limits_n;         /* set by an admin while running */
	struct policy_limit limits[POLICY_LIMITS_MAX];
};

struct broker_state {
	uint64_t revision;        /* of the record that this is, for the events of what is decided on it */
	bool frozen;
	bool clock_ok;            /* wall clock and boot clock agree */
	bool stale;               /* what other brokers may have frozen since is not known: their store was not heard for too long */
	uint8_t providers_n;
	struct broker_provider providers[POLICY_PROVIDERS_MAX];
};

const struct broker_provider *broker_provider(const struct broker_state *b, uint64_t tag);

#endif
