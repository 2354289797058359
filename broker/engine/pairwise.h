/* SPDX-License-Identifier: Apache-2.0 */
/* What outsiders know an account by: a digest that differs for each of them, so that they cannot put theirs together. */
#ifndef CS_ENGINE_PAIRWISE_H
#define CS_ENGINE_PAIRWISE_H

#include "broker/base/json.h"
#include "broker/engine/engine.h"

/* A member of 32 hexadecimal digits. name: of the plugin's block in the configuration. */
void pairwise_member(struct json_writer *w, const char *member, const struct engine *e, const struct id *account,
    const char *name);

#endif
