/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens that tell services of security events (RFC 8417, SSF 1.0), signed as receipts are. */
#ifndef CS_ENGINE_TRANSMIT_SET_H
#define CS_ENGINE_TRANSMIT_SET_H

#include "broker/engine/transmit.h"
#include "broker/engine/transmit_queue.h"

enum { TRANSMIT_SET_MAX = 4096 };

struct transmit_facts {
	struct view base, audience, jti, account; /* account: the realm's own id; absent of a verification event */
	struct view stream, state;                /* of a verification event */
	struct view link, provider;               /* absent where they are not known */
};
void transmit_set_write(const struct engine *e, const struct transmit_item *item, const struct transmit_facts *facts,
    struct buf *out);
/* The URI of the event. */
struct view transmit_uri(enum transmit_what what);
/* "https://..." that SETs and the metadata are issued by. */
struct view transmit_issuer(const struct engine *e);
/* A stream's id as text: 32 hexadecimal digits. */
struct view transmit_stream_id(const struct id *id, char to[32]);

#endif
