/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that failed too often in a row are given a rest, and what counts as a failure of theirs. */
#include "broker/engine/breaker.h"

#include <string.h>

#include "broker/base/log.h"

enum {
	BREAK_AFTER = 5,           /* failures in a row: more of them would only cost every caller its deadline */
	REST_MIN_MS = 1000,        /* then it is not asked for so long; doubled by each failure of the one call that tries it */
	REST_MAX_MS = 60 * 1000,
};

bool
breaker_rests(const struct breaker *b, int64_t now_ms)
{
	return b->row >= BREAK_AFTER && (b->tried || now_ms < b->rest_until_ms);
}

bool
breaker_try(struct breaker *b)
{
	if (b->row < BREAK_AFTER)
		return false;
	b->tried = true;
	return true;
}

void
breaker_good(struct breaker *b, const char *plugin)
{
	if (b->row >= BREAK_AFTER)
		log_info("msg=\"a plugin answers again\" plugin=%s", plugin);
	b->row = 0;
	b->tried = false;
	b->rest_ms = 0;
}

void
breaker_bad(struct breaker *b, const char *plugin, bool tries, bool counts, int64_t now_ms)
{
	if (tries)
		b->tried = false;
	if (!counts && !tries)
		return;
	if (b->row < BREAK_AFTER)
		b->row++;
	else if (!tries)
		return;
	if (b->row < BREAK_AFTER)
		return;
	b->rest_ms = b->rest_ms == 0 ? REST_MIN_MS : b->rest_ms * 2 < REST_MAX_MS ? b->rest_ms * 2 : REST_MAX_MS;
	b->rest_until_ms = now_ms + b->rest_ms;
	log_warn("msg=\"a plugin failed too often in a row and is not asked for a while\" plugin=%s rest_ms=%lld", plugin,
	    (long long)b->rest_ms);
}

void
breaker_open_to_try(struct breaker *b)
{
	b->tried = false;
}

bool
breaker_is_aside(const char *method)
{
	static const char *const names[] = {"Signal", "Poll", "Stream"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(method, names[i]) == 0)
			return true;
	}
	return false;
}

bool
breaker_is_of_question(struct view error, struct view reason)
{
	return !view_equal(error, VIEW("org.countersign.Worker.Failed")) || view_equal(reason, VIEW("invalid")) ||
	    view_equal(reason, VIEW("full"));
}
