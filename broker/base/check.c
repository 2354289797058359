/* SPDX-License-Identifier: Apache-2.0 */
/* How a broken invariant ends the process. */
#include "broker/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "level=fatal msg=\"invariant broken\" expr=\"%s\" at=%s:%d\n", expr, file,
	    line);
	abort();
}
