/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: who is asking. */
#include "broker/client/fields.h"

static const struct take_field sign_in_fields[] = {
	TAKE_TEXT_AT("sign_in", true, struct cs_sign_in, id),
	TAKE_TEXT_AT("nonce", true, struct cs_sign_in, nonce),
	TAKE_TEXT_AT("start_url", false, struct cs_sign_in, start_url),
	TAKE_TEXT_AT("expires_at", true, struct cs_sign_in, expires_at),
	TAKE_END,
};

/* In the order of enum cs_outcome. */
static const char *const outcomes[] = {"deny", "step_up", "permit", NULL};

static const struct take_field session_fields[] = {
	TAKE_WORD_AT("outcome", true, struct cs_session, outcome, outcomes),
	TAKE_TEXT_AT("reason", true, struct cs_session, reason),
	TAKE_TEXT_AT("session", false, struct cs_session, id),
	TAKE_TEXT_AT("account", false, struct cs_session, account),
	TAKE_TEXT_AT("link", false, struct cs_session, link),
	TAKE_TEXT_AT("expires_at", false, struct cs_session, expires_at),
	TAKE_END,
};

/* A permit brings its session, and nothing else does: a caller may rely on it. */
static void
check_session(struct call *c, const struct cs_session *s)
{
	if (c->status == CS_STATUS_OK && (s->outcome == CS_OUTCOME_PERMIT) != (s->id[0] != '\0'))
		call_fail(c, CS_STATUS_PROTOCOL, "session", "the broker's reply permits without a session, or denies with one");
}

static enum cs_status
end_with_session(struct call *c, struct cs_session *out)
{
	struct cs_session got = {.id = ""};

	if (out == NULL)
		call_fail(c, CS_STATUS_ARGUMENT, "out", "out is NULL");
	call_run(c);
	take_fields(c, session_fields, &got);
	check_session(c, &got);
	if (call_end(c) == CS_STATUS_OK)
		*out = got;
	return c->status;
}

/* A sign-in that was begun twice leaves one that nobody uses and that expires: asking again is harmless. */
CS_PUBLIC enum cs_status
cs_session_begin(struct cs *handle, const char *provider, const char *return_url, struct cs_sign_in *out,
    struct cs_error *error)
{
	struct cs_sign_in got = {.id = ""};
	struct call c;

	call_begin(&c, handle, "org.countersign.Sessions.Begin", CALL_REPEAT, error);
	put_text(&c, "provider", provider, CS_WORD_MAX, PUT_REQUIRED);
	put_text(&c, "return_url", return_url, CS_URL_MAX, PUT_OPTIONAL);
	if (out == NULL)
		call_fail(&c, CS_STATUS_ARGUMENT, "out", "out is NULL");
	call_run(&c);
	take_fields(&c, sign_in_fields, &got);
	if (call_end(&c) == CS_STATUS_OK)
		*out = got;
	return c.status;
}

CS_PUBLIC enum cs_status
cs_session_open(struct cs *handle, const char *sign_in, const char *id_token, const char *code,
    struct cs_session *out, struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Sessions.Open", CALL_ONCE, error);
	put_id(&c, "sign_in", sign_in, PUT_REQUIRED);
	put_text(&c, "id_token", id_token, CS_TOKEN_MAX, PUT_OPTIONAL);
	put_text(&c, "code", code, CS_TOKEN_MAX, PUT_OPTIONAL);
	if ((id_token == NULL) == (code == NULL))
		call_fail(&c, CS_STATUS_ARGUMENT, "id_token", "give exactly one of id_token and code");
	return end_with_session(&c, out);
}

CS_PUBLIC enum cs_status
cs_session_take(struct cs *handle, const char *sign_in, struct cs_session *out, struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Sessions.Take", CALL_ONCE, error);
	put_id(&c, "sign_in", sign_in, PUT_REQUIRED);
	return end_with_session(&c, out);
}

CS_PUBLIC enum cs_status
cs_session_close(struct cs *handle, const char *session, struct cs_error *error)
{
	struct call c;

	call_begin(&c, handle, "org.countersign.Sessions.Close", CALL_ONCE, error);
	put_id(&c, "session", session, PUT_REQUIRED);
	call_run(&c);
	return call_end(&c);
}
