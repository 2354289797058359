/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer, as the handlers see it: without sockets or TLS. A handler either
 * answers at once or asks the engine and answers in the callback; either way it ends with exactly
 * one reply_end().
 */
#ifndef CS_GATEWAY_EXCHANGE_H
#define CS_GATEWAY_EXCHANGE_H

#include "broker/base/json.h"
#include "broker/gateway/engine.h"
#include "broker/gateway/http.h"
#include "broker/gateway/routes.h"
#include "broker/gateway/ssf.h"

struct exchange;

enum {
	EXCHANGE_TEXT_MAX = 1024,  /* decoded path members; ids are at most 128 bytes */
	EXCHANGE_DEPTH_MAX = 8,	   /* of a body: a batch of payments nests six deep */
	KEYS_FRESH_MS = 10 * 1000, /* how old the receipt keys may be that we pass on */
	KEYS_TEXT_MAX = 16 * 1024,
};

/* What all exchanges share. */
struct gateway {
	struct engine *engine;
	enum engine_lane decisions; /* of payments: slow where they may wait for a risk plugin */
	struct view public_url; /* without a slash at its end */
	bool takes_certificates, takes_tokens; /* from services */
	struct view origin;	/* the public URL's: the only one that pages accept */
	/* Of the body at hand, and decoded forms: neither is kept across calls to the engine. */
	struct json_token tokens[JSON_TOKENS_MAX];
	uint8_t scratch[HTTP_BODY_MAX];
	struct ssf_push pushes[SSF_PUSHES_MAX];
	struct {
		int64_t fresh_until_ms;
		size_t len;
		char text[KEYS_TEXT_MAX];
	} keys;
};

typedef void exchange_step(struct exchange *x, const struct engine_answer *answer);

struct exchange {
	struct gateway *gateway;
	const struct http_request
	    *request; /* stays until the answer is written; a JSON body is unescaped in place */
	const struct route *route;
	struct view params[ROUTE_PARAMS_MAX]; /* in the order of the path, decoded */
	struct view
	    certificate; /* 64 hex digits of the verified client certificate; NULL data: none */
	/* The access token that was shown, without its scheme; NULL data: none. */
	struct view token;
	int64_t token_request; /* names this request: its calls may show one proof together */
	bool token_dpop; /* with the scheme DPoP, hence with a proof; else Bearer */
	const char *refused; /* what the answer 401 says of it (RFC 6750, section 3.1), or NULL */
	struct view ip;
	unsigned affinity;
	unsigned status; /* of the answer, for the log */
	struct buf *out;
	bool finished, close; /* close: after this answer */
	bool streaming;	      /* the answer has no end yet: see reply_stream_begin() */

	exchange_step *step;	  /* what to do with the engine's answer */
	struct engine_call *call; /* in flight */
	unsigned detail;	  /* the handler's own */
	unsigned language;	  /* of a page, see page_language() */
	bool language_asked;	  /* by the switch: to be remembered */
	void *state;		  /* the handler's own, freed by state_free */
	void (*state_free)(void *state);

	void (*wake)(struct exchange
		*x);   /* the connection's: an answer came after the handler had returned */
	void (*push)(struct exchange *x); /* the connection's: sends what a stream has written; x may be gone then */
	bool starting; /* the handler has not returned yet */
	size_t text_len;
	char text[EXCHANGE_TEXT_MAX];
};

/* Routes the request and runs its handler. The connection's members are set before. */
void exchange_start(struct exchange *x);
/* The connection is gone: cancels what is in flight and frees the state. Safe to call twice. */
void exchange_clear(struct exchange *x);

/*
 * A call to the engine: begin leaves the writer inside the call's parameters. exchange_send() ends
 * the message; `step` runs with the answer, which may be that there is none. begin: false where the
 * engine takes no call now.
 */
bool exchange_call_begin(
    struct exchange *x, enum engine_lane lane, struct view method, struct json_writer *w);
/*
 * The same for a call of the public interfaces, within Internal.Forward: credentials are added, and
 * the writer is inside the forwarded call's parameters.
 */
bool exchange_forward_begin(
    struct exchange *x, enum engine_lane lane, struct view method, struct json_writer *w);
/* The same for a call with `more`, in the lane for watches. */
bool exchange_watch_begin(struct exchange *x, struct view method, struct json_writer *w);
/* Closes all that begin opened. False: the call was too large and was not made. */
bool exchange_send(struct exchange *x, struct json_writer *w, exchange_step *step);

/* What a call ended as. error is empty for a success; body is the object that came with either, or
 * 0. */
struct exchange_result {
	const struct json
	    *doc; /* NULL: the engine gave no answer, error is org.countersign.Unavailable */
	struct view error;
	uint32_t body;
};

/* Of Forward, whose reply wraps another, and which may say what is wrong with a token; of any other call. */
struct exchange_result forward_result(struct exchange *x, const struct engine_answer *answer);
struct exchange_result call_result(const struct engine_answer *answer);

/* A string member of the object at `object`, NULL data where it is missing or no string. Safe with
 * doc NULL. */
struct view result_str(const struct exchange_result *r, const char *name);
int64_t result_int(const struct exchange_result *r, const char *name, int64_t otherwise);
bool result_bool(const struct exchange_result *r, const char *name);
/* Token of a member of that type, or 0. */
uint32_t result_get(const struct exchange_result *r, const char *name, enum json_type type);

/* Reads the body as one JSON object, with the gateway's tokens. On failure *reason is static text.
 */
bool exchange_json(struct exchange *x, struct json *doc, const char **reason);

/* Writing the answer: head (with X-Request-ID echoed), further headers, body, end. */
void reply_begin(struct exchange *x, unsigned status);
void reply_header(struct exchange *x, struct view name, struct view value);
/* begin, Content-Type, no-store: *mark goes to reply_end(). */
size_t reply_json_begin(struct exchange *x, unsigned status);
void reply_end(struct exchange *x, size_t mark);
/*
 * An answer that goes on until reply_stream_end(), and ends with its connection: head and type, then text as it comes;
 * reply_stream_push() sends it, and x is not to be touched afterwards.
 */
void reply_stream_begin(struct exchange *x, struct view content_type);
void reply_stream_push(struct exchange *x);
void reply_stream_end(struct exchange *x);
/* Ends an answer without a body. */
void reply_empty(struct exchange *x);

/* application/problem+json (RFC 9457). */
void reply_problem(struct exchange *x, unsigned status, const char *error, const char *detail);
/* 400 with field and reason, as the engine tells of a bad parameter. */
void reply_invalid(struct exchange *x, struct view field, const char *reason);
/* The same from what the engine said; members of its error are passed on. */
void reply_problem_of(struct exchange *x, const struct exchange_result *r);
/* HTTP status of a Varlink error's name. */
unsigned error_status(struct view error);

#endif
