/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups: who is this ID, and which IDs has this account? */
#include "broker/client/fields.h"

static const struct take_field link_fields[] = {
	TAKE_TEXT_AT("link", true, struct cs_link, id),
	TAKE_TEXT_AT("account", true, struct cs_link, account),
	TAKE_TEXT_AT("provider", true, struct cs_link, provider),
	TAKE_TEXT_AT("state", true, struct cs_link, state),
	TAKE_TEXT_AT("since", true, struct cs_link, since),
	TAKE_END,
};

static const struct take_field entry_fields[] = {
	{"entry", TAKE_OBJECT, true, 0, 0, 0, 0, link_fields, NULL},
	TAKE_END,
};

static const struct take_field account_fields[] = {
	TAKE_TEXT_AT("account", true, struct cs_account, id),
	TAKE_TEXT_AT("state", true, struct cs_account, state),
	TAKE_OBJECTS_AT("entries", true, struct cs_account, links, CS_LINKS_MAX, link_count, link_fields),
	TAKE_END,
};

CS_PUBLIC enum cs_status
cs_lookup_subject(struct cs *handle, const char *provider, const char *issuer, const char *subject,
    struct cs_link *out, struct cs_error *error)
{
	struct cs_link got = {.id = ""};
	struct call c;

	call_begin(&c, handle, "org.countersign.Lookup.BySubject", CALL_REPEAT, error);
	put_text(&c, "provider", provider, CS_WORD_MAX, PUT_REQUIRED);
	put_text(&c, "issuer", issuer, CS_TEXT_MAX, PUT_OPTIONAL);
	put_text(&c, "subject", subject, CS_TEXT_MAX, PUT_REQUIRED);
	if (out == NULL)
		call_fail(&c, CS_STATUS_ARGUMENT, "out", "out is NULL");
	call_run(&c);
	take_fields(&c, entry_fields, &got);
	if (call_end(&c) == CS_STATUS_OK)
		*out = got;
	return c.status;
}

CS_PUBLIC enum cs_status
cs_lookup_account(struct cs *handle, const char *account, struct cs_account *out, struct cs_error *error)
{
	struct cs_account got = {.link_count = 0};
	struct call c;

	call_begin(&c, handle, "org.countersign.Lookup.ByAccount", CALL_REPEAT, error);
	put_id(&c, "account", account, PUT_REQUIRED);
	if (out == NULL)
		call_fail(&c, CS_STATUS_ARGUMENT, "out", "out is NULL");
	call_run(&c);
	take_fields(&c, account_fields, &got);
	if (call_end(&c) == CS_STATUS_OK)
		*out = got;
	return c.status;
}
