/* SPDX-License-Identifier: Apache-2.0 */
/* Limits as the interface and the owner's page share them. */
#ifndef CS_ENGINE_LIMITS_API_H
#define CS_ENGINE_LIMITS_API_H

#include "broker/engine/answer.h"

/* The smallest of what the configuration (NULL: nothing), an admin and the user have set at this level. link_no 0: the account. */
struct policy_limit limits_in_force(const struct account *a, uint32_t link_no, const struct policy_limit *configured,
    uint16_t currency, int64_t now_ms);
/* The user's own at this level, as it binds now; -1 where they have set none. */
struct limit limits_own(const struct account *a, uint32_t link_no, uint16_t currency, int64_t now_ms);
/* An object. effective_ms 0: in force. */
void limits_write(struct json_writer *w, const struct policy_limit *l, int64_t effective_ms);
/* Elements of an array: the user's raises that wait for their time. */
void limits_write_raises(struct json_writer *w, const struct account *a, uint32_t link_no, int64_t now_ms);

/* What the countersignature of a raise is for. */
void limits_content(const struct engine *e, uint64_t service, const struct id *account, const struct limit *to,
    struct hash *content);
enum { LIMIT_TEXT_MAX = 192 };
/* "100.00 CNY / payment; 200.00 CNY / day": all that would be in force, in words that every language shares. */
struct view limits_text(const struct limit *to, char text[LIMIT_TEXT_MAX]);

#endif
