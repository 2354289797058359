/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transmitter of security events and our stream there: discovery, stream management and polling by OpenID Shared Signals
 * Framework 1.0 and RFC 8936, as its receiver.
 */
#ifndef CS_PLUGIN_LIB_SSF_H
#define CS_PLUGIN_LIB_SSF_H

#include "plugins/lib/signals.h"

/* What the transmitter says of itself; empty: it has no such endpoint. */
struct ssf_metadata {
	char jwks_uri[OIDC_URL_MAX];
	char configuration_endpoint[OIDC_URL_MAX], status_endpoint[OIDC_URL_MAX];
	char verification_endpoint[OIDC_URL_MAX];
	json_t *critical;               /* critical_subject_members, or NULL */
};

/*
 * Makes the metadata of the transmitter valid, as old as keys may be at most. UNREACHABLE, PROVIDER_ERROR.
 */
int ssf_need(struct signals *s);
/* The document alone. NULL, or what is wrong; *m is set on success only, and m->critical is to be released. */
const char *ssf_read(struct countersign_view issuer, const json_t *document, struct ssf_metadata *m);

/*
 * One exchange with the stream's management: method and, where it is not NULL, a JSON body (released). A list becomes the
 * member `list` of *answer; what is no JSON is *answer = NULL. Not 2xx is logged, and PROVIDER_ERROR, UNREACHABLE or (401, 403) COUNTERSIGN_BAD_BINDING.
 */
int ssf_ask(struct signals *s, const char *method, const char *url, json_t *body, int64_t now_ms, int *status,
    json_t **answer);
/* What there is to show of a stream: no header, no secret. `stream` and `status` may be NULL. */
int ssf_put_document(struct countersign_view issuer, const json_t *stream, const json_t *status,
    struct countersign_buffer *to);
/* The configuration of our stream, to be released; *stream = NULL: there is none. */
int ssf_find_stream(struct signals *s, int64_t now_ms, json_t **stream);

/* The operations stream and poll, but for `request`. */
int ssf_stream(struct signals *s, const struct countersign_stream *in, struct countersign_stream_answer *out);
int ssf_poll(struct signals *s, const struct countersign_poll *in, struct countersign_poll_answer *out);

#endif
