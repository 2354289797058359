/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/challenges/{challenge}/events: server-sent events (HTML Living Standard section 9.2) for a service that waits for
 * its user. An event `state` at once and at each change; the last, which is not "open", ends the stream. A stream is
 * bounded in number and time, and may break: whoever comes again hears how it stands first.
 */
#include "broker/gateway/exchange.h"
#include "broker/gateway/handlers.h"

static void
event_write(struct exchange *x, struct view state)
{
	struct json_writer w;

	buf_put_view(x->out, VIEW("event: state\ndata: "));
	w = json_to(x->out);
	json_object_begin(&w);
	json_member_str(&w, "state", state);
	json_object_end(&w);
	buf_put_view(x->out, VIEW("\n\n"));
}

static void
watched(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = forward_result(x, answer);
	bool last = answer->doc == NULL || !answer->reply.continues;

	if (r.error.len > 0 && !x->streaming) {
		reply_problem_of(x, &r);
		return;
	}
	if (!x->streaming)
		reply_stream_begin(x, VIEW("text/event-stream"));
	/* The engine went away: the stream breaks, and its reader comes again. */
	if (r.error.len == 0)
		event_write(x, result_str(&r, "state"));
	if (last)
		reply_stream_end(x);
	else
		reply_stream_push(x);
}

void
stepup_events(struct exchange *x)
{
	struct json_writer w;

	if (!exchange_watch_begin(x, VIEW("org.countersign.StepUp.Watch"), &w)) {
		reply_problem(x, 503, "org.countersign.Unavailable", "too many wait already; ask for the challenge instead");
		return;
	}
	json_member_str(&w, "challenge", x->params[0]);
	if (!exchange_send(x, &w, watched))
		reply_problem(x, 400, "org.countersign.InvalidParameter", "the challenge's id is too long");
}
