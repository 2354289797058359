/* SPDX-License-Identifier: Apache-2.0 */
/* The table of begun sign-ins. */
#include "broker/engine/signin.h"

#include <stdlib.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"

enum {
	SIGNIN_BUCKETS = 4096,
	SWEEP_MS = 10000,          /* boot clock; those that are over take no harm meanwhile: nobody finds them */
	CHECKING_SWEEPS_MAX = 60,  /* ten minutes of ticks: no worker may owe an answer for as long as this */
};

struct signins {
	struct signin *buckets[SIGNIN_BUCKETS];
	struct signin *by_start[SIGNIN_BUCKETS];
	struct signin *by_state[SIGNIN_BUCKETS];
	size_t n;
	int64_t swept_ms;
};

static struct signin **
bucket_of(struct signins *all, const struct id *id)
{
	return &all->buckets[(size_t)(id->b[0] | id->b[1] << 8) % SIGNIN_BUCKETS];
}

static struct signin **
start_bucket(struct signins *all, const uint8_t token[16])
{
	return &all->by_start[(size_t)(token[0] | token[1] << 8) % SIGNIN_BUCKETS];
}

/* Two characters of base64url carry twelve random bits. */
static struct signin **
state_bucket(struct signins *all, const char *text)
{
	return &all->by_state[((size_t)(uint8_t)text[0] * 67 + (uint8_t)text[1]) % SIGNIN_BUCKETS];
}

struct signins *
signins_new(void)
{
	struct signins *all = calloc(1, sizeof(*all));

	CHECK(all != NULL);
	return all;
}

static void
free_one(struct signins *all, struct signin **at)
{
	struct signin *s = *at;

	*at = s->next;
	for (at = start_bucket(all, s->start_token); *at != s; at = &(*at)->start_next)
		;
	*at = s->start_next;
	for (at = state_bucket(all, s->oauth_state); *at != s; at = &(*at)->state_next)
		;
	*at = s->state_next;
	all->n--;
	secret_wipe(s, sizeof(*s));
	free(s);
}

void
signins_free(struct signins *all)
{
	for (size_t i = 0; i < SIGNIN_BUCKETS; i++) {
		while (all->buckets[i] != NULL)
			free_one(all, &all->buckets[i]);
	}
	free(all);
}

/*
 * One that is being checked is ended by the answer, and until then somebody looks into it. Should the answer never come,
 * for the account cannot be loaded, it goes all the same; but after many ticks and not by any clock, which may jump over
 * what is under way.
 */
static bool
over(struct signin *s, int64_t now_ms, bool tick)
{
	if (s->expires_ms > now_ms)
		return false;
	return s->state != SIGNIN_CHECKING || (tick && ++s->swept > CHECKING_SWEEPS_MAX);
}

static void
sweep(struct signins *all, int64_t now_ms, bool tick)
{
	for (size_t i = 0; i < SIGNIN_BUCKETS; i++) {
		for (struct signin **at = &all->buckets[i]; *at != NULL;) {
			if (over(*at, now_ms, tick))
				free_one(all, at);
			else
				at = &(*at)->next;
		}
	}
}

void
signins_tick(struct engine *e)
{
	struct signins *all = e->signins;

	if (all->n == 0 || e->now.boot_ms - all->swept_ms < SWEEP_MS)
		return;
	all->swept_ms = e->now.boot_ms;
	sweep(all, e->now.wall_ms, true);
}

/* 256 random bits as text: more than the 128 that RFC 9700 asks for, and a valid PKCE verifier (RFC 7636, 4.1). */
static void
random_text(char to[SIGNIN_SECRET_TEXT + 1])
{
	uint8_t bytes[32];

	secret_random(bytes, sizeof(bytes));
	to[base64url_encode(bytes, sizeof(bytes), to)] = '\0';
	secret_wipe(bytes, sizeof(bytes));
}

struct signin *
signin_begin(struct engine *e)
{
	struct signins *all = e->signins;
	struct signin *s, **at;

	if (all->n >= SIGNINS_MAX)
		sweep(all, e->now.wall_ms, false);
	if (all->n >= SIGNINS_MAX)
		return NULL;
	s = calloc(1, sizeof(*s));
	CHECK(s != NULL);
	secret_random(s->id.b, sizeof(s->id.b));
	secret_random(s->start_token, sizeof(s->start_token));
	random_text(s->nonce);
	random_text(s->verifier);
	random_text(s->oauth_state);
	s->expires_ms = e->now.wall_ms + SIGNIN_MS;
	at = bucket_of(all, &s->id);
	s->next = *at;
	*at = s;
	at = start_bucket(all, s->start_token);
	s->start_next = *at;
	*at = s;
	at = state_bucket(all, s->oauth_state);
	s->state_next = *at;
	*at = s;
	all->n++;
	return s;
}

static bool
alive(struct engine *e, const struct signin *s)
{
	return s->expires_ms > e->now.wall_ms;
}

struct signin *
signin_find(struct engine *e, const struct id *id)
{
	for (struct signin *s = *bucket_of(e->signins, id); s != NULL; s = s->next) {
		if (secret_equal(s->id.b, id->b, sizeof(id->b)))
			return alive(e, s) ? s : NULL;
	}
	return NULL;
}

struct signin *
signin_by_start(struct engine *e, const uint8_t token[16])
{
	for (struct signin *s = *start_bucket(e->signins, token); s != NULL; s = s->start_next) {
		if (secret_equal(s->start_token, token, sizeof(s->start_token)))
			return alive(e, s) && s->state == SIGNIN_BEGUN && !s->native ? s : NULL;
	}
	return NULL;
}

struct signin *
signin_by_state(struct engine *e, struct view oauth_state)
{
	if (oauth_state.len != SIGNIN_SECRET_TEXT)
		return NULL;
	for (struct signin *s = *state_bucket(e->signins, oauth_state.data); s != NULL; s = s->state_next) {
		if (secret_equal(s->oauth_state, oauth_state.data, SIGNIN_SECRET_TEXT))
			return alive(e, s) && s->state == SIGNIN_STARTED ? s : NULL;
	}
	return NULL;
}

void
signin_end(struct engine *e, struct signin *s)
{
	struct signin **at = bucket_of(e->signins, &s->id);

	while (*at != s)
		at = &(*at)->next;
	free_one(e->signins, at);
}

static void
home_stands(struct call *call, void *signin)
{
	struct signin *s = signin;

	(void)call;
	s->state = s->home;
}

void
signin_comes_home(struct call *call, struct signin *s, enum signin_state state)
{
	s->home = (uint8_t)state;
	call_after(call, home_stands, s);
}

static void
answer_stands(struct call *call, void *signin)
{
	signin_end(call->engine, signin);
}

void
signin_ends(struct call *call, struct signin *s)
{
	call_after(call, answer_stands, s);
}
