/* SPDX-License-Identifier: Apache-2.0 */
/* Words of what a factor rests on, to tags. */
#include "broker/engine/rests.h"

#include "broker/engine/keyring.h"

enum {
	DOMAIN_MAX = 253,
	LABELS_MAX = 127,
	PHONE_PREFIX_MAX = 4,   /* digits: what profiles name are countries and operators */
	PHONE_MAX = 15,         /* E.164 */
	DOMAINS_MAX = 4,        /* a domain and its parents that are kept */
};

static bool
put(struct rests *r, const char *what, const char *value, size_t len)
{
	char word[16 + DOMAIN_MAX];
	struct buf b = buf_over(word, sizeof(word));

	if (r->n == FACTOR_RESTS_MAX)
		return false;
	buf_put(&b, what, strlen(what));
	for (size_t i = 0; i < len; i++)
		buf_put_u8(&b, value[i] >= 'A' && value[i] <= 'Z' ? (uint8_t)(value[i] - 'A' + 'a') : (uint8_t)value[i]);
	r->of[r->n++] = name_tag(buf_view(&b));
	return !b.full;
}

/* Itself, then its parents from the shortest with two labels on: who controls icloud.com controls what is under it. */
static bool
domain(struct rests *r, struct view v)
{
	size_t starts[LABELS_MAX], n = 1, kept = 1;

	if (v.len == 0 || v.len > DOMAIN_MAX || v.data[0] == '.' || v.data[v.len - 1] == '.')
		return false;
	starts[0] = 0;
	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] == '.' && (n == LABELS_MAX || v.data[i + 1] == '.'))
			return false;
		if (v.data[i] == '.')
			starts[n++] = i + 1;
	}
	if (n < 2 || !put(r, "mail-domain:", v.data, v.len))
		return false;
	for (size_t i = n - 2; i > 0 && kept < DOMAINS_MAX; i--, kept++) {
		if (!put(r, "mail-domain:", v.data + starts[i], v.len - starts[i]))
			return false;
	}
	return true;
}

static bool
phone(struct rests *r, struct view v)
{
	if (v.len < 2 || v.len > 1 + PHONE_MAX || v.data[0] != '+')
		return false;
	for (size_t i = 1; i < v.len; i++) {
		if (v.data[i] < '0' || v.data[i] > '9')
			return false;
	}
	for (size_t n = 1; n <= PHONE_PREFIX_MAX && n < v.len; n++) {
		if (!put(r, "phone:", v.data, 1 + n))
			return false;
	}
	return true;
}

static bool
aaguid(struct rests *r, struct view v)
{
	if (v.len != 36)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		char c = v.data[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return put(r, "aaguid:", v.data, v.len);
}

static bool
copies(struct rests *r, enum copies what)
{
	bool first = r->copies == COPIES_UNKNOWN || r->copies == what;

	r->copies = (uint8_t)what;
	return first;
}

static bool
word(struct rests *r, struct view v)
{
	static const struct {
		struct view name;
		bool (*read)(struct rests *r, struct view value);
	} words[] = {
		{VIEW("mail-domain:"), domain},
		{VIEW("phone:"), phone},
		{VIEW("aaguid:"), aaguid},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = words[i].name.len;

		if (v.len >= n && memcmp(v.data, words[i].name.data, n) == 0)
			return words[i].read(r, view_of(v.data + n, v.len - n));
	}
	if (view_equal(v, VIEW("copies:none")))
		return copies(r, COPIES_NONE);
	if (view_equal(v, VIEW("copies:possible")))
		return copies(r, COPIES_POSSIBLE);
	if (view_equal(v, VIEW("attested:yes")))
		return r->attested = true;
	/* It says nothing that a provider could control. */
	return view_equal(v, VIEW("device:yes"));
}

bool
rests_read(const struct json *doc, uint32_t array, struct rests *out)
{
	struct rests r = {.n = 0};
	uint32_t at = array == 0 ? 0 : json_first(doc, array), n = array == 0 ? 0 : json_token_at(doc, array)->count;

	for (uint32_t i = 0; i < n; i++, at = json_next(doc, at)) {
		if (json_type(doc, at) != JSON_STRING || !word(&r, json_text(doc, at)))
			return false;
	}
	*out = r;
	return true;
}
