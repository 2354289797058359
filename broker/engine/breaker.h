/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit breaker of a plugin. It is closed while there are fewer than five failures in a row, then the plugin is at rest;
 * after the rest one call tries it. Its success closes the breaker, its failure doubles the rest, from 1 s up to 60 s.
 */
#ifndef CS_ENGINE_BREAKER_H
#define CS_ENGINE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/buf.h"

/* Zeroed: closed. Times are of the boot clock. */
struct breaker {
	uint32_t row;              /* failures in a row */
	bool tried;                /* at rest, a call is trying it */
	int64_t rest_ms, rest_until_ms;
};

bool breaker_rests(const struct breaker *b, int64_t now_ms);
/* Where the plugin was at rest, the call that is made now is the one that tries it: true. */
bool breaker_try(struct breaker *b);
/* The plugin, by its name in the configuration, answered. */
void breaker_good(struct breaker *b, const char *plugin);
/* It did not. tries: the call was the one that tries it; counts: the plugin was really asked. */
void breaker_bad(struct breaker *b, const char *plugin, bool tries, bool counts, int64_t now_ms);
/* The call that tries it ended in neither: whoever is next may try it again. */
void breaker_open_to_try(struct breaker *b);

/*
 * What asks where the provider's security events come from, which is not where people sign in, and of which the first is
 * asked for whoever posts at the gateway. That those servers do not answer says nothing of the plugin: it must keep nobody
 * from signing in. A plugin that crashes, hangs or speaks garbage over them does count.
 */
bool breaker_is_aside(const char *method);
/*
 * The worker, or the plugin, would not look at what it was asked. Of much of that a stranger has the words: who asks the
 * same nonsense again and again must not shut the plugin for everybody.
 */
bool breaker_is_of_question(struct view error, struct view reason);

#endif
