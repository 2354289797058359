/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security events of a configured provider: the operations signal, poll and stream, ready to be put into a plugin's table of
 * operations. The instance is a struct oidc, and what the provider's messages look like is settings.kind->signals.
 */
#ifndef CS_PLUGIN_LIB_SIGNALS_H
#define CS_PLUGIN_LIB_SIGNALS_H

#include "plugins/lib/oidc.h"
#include "plugins/lib/set.h"

enum {
	SIGNALS_AUDIENCES_MAX = 8,
	SIGNALS_EVENTS_MAX = 24,     /* that may be asked for by name */
	SIGNALS_SECRET_MAX = 4096,   /* the host's bound of a secret's file */
	SIGNALS_ISSUER_SPELLINGS = OIDC_ALIASES_MAX + 2,
};

struct ssf_metadata;
struct signing_key;

struct signals {
	struct oidc *provider;          /* whose links the events are about */
	struct oidc source;             /* whose messages they are: its issuer, algorithms, and keys of its own */
	enum set_format format;
	bool separate;                  /* the transmitter has an issuer of its own, and metadata that say where its keys are */
	char issuer_slash[OIDC_TEXT_MAX + 2]; /* Google: the spelling with a slash at its end */
	struct countersign_view issuers[SIGNALS_ISSUER_SPELLINGS];          /* of messages */
	size_t issuers_count;
	struct countersign_view subject_issuers[SIGNALS_ISSUER_SPELLINGS];
	size_t subject_issuers_count;
	struct countersign_view audiences[SIGNALS_AUDIENCES_MAX];  /* besides the client ids */
	size_t audiences_count;
	int64_t age_max_s;
	char authorization[OIDC_SECRET_MAX];  /* what pushes must show; empty: nothing */
	size_t authorization_len;

	/* of the stream */
	struct ssf_metadata *metadata;  /* NULL before the first fetch */
	int64_t fetched_boot_ms;
	int64_t failed_boot_ms;         /* when keys could last not be learned; 0: they could */
	struct countersign_view events[SIGNALS_EVENTS_MAX]; /* asked for; none: a list of our own */
	size_t events_count;
	struct countersign_view stream_id;    /* absent: the one that there is */
	char token[SIGNALS_SECRET_MAX];       /* a bearer token, given or fetched */
	size_t token_len;
	bool token_fetched;
	int64_t token_until_ms;               /* of one that was fetched */
	char poll_endpoint[OIDC_URL_MAX];     /* empty: not known */
	int64_t poll_endpoint_boot_ms;
	struct signing_key *service_key;      /* Google */
	char service_email[OIDC_TEXT_MAX + 1], service_kid[OIDC_TEXT_MAX + 1];
};

/* Reads the keys of signal_keys.h, as far as the plugin's table has them. NULL, or a sentence that says what is wrong. */
const char *signals_open(struct oidc *o);
void signals_close(struct oidc *o);

/* Members of struct countersign_provider_v1. */
int signals_signal(void *instance, const struct countersign_signal *in, struct countersign_signal_answer *out);
int signals_poll(void *instance, const struct countersign_poll *in, struct countersign_poll_answer *out);
int signals_stream(void *instance, const struct countersign_stream *in, struct countersign_stream_answer *out);

/* Header Authorization for the stream's management, wiped by the caller. */
int signals_authorization(struct signals *s, int64_t now_ms, struct countersign_buffer *to);

/* The events that a stream is asked for: those that the configuration names, else the usual ones of its kind, NULL behind the last. */
json_t *signals_events_wanted(const struct signals *s, const char *const *usual);

#endif
