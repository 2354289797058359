/* SPDX-License-Identifier: Apache-2.0 */
/* The cookie of a device that approves, which the enrolment page sets and the page of requests reads. */
#ifndef CS_GATEWAY_DEVICE_H
#define CS_GATEWAY_DEVICE_H

#include "broker/gateway/html.h"

/*
 * As browsers keep no cookie longer: 400 days. Every visit sets it anew. Lax: a link to the page may come from elsewhere,
 * and a GET shows nothing to it.
 */
enum { DEVICE_COOKIE_S = 400 * 24 * 60 * 60 };

#define DEVICE_COOKIE(value) ((struct cookie){VIEW("__Host-device"), (value), "Lax", DEVICE_COOKIE_S})

#endif
