/* SPDX-License-Identifier: Apache-2.0 */
/* Security events by push: its limits, and its way of refusing (RFC 8935 section 2.3). */
#ifndef CS_GATEWAY_SSF_H
#define CS_GATEWAY_SSF_H

#include "broker/base/buf.h"

struct exchange;

enum {
	SSF_BODY_MAX = 16 * 1024,     /* what a plugin takes; a token is one or two KiB */
	SSF_AUTHORIZATION_MAX = 4096, /* a bearer token at its longest */
	/*
	 * In flight at once, of 32 calls that may wait for a plugin: people who sign in keep the larger half, whoever posts
	 * here. A push that finds no place is answered by 429, and its sender sends it again.
	 */
	SSF_PUSHES_MAX = 12,
	SSF_PUSHES_OF_PEER = 6,
	SSF_IP_MAX = 64,
};

/* A push in flight: who sent it. */
struct ssf_push {
	bool used;
	struct exchange *exchange; /* NULL: the sender has gone */
	size_t ip_len;
	char ip[SSF_IP_MAX];
};

/* 400 {err, description}. */
void ssf_refuse(struct exchange *x, struct view err, struct view description);

#endif
