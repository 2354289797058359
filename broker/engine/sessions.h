/* SPDX-License-Identifier: Apache-2.0 */
/* From an identity to a session: what Sessions.Open and a browser's return share. */
#ifndef CS_ENGINE_SESSIONS_H
#define CS_ENGINE_SESSIONS_H

#include "broker/engine/identify.h"

/* err: CS_OK: decided; CS_ERR_NOT_FOUND: nobody has linked this ID; CS_ERR_UNAVAILABLE: the store cannot tell. */
struct session_result {
	enum cs_err err;
	struct signin *signin;      /* to be ended, or moved on from SIGNIN_CHECKING */
	struct txn *txn;            /* of CS_OK, as the rest */
	const struct account *account;
	const struct link *link;
	const struct decision *decision;
};

/* Answers the call. */
typedef void session_end_fn(struct call *call, const struct session_result *result);

/* For the service that the call's caller is. The call is held, and released when it was answered. */
void session_open(struct call *call, struct signin *s, const struct identity *who, session_end_fn *end);

#endif
