/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the errors. */
#include "broker/base/err.h"

static const char *const names[CS_ERR__COUNT] = {
	[CS_OK] = "ok",
	[CS_ERR_SYNTAX] = "syntax",
	[CS_ERR_RANGE] = "range",
	[CS_ERR_FULL] = "full",
	[CS_ERR_NOT_FOUND] = "not_found",
	[CS_ERR_CONFLICT] = "conflict",
	[CS_ERR_CORRUPT] = "corrupt",
	[CS_ERR_VERSION] = "version",
	[CS_ERR_UNAVAILABLE] = "unavailable",
	[CS_ERR_UNKNOWN] = "unknown",
	[CS_ERR_DENIED] = "denied",
	[CS_ERR_SYSTEM] = "system",
};

const char *
cs_err_name(enum cs_err err)
{
	if ((unsigned)err >= CS_ERR__COUNT)
		return "invalid";
	return names[err];
}
