/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons, and what may be written in the configuration. */
#include "plugins/webauthn/policy.h"

const char *
refusal_text(enum refusal r)
{
	static const char *const texts[REFUSAL__COUNT] = {
#define X(name, text) [REFUSED_##name] = (text),
	    REFUSALS(X)
#undef X
	};

	return r < REFUSAL__COUNT ? texts[r] : "?";
}

bool
view_is_view(struct countersign_view a, struct countersign_view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
view_is_str(struct countersign_view a, const char *b)
{
	return view_is_view(a, countersign_view_of(b));
}

static bool
starts(struct countersign_view v, const char *with, struct countersign_view *rest)
{
	size_t n = strlen(with);

	if (v.len < n || memcmp(v.data, with, n) != 0)
		return false;
	*rest = (struct countersign_view){v.data + n, v.len - n};
	return true;
}

bool
policy_rp_id_good(struct countersign_view v)
{
	if (v.len == 0 || v.len > RP_ID_MAX || v.data[0] == '.' || v.data[v.len - 1] == '.')
		return false;
	for (size_t i = 0; i < v.len; i++) {
		char c = v.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.')
			return false;
	}
	return true;
}

/* 1 to 65535 without leading zero, and not the one that browsers leave out. */
static bool
port_good(struct countersign_view v, unsigned left_out)
{
	unsigned n = 0;

	if (v.len == 0 || v.len > 5 || v.data[0] == '0')
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] < '0' || v.data[i] > '9')
			return false;
		n = n * 10 + (unsigned)(v.data[i] - '0');
	}
	return n <= 65535 && n != left_out;
}

static bool
split_origin(struct countersign_view origin, struct countersign_view *host)
{
	struct countersign_view rest;
	bool secure = starts(origin, "https://", &rest);
	const char *colon;

	if ((!secure && !starts(origin, "http://", &rest)) || origin.len > ORIGIN_MAX ||
	    rest.len == 0)
		return false;
	*host = rest;
	colon = memchr(rest.data, ':', rest.len);
	if (colon != NULL) {
		size_t at = (size_t)(colon - rest.data);

		if (!port_good(
			(struct countersign_view){colon + 1, rest.len - at - 1}, secure ? 443 : 80))
			return false;
		host->len = at;
	}
	/* Browsers have passkeys on secure origins alone, and on this machine itself. */
	return policy_rp_id_good(*host) && (secure || view_is_str(*host, "localhost"));
}

bool
policy_origin_good(struct countersign_view origin)
{
	struct countersign_view host;

	return split_origin(origin, &host);
}

bool
policy_origin_fits(struct countersign_view origin, struct countersign_view rp_id)
{
	struct countersign_view host;

	if (!split_origin(origin, &host) || host.len < rp_id.len)
		return false;
	if (host.len > rp_id.len && host.data[host.len - rp_id.len - 1] != '.')
		return false;
	return memcmp(host.data + host.len - rp_id.len, rp_id.data, rp_id.len) == 0;
}
