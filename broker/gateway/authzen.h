/* SPDX-License-Identifier: Apache-2.0 */
/* What one evaluation and a batch of them share; private to authzen*.c. */
#ifndef CS_GATEWAY_AUTHZEN_H
#define CS_GATEWAY_AUTHZEN_H

#include "broker/gateway/exchange.h"

enum { MESSAGE_MAX = 512 }; /* for authzen_error_message */

/* The four entities of one question, as tokens; 0 where absent. */
struct question {
	uint32_t subject, action, resource, context;
};

void authzen_error(struct exchange *x, unsigned status, struct view message);
/* Reads the entities that stand in `object` over those in *q: a key replaces the whole entity. */
const char *question_read(const struct json *doc, uint32_t object, struct question *q);
/* What AuthZEN requires of any question; NULL when it is all there. */
const char *question_check(const struct json *doc, const struct question *q);
/* The method that answers it; empty: none does, and then the answer is no. */
struct view question_method(const struct json *doc, const struct question *q);
void question_write(struct json_writer *w, const struct json *doc, const struct question *q);
/* {"decision": ..., "context": {...}}; returns the decision. */
bool authzen_decision_write(struct json_writer *w, const struct exchange_result *r);
/* A question that is none of ours: nobody may do that here. */
void authzen_not_applicable(struct json_writer *w);
/* One line for people: what the engine's error says. */
struct view authzen_error_message(const struct exchange_result *r, char *to, size_t size);
/* No, because of an error that belongs to this question alone. */
void authzen_error_decision(struct json_writer *w, unsigned status, struct view message);
void authzen_evaluate(struct exchange *x, const struct json *doc, const struct question *q);
/* False: an answer was given. */
bool authzen_body(struct exchange *x, struct json *doc, struct question *q);

#endif
