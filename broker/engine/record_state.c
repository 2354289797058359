/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's own record as a value: its encoding, what its events do to it, and what decisions see of it. */
#include "broker/engine/record_state.h"

#include <string.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/engine/keyring.h"

/* 2: streams of services. 3: the pin before a re-key, and the window in which links may be moved. */
enum { RECORD_VERSION_STREAMS = 2, RECORD_VERSION_REKEYS, RECORD_VERSION = RECORD_VERSION_REKEYS };

struct record_entry *
record_entry_of(const struct record_state *s, uint64_t tag)
{
	for (uint16_t i = 0; i < s->n; i++) {
		if (s->entries[i].tag == tag)
			return (struct record_entry *)&s->entries[i];
	}
	return NULL;
}

struct record_receiver *
record_receiver_of(const struct record_state *s, uint64_t service)
{
	for (uint16_t i = 0; i < s->receivers_n; i++) {
		if (s->receivers[i].service == service)
			return (struct record_receiver *)&s->receivers[i];
	}
	return NULL;
}

static void
receivers_encode(const struct record_state *s, struct buf *out)
{
	buf_put_var(out, s->receivers_n);
	for (uint16_t i = 0; i < s->receivers_n; i++) {
		const struct record_receiver *r = &s->receivers[i];

		buf_put_u64(out, r->service);
		buf_put(out, r->id.b, sizeof(r->id.b));
		buf_put_u8(out, r->method);
		buf_put_u8(out, r->status);
		buf_put_var(out, r->position);
	}
}

static bool
receivers_decode(struct cursor *c, struct record_state *s)
{
	uint64_t n = cursor_var(c);

	if (n > RECORD_RECEIVERS_MAX)
		return false;
	for (s->receivers_n = 0; s->receivers_n < n; s->receivers_n++) {
		struct record_receiver *r = &s->receivers[s->receivers_n];

		r->service = cursor_u64(c);
		cursor_get(c, r->id.b, sizeof(r->id.b));
		r->method = cursor_u8(c);
		r->status = cursor_u8(c);
		r->position = cursor_var(c);
		if (r->method < RECEIVER_PUSH || r->method > RECEIVER_POLL || r->status < RECEIVER_ENABLED ||
		    r->status > RECEIVER_DISABLED)
			return false;
	}
	return !c->bad;
}

void
record_state_encode(const struct record_state *s, struct buf *out)
{
	buf_put_u8(out, RECORD_VERSION);
	buf_put(out, s->chain.b, sizeof(s->chain.b));
	buf_put_svar(out, s->time_ms);
	buf_put_var(out, s->n);
	for (uint16_t i = 0; i < s->n; i++) {
		const struct record_entry *e = &s->entries[i];

		buf_put_u64(out, e->tag);
		buf_put(out, e->pin.b, sizeof(e->pin.b));
		buf_put_u8(out, e->frozen);
		buf_put_svar(out, e->since_ms);
		buf_put_svar(out, e->sessions_since_ms);
		buf_put(out, e->was_pin.b, sizeof(e->was_pin.b));
		buf_put_svar(out, e->rekey_until_ms);
		buf_put_u8(out, e->limits_n);
		for (uint8_t k = 0; k < e->limits_n; k++) {
			const struct policy_limit *l = &e->limits[k];
			const int64_t v[6] = {l->currency, l->per_payment_minor, l->per_day_minor, l->per_month_minor,
			    l->count_day, l->count_month};

			for (int j = 0; j < 6; j++)
				buf_put_svar(out, v[j]);
		}
	}
	receivers_encode(s, out);
}

enum cs_err
record_state_decode(struct view bytes, struct record_state *s)
{
	struct cursor c = cursor_over(bytes.data, bytes.len);
	uint8_t version = cursor_u8(&c);

	*s = (struct record_state){0};
	if (bytes.len == 0)
		return CS_OK;
	if (version < 1 || version > RECORD_VERSION)
		return version > RECORD_VERSION ? CS_ERR_VERSION : CS_ERR_CORRUPT;
	cursor_get(&c, s->chain.b, sizeof(s->chain.b));
	s->time_ms = cursor_svar(&c);
	uint64_t n = cursor_var(&c);
	if (n > sizeof(s->entries) / sizeof(s->entries[0]))
		return CS_ERR_CORRUPT;
	for (s->n = 0; s->n < n && !c.bad; s->n++) {
		struct record_entry *e = &s->entries[s->n];

		e->tag = cursor_u64(&c);
		cursor_get(&c, e->pin.b, sizeof(e->pin.b));
		e->frozen = cursor_u8(&c);
		e->since_ms = cursor_svar(&c);
		e->sessions_since_ms = cursor_svar(&c);
		if (version >= RECORD_VERSION_REKEYS) {
			cursor_get(&c, e->was_pin.b, sizeof(e->was_pin.b));
			e->rekey_until_ms = cursor_svar(&c);
		}
		uint8_t limits = cursor_u8(&c);
		if (limits > POLICY_LIMITS_MAX || e->frozen > 1)
			return CS_ERR_CORRUPT;
		for (e->limits_n = 0; e->limits_n < limits; e->limits_n++) {
			struct policy_limit *l = &e->limits[e->limits_n];

			l->currency = (uint16_t)cursor_svar(&c);
			l->per_payment_minor = cursor_svar(&c);
			l->per_day_minor = cursor_svar(&c);
			l->per_month_minor = cursor_svar(&c);
			l->count_day = cursor_svar(&c);
			l->count_month = cursor_svar(&c);
		}
	}
	if (!c.bad && version >= RECORD_VERSION_STREAMS && !receivers_decode(&c, s))
		return CS_ERR_CORRUPT;
	return c.bad || cursor_left(&c) != 0 ? CS_ERR_CORRUPT : CS_OK;
}

static bool
set_limit(struct record_entry *e, const struct event *ev)
{
	struct policy_limit to = {(uint16_t)ev->currency, ev->per_payment_minor - 1, ev->per_day_minor - 1,
	    ev->per_month_minor - 1, ev->count_day - 1, ev->count_month - 1};

	for (uint8_t i = 0; i < e->limits_n; i++) {
		if (e->limits[i].currency == to.currency) {
			e->limits[i] = to;
			return true;
		}
	}
	if (e->limits_n == POLICY_LIMITS_MAX)
		return false;
	e->limits[e->limits_n++] = to;
	return true;
}

/* A stream is made, changed or ended, or all before a place in the log was delivered. */
static bool
receiver_apply(struct record_state *s, const struct event *ev)
{
	struct record_receiver *r = record_receiver_of(s, ev->service);

	if (ev->type == EVENT_RECEIVER_SET) {
		if (ev->no < RECEIVER_PUSH || ev->no > RECEIVER_POLL || ev->target_no < RECEIVER_ENABLED ||
		    ev->target_no > RECEIVER_DISABLED || ev->count < 0 || (r == NULL && s->receivers_n == RECORD_RECEIVERS_MAX))
			return false;
		if (r == NULL)
			r = &s->receivers[s->receivers_n++];
		*r = (struct record_receiver){ev->service, ev->id, (uint8_t)ev->no, (uint8_t)ev->target_no, (uint64_t)ev->count};
		return true;
	}
	if (ev->count < 0)
		return false;
	/* A log that was cut off at its front may tell of a stream that it did not tell the making of. */
	if (r == NULL)
		return true;
	if (ev->type == EVENT_RECEIVER_SENT)
		r->position = (uint64_t)ev->count;
	else
		*r = s->receivers[--s->receivers_n];
	return true;
}

bool
record_state_apply(struct record_state *s, const struct event *ev)
{
	struct record_entry *e = record_entry_of(s, ev->provider);
	bool about = ev->type == EVENT_PROVIDER_PINNED || ev->type == EVENT_PROVIDER_FROZEN ||
	    ev->type == EVENT_PROVIDER_THAWED || ev->type == EVENT_PROVIDER_LIMIT || ev->type == EVENT_BROKER_FROZEN ||
	    ev->type == EVENT_BROKER_THAWED || ev->type == EVENT_PROVIDER_REKEYED || ev->type == EVENT_PROVIDER_WINDOW;

	s->time_ms = ev->time_ms;
	if (ev->type == EVENT_RECEIVER_SET || ev->type == EVENT_RECEIVER_SENT || ev->type == EVENT_RECEIVER_ENDED)
		return receiver_apply(s, ev);
	if (!about)
		return true;
	if (e == NULL) {
		if (s->n == sizeof(s->entries) / sizeof(s->entries[0]))
			return false;
		e = &s->entries[s->n++];
		*e = (struct record_entry){.tag = ev->provider};
	}
	switch (ev->type) {
	case EVENT_PROVIDER_PINNED:
		e->pin = ev->id;
		return true;
	case EVENT_PROVIDER_REKEYED:
		/* What was signed in, and what was to be moved, was so at another provider. */
		e->was_pin = (ev->flags & EVENT_FLAG_UNDONE) != 0 ? (struct id){{0}} : e->pin;
		e->pin = ev->id;
		e->sessions_since_ms = ev->time_ms;
		e->rekey_until_ms = 0;
		return true;
	case EVENT_PROVIDER_WINDOW:
		e->rekey_until_ms = ev->expires_ms;
		return true;
	case EVENT_PROVIDER_FROZEN:
	case EVENT_BROKER_FROZEN:
		e->frozen = 1;
		e->since_ms = e->sessions_since_ms = ev->time_ms;
		return true;
	case EVENT_PROVIDER_THAWED:
	case EVENT_BROKER_THAWED:
		e->frozen = 0;
		return true;
	default:
		return set_limit(e, ev);
	}
}

void
record_state_publish(const struct record_state *s, uint64_t revision, const struct policy *p, const struct id *pins,
    struct broker_state *b)
{
	const struct record_entry *self = record_entry_of(s, 0);

	b->revision = revision;
	b->frozen = self != NULL && self->frozen;
	b->providers_n = 0;
	for (uint16_t i = 0; i < p->providers_n; i++) {
		const struct record_entry *en = record_entry_of(s, p->providers[i].tag);
		struct broker_provider *to = &b->providers[b->providers_n++];

		*to = (struct broker_provider){.tag = p->providers[i].tag, .enabled = true, .fresh = true,
		    .pinned = en != NULL && id_equal(&en->pin, &pins[i]), .frozen = en == NULL || en->frozen};
		if (en == NULL)
			continue;
		to->sessions_since_ms = en->sessions_since_ms;
		to->rekey_until_ms = en->rekey_until_ms;
		to->limits_n = en->limits_n;
		memcpy(to->limits, en->limits, sizeof(to->limits));
	}
}

/* Keys of plugins that say whom an assertion may come from, and where its keys are. */
static bool
names_issuer(const char *key)
{
	static const char *const names[] = {"issuer", "issuer-alias", "authority", "tenant", "jwks-uri", "token-endpoint", "api-url",
		"gateway-url"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return false;
}

/* A digest of what makes a provider the one that it is: its plugin, its issuer and its aliases, its client ids. */
static struct id
pin_of(const struct config *c, uint16_t index)
{
	const struct config_provider *p = &c->providers[index];
	struct bytes text;
	struct hash h;
	struct id id;

	bytes_init(&text, 64 * 1024);
	buf_put_lv(&text.buf, view_str(p->plugin));
	for (uint16_t i = 0; i < p->setting_count; i++) {
		if (!names_issuer(p->settings[i].name))
			continue;
		buf_put_lv(&text.buf, view_str(p->settings[i].name));
		for (uint16_t k = 0; k < p->settings[i].value_count; k++)
			buf_put_lv(&text.buf, view_str(p->settings[i].values[k]));
	}
	for (uint16_t i = 0; i < c->service_count; i++) {
		for (uint16_t k = 0; k < c->services[i].client_count; k++) {
			if (c->services[i].clients[k].provider_index == index) {
				buf_put_lv(&text.buf, view_str(c->services[i].name));
				buf_put_lv(&text.buf, view_str(c->services[i].clients[k].id));
			}
		}
	}
	sha256(buf_view(&text.buf), &h);
	memcpy(id.b, h.b, sizeof(id.b));
	bytes_clear(&text);
	return id;
}

void
record_pins(const struct config *c, struct id pins[POLICY_PROVIDERS_MAX])
{
	for (uint16_t i = 0; i < c->provider_count; i++)
		pins[i] = pin_of(c, i);
}
