/* SPDX-License-Identifier: Apache-2.0 */
/* The one error type. A denial is not an error: it is a decision, and travels as a success. */
#ifndef CS_BASE_ERR_H
#define CS_BASE_ERR_H

enum cs_err {
	CS_OK = 0,
	CS_ERR_SYNTAX,      /* input is not of the grammar */
	CS_ERR_RANGE,       /* well formed, but outside what is allowed */
	CS_ERR_FULL,        /* a bound was reached; nothing was written */
	CS_ERR_NOT_FOUND,   /* no such thing, or not the caller's */
	CS_ERR_CONFLICT,    /* the state is another than the caller supposed */
	CS_ERR_CORRUPT,     /* stored bytes fail their checksum or their own rules */
	CS_ERR_VERSION,     /* made by a newer version than this one */
	CS_ERR_UNAVAILABLE, /* a disk, peer or plugin did not do its part */
	CS_ERR_UNKNOWN,     /* the reply or the fsync was lost: it may have happened */
	CS_ERR_DENIED,      /* the operating system or a check refused */
	CS_ERR_SYSTEM,      /* see errno at the place of the call */
	CS_ERR__COUNT
};

/* The name in lower case, for logs; never NULL. */
const char *cs_err_name(enum cs_err err);

#endif
