/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading CBOR in the form of CTAP2, section 8 (RFC 8949 with definite lengths and the shortest
 * form of every number). Nothing is copied and nothing is allocated: what is read points into the
 * input. The first thing that is not as it should be makes the reader bad, and it stays so.
 */
#ifndef CS_PLUGIN_WEBAUTHN_CBOR_H
#define CS_PLUGIN_WEBAUTHN_CBOR_H

#include <stdbool.h>

#include "countersign/plugin.h"

enum {
	CBOR_DEPTH_MAX = 6,    /* CTAP2 allows four; the attestation object adds one round it */
	CBOR_MEMBERS_MAX = 32, /* of one array or map; no structure of WebAuthn has as many */
};

struct cbor {
	const unsigned char *at, *end;
	bool bad;
};

struct cbor cbor_over(struct countersign_view v);
/* Nothing is left, and all of it was good. */
bool cbor_done(const struct cbor *c);

/* Each reads one item of its type; false, with the reader bad, where another comes. */
bool cbor_int(struct cbor *c, int64_t *value);
bool cbor_bytes(struct cbor *c, struct countersign_view *value);
bool cbor_text(struct cbor *c, struct countersign_view *value);
bool cbor_bool(struct cbor *c, bool *value);
/* What follows: so many items, or pairs of items; at most CBOR_MEMBERS_MAX. */
bool cbor_array(struct cbor *c, size_t *count);
bool cbor_map(struct cbor *c, size_t *pairs);
/* Any item, at most CBOR_DEPTH_MAX deep; `whole` is its bytes. */
bool cbor_skip(struct cbor *c, struct countersign_view *whole);

#endif
