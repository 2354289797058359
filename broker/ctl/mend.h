/* SPDX-License-Identifier: Apache-2.0 */
/* What would make a supposed request pass, in sentences for admins. */
#ifndef CS_CTL_MEND_H
#define CS_CTL_MEND_H

#include "broker/base/json.h"
#include "broker/ctl/suppose.h"

/* Strings into an array that is open; none for a permit. */
void mend_write(struct json_writer *w, const struct suppose *s, const struct decision *d,
    const struct decision_trace *t);

#endif
