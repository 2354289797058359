/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of WeChat's servers. */
#include "plugins/wechat/answer.h"

#include "plugins/lib/encoding.h"

/* What is not here is a mistake of the configuration, or of theirs. */
static const struct {
	int errcode, result;
} errors[] = {
	{-1, COUNTERSIGN_UNREACHABLE},    /* the system is busy */
	{40029, COUNTERSIGN_BAD_CODE},    /* no such code, or another app's */
	{40163, COUNTERSIGN_BAD_CODE},    /* used */
	{41008, COUNTERSIGN_BAD_CODE},    /* none */
	{42003, COUNTERSIGN_BAD_CODE},    /* old */
	{45009, COUNTERSIGN_UNREACHABLE}, /* too many calls today */
	{45011, COUNTERSIGN_UNREACHABLE}, /* or in this minute */
};

static int
judge_error(const json_t *document, int64_t *errcode)
{
	const json_t *v = json_object_get(document, "errcode");

	if (v == NULL)
		return COUNTERSIGN_OK;
	if (!json_is_integer(v))
		return COUNTERSIGN_PROVIDER_ERROR;
	*errcode = json_integer_value(v);
	if (*errcode == 0)
		return COUNTERSIGN_OK;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].errcode == *errcode)
			return errors[i].result;
	return COUNTERSIGN_PROVIDER_ERROR;
}

/* An id becomes part of an issuer and the key of a link: nothing but what theirs are made of. */
static bool
is_id(struct countersign_view id)
{
	if (id.len == 0 || id.len > WECHAT_ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!((id.data[i] >= 'a' && id.data[i] <= 'z') || (id.data[i] >= 'A' && id.data[i] <= 'Z') ||
			(id.data[i] >= '0' && id.data[i] <= '9') || id.data[i] == '-' || id.data[i] == '_'))
			return false;
	return true;
}

int
answer_read(struct countersign_view text, struct wechat_answer *to)
{
	int rc;

	memset(to, 0, sizeof(*to));
	to->document = json_read_object(text.data, text.len);
	if (to->document == NULL)
		return COUNTERSIGN_PROVIDER_ERROR;
	rc = judge_error(to->document, &to->errcode);
	if (rc != COUNTERSIGN_OK)
		return rc;
	to->openid = json_member_text(to->document, "openid");
	to->unionid = json_member_text(to->document, "unionid");
	to->access_token = json_member_text(to->document, "access_token");
	to->nickname = json_member_text(to->document, "nickname");
	/* A unionid of another type, or empty, is not an absent one. */
	if (!is_id(to->openid) ||
	    (json_object_get(to->document, "unionid") != NULL && !is_id(to->unionid)) ||
	    to->access_token.len > WECHAT_TOKEN_MAX)
		return COUNTERSIGN_PROVIDER_ERROR;
	return COUNTERSIGN_OK;
}

void
answer_clear(struct wechat_answer *a)
{
	json_decref(a->document);
	memset(a, 0, sizeof(*a));
}
