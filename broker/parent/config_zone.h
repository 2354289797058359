/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A time zone by its IANA name, read from the system's files (TZif, RFC 9636) into a bounded table, so that decisions need
 * neither files nor the C library's zones, and so that the canonical configuration says what they reckon with.
 */
#ifndef CS_PARENT_CONFIG_ZONE_H
#define CS_PARENT_CONFIG_ZONE_H

#include "broker/parent/config.h"

/* What the table covers: 2020 to the end of 2050. Fixed, so that the same files give the same table on any day. */
#define ZONE_FROM_S INT64_C(1577836800)
#define ZONE_TO_S INT64_C(2556144000)

/* The offsets that real clocks have had. */
enum { ZONE_OFFSET_MIN_S = -12 * 3600, ZONE_OFFSET_MAX_S = 14 * 3600 };

/* NULL, or what is wrong, as a constant. `name` is of the form Area/Place. *zone's name is not touched. */
const char *zone_load(const char *name, struct config_timezone *zone);
/* The same of the bytes of a file. */
const char *zone_read(const unsigned char *bytes, size_t len, struct config_timezone *zone);

#endif
