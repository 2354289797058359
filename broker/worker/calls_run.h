/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of org.countersign.Worker share; private to calls*.c. */
#ifndef CS_WORKER_CALLS_RUN_H
#define CS_WORKER_CALLS_RUN_H

#include "broker/worker/calls.h"
#include "broker/worker/load.h"

enum {
	REQUEST_MAX = 64,	 /* the engine's name of a call */
	TEXT_MAX = 255,		 /* issuer, subject, audience, nonce, display: as the core has it */
	URL_MAX_BYTES = 4096,	 /* an authorization URL; the plugin's own bounds are tighter */
	PLUGIN_SECRET_MAX = 1664, /* bytes that a factor asks the engine to keep: a passkey with the longest id */
	SECRET_TEXT_MAX = (PLUGIN_SECRET_MAX + 2) / 3 * 4,
	STATE_TEXT_MAX = (COUNTERSIGN_STATE_MAX + 2) / 3 * 4,
	CARD_MAX = 4096,	 /* what a user is shown, as JSON */
	MESSAGE_MAX = 1024,	 /* what an owner is told, as JSON */
	LANGUAGE_MAX = 8,
	BEGIN_NUMBER_MAX = 99,	 /* the engine stops long before */
	ANSWER_MAX = 12 * 1024,	 /* a new passkey with the certificates of its maker */
	CHALLENGE_MAX = 128,	 /* bytes that a factor is given to sign */
	TOKEN_MAX = 32 * 1024,	 /* an ID token */
	OUTSIDE_MAX = 128,	 /* ids in a service's words, as the engine has it */
	DOCUMENT_MAX = 8 * 1024, /* a notice */
	SIGNAL_TEXT_MAX = (COUNTERSIGN_SIGNAL_MAX + 2) / 3 * 4,
	HEADER_MAX = 1024,	 /* Authorization of what a provider posts */
	ACKS_MAX = 16,		 /* ids that one poll tells of: several polls' worth */
	SETS_TEXT_MAX = 56 * 1024, /* base64url of one poll: the rest of a message is for ids */
	ACCESS_TOKEN_MAX = 16 * 1024, /* as an HTTP header may be long */
	REQUEST_URL_MAX = 2048,	 /* of the request that a token came with, as the engine takes it */
	PROOF_MAX = 8 * 1024,	 /* a DPoP proof with an RSA key, several times over */
	CERTIFICATE_DIGITS = 64, /* SHA-256 in hex */
	REKEY_PROOF_MAX = 1024,	 /* what an admin was given for a re-key */
	NOW_MAX_MS = INT64_MAX / 2,
	DEADLINE_MAX_MS = 60 * 1000,
	GARBAGE = 255, /* beside enum countersign_result: the answer is none */
};

/* First member of every method's parameters but Describe's. */
struct head {
	int64_t deadline_ms, now_ms;
	struct view request;
};

/* What an operation runs on: the parameters, the message they came in, and where the reply goes. */
struct run {
	struct calls *calls;
	const struct json *doc;
	const void *parameters;
	struct countersign_call call;
	struct json_writer reply;
	struct buf *out;
	char memory[6 + 4 * COUNTERSIGN_SIGNAL_EVENTS][TEXT_MAX]; /* for what the plugin writes */
	char big[COUNTERSIGN_STEPS_MAX * COUNTERSIGN_STEP_VALUE_MAX]; /* of all steps together, or a URL */
};

/* --- parameters --- */

struct authorize_parameters {
	struct head head;
	struct view state, nonce, code_challenge, redirect_uri, client_id;
};

struct identify_parameters {
	struct head head;
	struct view nonce, id_token, code, code_verifier, redirect_uri, iss;
	uint32_t client_ids;
};

struct enrol_parameters {
	struct head head;
	struct view account_hint, issuer, address, language;
};

struct verify_parameters {
	struct head head;
	struct view secret, answer, challenge, operation, state, card;
	int64_t last_step;
};

struct begin_parameters {
	struct head head;
	struct view secret, challenge, operation, card, language, state;
	int64_t number;
};

struct tell_parameters {
	struct head head;
	struct view secret, message, language;
};

struct assess_parameters {
	struct head head;
	struct view service, operation, provider, account, currency, payee, ip, device;
	int64_t amount, digits, factors, account_age_ms, link_age_ms, session_age_ms;
};

struct deliver_parameters {
	struct head head;
	struct view id, document;
};

struct signal_parameters {
	struct head head;
	struct view body, content_type, authorization;
	uint32_t client_ids;
};

struct poll_parameters {
	struct head head;
	uint32_t taken, refused;
};

struct stream_parameters {
	struct head head;
	struct view action, endpoint, state;
};

struct rekey_parameters {
	struct head head;
	struct view issuer, subject, proof, client_id;
};

struct token_parameters {
	struct head head;
	struct view token, scheme, proof, method, url, certificate;
};

#define HEAD(type)                                                                                 \
	{"deadline_ms", JSON_F_INT, true, offsetof(struct type, head.deadline_ms), 1,              \
	    DEADLINE_MAX_MS},                                                                      \
	{"request", JSON_F_ID, true, offsetof(struct type, head.request), 1, REQUEST_MAX}
#define NOW(type) {"now_ms", JSON_F_INT, true, offsetof(struct type, head.now_ms), 1, NOW_MAX_MS}
#define TEXT(type, member, required, max)                                                          \
	{#member, JSON_F_ID, required, offsetof(struct type, member), 1, max}

/* --- what operations use --- */

struct countersign_view run_view(struct view v);
struct countersign_buffer run_text(struct run *r, size_t index);
struct countersign_buffer run_big(struct run *r);
/* Between min bytes and what was given, printable: terminals, pages and logs may show it. */
bool run_is_text(const struct countersign_buffer *b, size_t min, size_t cap);
void run_member(struct run *r, const char *name, const struct countersign_buffer *b);
/* The strings of an array parameter, 1 to max bytes each and at most cap of them; token 0: none. False: it is not such. */
bool run_views(const struct json *doc, uint32_t array, size_t max, struct countersign_view *to, size_t cap, size_t *count);

/* calls_step.c */
/* Gives each step its room. */
void run_steps(struct run *r, struct countersign_step steps[COUNTERSIGN_STEPS_MAX]);
/* At least one that asks, each of them as plugin.h has it; passkey: whether one may be made here. */
bool run_steps_good(const struct countersign_step *steps, size_t n, bool passkey);
/* "steps": [...]. */
void run_put_steps(struct json_writer *w, const struct countersign_step *steps, size_t n);
/* min to max printable lines in at most cap bytes. */
bool run_is_lines(const struct countersign_buffer *b, size_t min, size_t max, size_t cap);
/* The text from *at to the next line feed; moves *at behind it. False: there is none left. */
bool run_next_line(const struct countersign_buffer *b, size_t *at, struct view *line);
/* The lines from number `from` on, as an array. */
void run_put_lines(struct json_writer *w, const char *name, const struct countersign_buffer *b, size_t from);
/* A base64url parameter as bytes in `to`; absent where text is. False: it is none, or too long. */
bool run_bytes(struct view text, uint8_t *to, size_t cap, struct countersign_view *view);
/* At most PLUGIN_SECRET_MAX bytes as base64url; nothing where there are none. */
void run_put_bytes(struct json_writer *w, const char *name, const struct countersign_buffer *b);

/* --- the operations: their fields, and an enum countersign_result or GARBAGE --- */

/* calls_provider.c */
extern const struct json_field authorize_fields[];
int run_authorize(struct run *r);
extern const struct json_field identify_fields[];
int run_identify(struct run *r);
extern const struct json_field rekey_fields[];
int run_rekey(struct run *r);
/* calls_signal.c */
extern const struct json_field signal_fields[];
int run_signal(struct run *r);
extern const struct json_field poll_fields[];
int run_poll(struct run *r);
extern const struct json_field stream_fields[];
int run_stream(struct run *r);
/* calls_token.c */
extern const struct json_field token_fields[];
int run_token(struct run *r);
/* calls_factor.c */
extern const struct json_field enrol_fields[];
int run_enrol(struct run *r);
extern const struct json_field verify_fields[];
int run_verify(struct run *r);
/* calls_prompt.c */
extern const struct json_field begin_fields[];
int run_begin(struct run *r);
extern const struct json_field tell_fields[];
int run_tell(struct run *r);
/* calls_evidence.c */
extern const struct json_field assess_fields[];
int run_assess(struct run *r);
extern const struct json_field deliver_fields[];
int run_deliver(struct run *r);

#endif
