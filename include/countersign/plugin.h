/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin interface of Countersign, version 1.
 *
 * A plugin is a shared object that exports one function, countersign_plugin_v1(). It is loaded by a
 * worker, a process of its own without keys and without the store; it gives evidence, and only the
 * broker decides.
 *
 * Rules of the boundary
 *   - No heap crosses it. What goes in is borrowed for the length of the call; what comes out is
 *     written to the caller's bounded buffers, or is static data of the plugin.
 *   - Everything is append-only within version 1. Each struct begins with its size: a side that is
 *     older sees a size smaller than its own, and treats members past it as absent. A plugin never
 *     reads a member that COUNTERSIGN_HAS() says is not there.
 *   - One call at a time, on one thread, in one process; init() is called after the process was
 *     forked.
 *   - A call must return before its deadline; the worker kills the process that does not.
 *   - Text is UTF-8, without a NUL at its end: length counts.
 *   - A plugin needs nothing but this header, libc and libraries of its own.
 *
 * Every operation says whether it must or may be there. All return an enum countersign_result; what
 * they wrote to the caller's buffers counts only with COUNTERSIGN_OK.
 */
#ifndef COUNTERSIGN_PLUGIN_H
#define COUNTERSIGN_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COUNTERSIGN_PLUGIN_ABI 1

/* Whether the struct at p, made by the other side, is new enough to have this member. */
#define COUNTERSIGN_HAS(p, type, member) \
	((p)->size >= offsetof(type, member) + sizeof(((type *)0)->member))

/* What a plugin can be; a plugin may be several. */
enum countersign_kind {
	COUNTERSIGN_KIND_PROVIDER = 1, /* says who is asking */
	COUNTERSIGN_KIND_FACTOR = 2,   /* a means of step-up that the account owns */
	COUNTERSIGN_KIND_RISK = 4,     /* says how risky a request looks */
	COUNTERSIGN_KIND_NOTIFY = 8,   /* tells somebody what was decided */
	COUNTERSIGN_KIND_TOKEN = 16,   /* says which client of an authorization server a service is */
};

enum countersign_flag {
	COUNTERSIGN_USES_HTTP = 1, /* calls host->http(); adds the keys `ca-file` and `allow-url` */
	COUNTERSIGN_SENDS = 2,     /* a factor: begin() sends its owner something, which may cost money */
	COUNTERSIGN_STARTS_PROCESSES = 4, /* starts other programs: its block needs cage { processes yes } */
};

/*
 * 1 to 63 are the plugin's no, with its reason. From 64 on it could not find out, which never
 * counts as a yes.
 */
enum countersign_result {
	COUNTERSIGN_OK = 0,
	COUNTERSIGN_BAD_SIGNATURE = 1,  /* no key of the issuer made this signature */
	COUNTERSIGN_BAD_ISSUER = 2,     /* made by another issuer than the configured one */
	COUNTERSIGN_BAD_AUDIENCE = 3,   /* made for somebody else */
	COUNTERSIGN_BAD_NONCE = 4,      /* made for another sign-in */
	COUNTERSIGN_EXPIRED = 5,
	COUNTERSIGN_NOT_YET_VALID = 6,
	COUNTERSIGN_BAD_ALGORITHM = 7,  /* an algorithm that the configuration does not allow */
	COUNTERSIGN_BAD_KEY = 8,        /* a key that the issuer does not publish for this use */
	COUNTERSIGN_BAD_TYPE = 9,       /* a token, but not an ID token */
	COUNTERSIGN_BAD_TOKEN = 10,     /* malformed, or a claim is missing or of the wrong type */
	COUNTERSIGN_BAD_CODE = 11,      /* the provider does not honour the code or its verifier */
	COUNTERSIGN_BAD_STATE = 12,     /* what came back is not of the sign-in that was begun */
	COUNTERSIGN_PROVIDER_ERROR = 13, /* the provider contradicts itself or its standard */
	COUNTERSIGN_BAD_ADDRESS = 14,   /* not an address that this factor reaches */
	COUNTERSIGN_BAD_BINDING = 15,   /* a token that is bound to another key or certificate, or to none */
	COUNTERSIGN_REVOKED = 16,       /* its issuer took it back */

	COUNTERSIGN_UNREACHABLE = 64,   /* the network or the other side did not answer */
	COUNTERSIGN_TOO_LATE = 65,      /* no time left within the deadline */
	COUNTERSIGN_FULL = 66,          /* the answer does not fit the caller's buffer */
	COUNTERSIGN_INVALID = 67,       /* the call itself makes no sense */
	COUNTERSIGN_INTERNAL = 68,      /* a library failed, or memory ran out */
};

/* Borrowed bytes. data may be NULL when len is 0. An absent value is {NULL, 0}. */
struct countersign_view {
	const char *data;
	size_t len;
};

/*
 * The caller's memory. The plugin writes at most cap bytes and sets len; where it does not fit:
 * COUNTERSIGN_FULL.
 */
struct countersign_buffer {
	char *data;
	size_t cap;
	size_t len;
};

static inline struct countersign_view
countersign_view_of(const char *text)
{
	struct countersign_view v = {text, text == NULL ? 0 : strlen(text)};

	return v;
}

/* Makes len bytes the buffer's content. COUNTERSIGN_OK, or COUNTERSIGN_FULL and nothing written. */
static inline int
countersign_put(struct countersign_buffer *to, const void *data, size_t len)
{
	if (len > to->cap)
		return COUNTERSIGN_FULL;
	if (len > 0)
		memcpy(to->data, data, len);
	to->len = len;
	return COUNTERSIGN_OK;
}

/* ---- configuration --------------------------------------------------------------------------- */

enum countersign_config_type {
	COUNTERSIGN_CONFIG_STRING = 1, /* min to max bytes */
	COUNTERSIGN_CONFIG_INT = 2,    /* min to max */
	COUNTERSIGN_CONFIG_BOOL = 3,   /* yes or no */
	COUNTERSIGN_CONFIG_WORD = 4,   /* one of `words` */
	COUNTERSIGN_CONFIG_URL = 5,    /* https URL; the plugin may fetch from its origin */
	COUNTERSIGN_CONFIG_SECRET = 6, /* given by file; read with host->config_secret() only */
};

enum countersign_config_flag {
	COUNTERSIGN_CONFIG_REQUIRED = 1,
	COUNTERSIGN_CONFIG_MANY = 2,   /* may be given several times; values are numbered from 0 */
};

/*
 * One key of the plugin's table. The host refuses unknown, missing and out-of-bounds keys before
 * init(), and makes documentation from the table.
 */
struct countersign_config_key {
	const char *name;          /* lower case and hyphens */
	uint32_t type;             /* enum countersign_config_type */
	uint32_t flags;            /* enum countersign_config_flag */
	int64_t min, max;          /* bytes, or value; both 0: only the host's 4096 bytes */
	const char *words;         /* WORD: the choices, separated by spaces; else NULL */
	const char *default_value; /* as it would be written; NULL: none */
	const char *help;          /* one sentence */
};

/* ---- host ------------------------------------------------------------------------------------ */

enum countersign_log_level {
	COUNTERSIGN_LOG_ERROR = 0,
	COUNTERSIGN_LOG_WARN = 1,
	COUNTERSIGN_LOG_INFO = 2,
	COUNTERSIGN_LOG_DEBUG = 3,
};

/* A header of a request beside those that have a member: its name begins with "webhook-" or "x-". */
struct countersign_header {
	struct countersign_view name;
	struct countersign_view value;         /* absent or empty: not sent; never logged */
};

enum { COUNTERSIGN_HEADERS_MAX = 8 };

/*
 * One HTTPS exchange. The host connects only to origins of the configuration (URL keys and `allow-
 * url`), checks the certificate against `ca-file` or the system's, follows no redirect, uses no
 * proxy, keeps no cookie.
 */
struct countersign_http_request {
	size_t size;
	struct countersign_view url;
	struct countersign_view accept;        /* header Accept, or absent */
	struct countersign_view authorization; /* header Authorization, or absent; never logged */
	struct countersign_view content_type;  /* of the body */
	struct countersign_view body;          /* absent: GET; else POST; never logged */
	int64_t timeout_ms;                    /* 0: what is left of the deadline; never more */
	const struct countersign_header *headers;
	size_t headers_count;                  /* at most COUNTERSIGN_HEADERS_MAX */
	/* "GET", "POST", "PUT", "PATCH" or "DELETE"; absent: as `body` says. */
	struct countersign_view method;
	/*
	 * Not 0: shows the certificate of the keys `tls-certificate` and `tls-key`, which the host adds to
	 * those of a plugin that USES_HTTP (RFC 8705). COUNTERSIGN_INVALID where they are not given.
	 */
	uint32_t shows_certificate;
	uint32_t reserved;
};

struct countersign_http_response {
	size_t size;
	int32_t status;                        /* 100 to 599 */
	struct countersign_buffer body;        /* a longer answer is COUNTERSIGN_FULL */
};

/*
 * Functions that the host gives to a plugin. `context` is the first argument of each. Valid until
 * fini() returns.
 */
struct countersign_host_v1 {
	size_t size;
	uint32_t abi;
	uint32_t reserved;
	void *context;
	/*
	 * One line; the host escapes it and adds the plugin's name. Never pass a secret, a token or
	 * a code.
	 */
	void (*log)(void *context, int level, struct countersign_view text);
	/*
	 * Wall clock, milliseconds since 1970 UTC. Operations are given the time to judge by: use
	 * that.
	 */
	int64_t (*wall_ms)(void *context);
	/* Milliseconds since boot; never steps. For the age of caches. */
	int64_t (*boot_ms)(void *context);
	/* From the kernel; cannot fail. */
	void (*random)(void *context, void *to, size_t len);
	/*
	 * COUNTERSIGN_OK with any status, UNREACHABLE, TOO_LATE, FULL, or INVALID for a URL that is
	 * not allowed.
	 */
	int (*http)(void *context, const struct countersign_http_request *request,
	    struct countersign_http_response *response);
	/* How often the key was given; 1 where its default stands in. */
	size_t (*config_count)(void *context, const char *name);
	/* Value number `index` as text, or absent. Borrowed until fini(). Never a secret. */
	struct countersign_view (*config_text)(void *context, const char *name, size_t index);
	/* INT: its value; BOOL: 0 or 1; `otherwise` where the key is absent. */
	int64_t (*config_int)(void *context, const char *name, int64_t otherwise);
	/*
	 * Copies the secret. COUNTERSIGN_INVALID: not given; COUNTERSIGN_FULL. The plugin wipes its
	 * copy.
	 */
	int (*config_secret)(void *context, const char *name, struct countersign_buffer *to);
	/*
	 * Zeroed memory until the operation returns, wiped by the host then; NULL past 512 KiB in
	 * one call.
	 */
	void *(*scratch)(void *context, size_t len);
};

/* ---- operations ------------------------------------------------------------------------------ */

/* First member of every operation's input. */
struct countersign_call {
	struct countersign_view request; /* names this call; must be copied to the answer */
	int64_t now_ms;                  /* judge every time by this clock: since 1970, UTC */
	int64_t deadline_boot_ms;        /* on host->boot_ms(); later the process is killed */
};

struct countersign_authorize {
	size_t size;
	struct countersign_call call;
	struct countersign_view state;
	struct countersign_view nonce;
	struct countersign_view code_challenge; /* RFC 7636 S256, base64url */
	struct countersign_view redirect_uri;
	struct countersign_view client_id;
};

struct countersign_authorize_answer {
	size_t size;
	struct countersign_buffer request;
	struct countersign_buffer url;          /* where the browser is sent */
};

enum { COUNTERSIGN_CLIENT_IDS_MAX = 16 };

struct countersign_identify {
	size_t size;
	struct countersign_call call;
	struct countersign_view nonce;
	/* The audiences that may be accepted; the first exchanges the code. */
	const struct countersign_view *client_ids;
	size_t client_ids_count;                /* 1 to COUNTERSIGN_CLIENT_IDS_MAX */
	struct countersign_view id_token;       /* exactly one of id_token and code is there */
	struct countersign_view code;
	struct countersign_view code_verifier;  /* with a code of a browser; absent with an app's own */
	struct countersign_view redirect_uri;   /* likewise */
	struct countersign_view iss;            /* RFC 9207; absent where none was sent */
};

#define COUNTERSIGN_NO_TIME INT64_MIN

struct countersign_identity {
	size_t size;
	struct countersign_buffer request;
	struct countersign_buffer issuer;    /* canonical */
	struct countersign_buffer subject;   /* 1 to 255 bytes */
	struct countersign_buffer audience;  /* the client id that it was made for */
	struct countersign_buffer nonce;     /* as found in the assertion */
	struct countersign_buffer display;   /* for people; proves nothing; may be empty */
	int64_t auth_time_ms;                /* COUNTERSIGN_NO_TIME where nothing is said */
	int64_t issued_at_ms;
	int64_t expires_at_ms;
	/*
	 * Under which subject the provider knew the same person before, where it proves that in this very
	 * answer: WeChat's openid beside its unionid, Alipay's user_id beside its open_id. Both empty: nothing
	 * is said. The issuer is as canonical as `issuer`, and may be the same.
	 */
	struct countersign_buffer was_issuer;
	struct countersign_buffer was_subject;
	/*
	 * What the provider vouches for besides, at most COUNTERSIGN_EVIDENCE_LINES lines parted by "\n", each
	 * KIND SECONDS [VALUE]: what, when it was verified (since 1970; 0: not said), and of what.
	 *	phone 1731000000 +8613812345678
	 *	email 0 a@example.com
	 *	identity-document 1731000000 ial2
	 * Kinds are lower case and hyphens, up to 32 bytes; a value is up to 254 bytes, and kept as a digest.
	 */
	struct countersign_buffer evidence;
};

enum {
	COUNTERSIGN_EVIDENCE_LINES = 4,
	COUNTERSIGN_EVIDENCE_MAX = 1280,
	COUNTERSIGN_SIGNAL_MAX = 16 * 1024,   /* bytes of one message of a provider */
	COUNTERSIGN_SIGNAL_EVENTS = 4,        /* events of one message */
	COUNTERSIGN_SETS_MAX = 4,             /* messages of one poll */
	COUNTERSIGN_SET_MAX = 12 * 1024,
	COUNTERSIGN_STREAM_MAX = 4096,
};

/*
 * A message that somebody posted to the broker's address for this provider, or that poll() brought: is it
 * the provider's, and what does it say? Anybody can post: verify first, fetch nothing that it names.
 */
struct countersign_signal {
	size_t size;
	struct countersign_call call;
	struct countersign_view body;            /* as it came: 1 to COUNTERSIGN_SIGNAL_MAX bytes */
	struct countersign_view content_type;    /* of the request, without parameters; absent: of a poll */
	struct countersign_view authorization;   /* header Authorization of the request, or absent */
	const struct countersign_view *client_ids; /* the audiences that may be accepted */
	size_t client_ids_count;
};

/*
 * One event. `name` is the last part of its URI ("account-disabled", "session-revoked"), or the provider's
 * own word in lower case and hyphens. The subject is empty where the event names none that could be a
 * link's: by its mail address, by a token.
 */
struct countersign_security_event {
	struct countersign_buffer name;          /* 1 to 64 bytes of a-z, 0-9 and "-" */
	struct countersign_buffer issuer;        /* canonical, as identify() gives it */
	struct countersign_buffer subject;
	struct countersign_buffer detail;        /* "hijacking", "create", "high"; for people; may be empty */
	int64_t at_ms;                           /* when it happened, or COUNTERSIGN_NO_TIME */
};

struct countersign_signal_answer {
	size_t size;
	struct countersign_buffer request;
	struct countersign_buffer issuer;        /* of the message, canonical */
	struct countersign_buffer id;            /* its jti: 1 to 255 bytes */
	struct countersign_buffer audience;      /* for whom it was made */
	/* Of a verification event: the state that stream() asked for, or empty. */
	struct countersign_buffer state;
	int64_t issued_at_ms;
	struct countersign_security_event events[COUNTERSIGN_SIGNAL_EVENTS];
	size_t events_count;                     /* 0: nothing in it that concerns accounts */
};

/* Fetches waiting messages (RFC 8936). They are not looked at: signal() is asked for each. */
struct countersign_poll {
	size_t size;
	struct countersign_call call;
	const struct countersign_view *taken;    /* ids that are durable here: the provider may forget them */
	size_t taken_count;
	const struct countersign_view *refused;  /* ids that were refused */
	size_t refused_count;
};

struct countersign_poll_answer {
	size_t size;
	struct countersign_buffer request;
	struct countersign_buffer ids[COUNTERSIGN_SETS_MAX];  /* as the provider names them */
	struct countersign_buffer sets[COUNTERSIGN_SETS_MAX];
	size_t sets_count;
	int32_t more;                            /* 1: there are more, ask again at once */
	int32_t reserved;
};

/* The stream of messages at the provider, for the admin. */
enum countersign_stream_action {
	COUNTERSIGN_STREAM_STATUS = 1,
	COUNTERSIGN_STREAM_CREATE = 2,           /* or brings an existing one to what is wanted */
	COUNTERSIGN_STREAM_VERIFY = 3,           /* asks for a verification event with `state` */
	COUNTERSIGN_STREAM_DELETE = 4,
};

struct countersign_stream {
	size_t size;
	struct countersign_call call;
	uint32_t action;
	uint32_t reserved;
	struct countersign_view endpoint;        /* where messages are to be pushed; absent: they are polled */
	struct countersign_view state;           /* of VERIFY */
};

struct countersign_stream_answer {
	size_t size;
	struct countersign_buffer request;
	struct countersign_buffer document;      /* a JSON object for people: what the provider says of the stream */
};

/* Whom the provider knew under another name before, by its own interface (Apple's usermigrationinfo). */
struct countersign_rekey {
	size_t size;
	struct countersign_call call;
	struct countersign_view issuer, subject; /* of a link as it is */
	struct countersign_view proof;           /* what the admin was given for it, such as a transfer_sub; may be empty */
	struct countersign_view client_id;
};

struct countersign_rekey_answer {
	size_t size;
	struct countersign_buffer request;
	struct countersign_buffer issuer, subject; /* the new ones, canonical */
};

/* authorization_url and identify must both be there; the others may. */
struct countersign_provider_v1 {
	size_t size;
	int (*authorization_url)(void *instance, const struct countersign_authorize *in,
	    struct countersign_authorize_answer *out);
	int (*identify)(void *instance, const struct countersign_identify *in,
	    struct countersign_identity *out);
	int (*signal)(void *instance, const struct countersign_signal *in,
	    struct countersign_signal_answer *out);
	int (*poll)(void *instance, const struct countersign_poll *in,
	    struct countersign_poll_answer *out);
	int (*stream)(void *instance, const struct countersign_stream *in,
	    struct countersign_stream_answer *out);
	int (*rekey)(void *instance, const struct countersign_rekey *in,
	    struct countersign_rekey_answer *out);
};

enum countersign_step_kind {
	/*
	 * Show. value: a URI (otpauth:// or https://), which is shown as a QR code too; anything else is
	 * plain text, its lines parted by "\n".
	 */
	COUNTERSIGN_STEP_SHOW = 1,
	/* Ask for a code of `digits` digits, 0: of unknown length. value: what to ask with; may be empty. */
	COUNTERSIGN_STEP_CODE = 2,
	/*
	 * Make a passkey. value: PublicKeyCredentialCreationOptionsJSON for the browser; the answer
	 * is what its PublicKeyCredential.toJSON() gives.
	 */
	COUNTERSIGN_STEP_PASSKEY = 3,
	COUNTERSIGN_STEP_TEXT = 4,   /* Ask for a line of text. value: what to ask with. */
	COUNTERSIGN_STEP_SECRET = 5, /* The same, not shown while it is typed: a password. */
	/*
	 * Let the user choose. value: what to ask with, then the choices (1 to COUNTERSIGN_CHOICES_MAX),
	 * a line each; the answer is the choice's text, and the plugin looks whether it is one.
	 */
	COUNTERSIGN_STEP_CHOICE = 6,
	COUNTERSIGN_STEP_APPROVE = 7, /* Have the user look at a device of theirs. The broker shows how. */
};

struct countersign_step {
	uint32_t kind;
	uint32_t digits;                      /* of a CODE: 0 to 12; else 0 */
	struct countersign_buffer value;
};

enum {
	COUNTERSIGN_STEPS_MAX = 4,
	COUNTERSIGN_STEP_VALUE_MAX = 2048,    /* bytes of a step's value */
	COUNTERSIGN_CHOICES_MAX = 16,
	COUNTERSIGN_STATE_MAX = 1024,         /* bytes that begin() or verify() may leave for the next verify() */
	COUNTERSIGN_DESTINATION_MAX = 128,
	COUNTERSIGN_RESTS_ON_MAX = 512,
	COUNTERSIGN_RESTS_ON_LINES = 8,
};

struct countersign_enrol {
	size_t size;
	struct countersign_call call;
	struct countersign_view account_hint; /* shown in the user's own app */
	struct countersign_view issuer;       /* what the user knows the operator by */
	/*
	 * Where, or as whom, the factor reaches its owner: an e-mail address, a phone number with "+" and
	 * its country's code, a login name. As the service says it, not proved; up to 254 bytes. Absent:
	 * none was given. A factor that needs one answers COUNTERSIGN_BAD_ADDRESS, as for one that is none.
	 */
	struct countersign_view address;
	struct countersign_view language;     /* to speak to the owner in: "en" or "zh"; absent: "en" */
};

/*
 * A factor that must send a code while it is enrolled does so in enrol() and keeps what it needs in
 * the secret, which verify() may exchange when the enrolment ends.
 */
struct countersign_enrol_answer {
	size_t size;
	struct countersign_buffer request;
	struct countersign_buffer secret;     /* what the engine seals and hands to verify() */
	struct countersign_step steps[COUNTERSIGN_STEPS_MAX];
	size_t steps_count;
};

struct countersign_verify {
	size_t size;
	struct countersign_call call;
	struct countersign_view secret;       /* what enrol() gave */
	/* What the user typed: anything. Of several prompts at once: a line each, in their order. */
	struct countersign_view answer;
	int64_t last_step;                    /* the newest step used; -1: none */
	/*
	 * What the answer must be for, for factors that sign: names this very challenge and holds the
	 * digest of all that its card shows; up to 128 bytes. Absent while an enrolment is finished.
	 */
	struct countersign_view challenge;
	struct countersign_view operation;    /* "spend", ..., as stacks have it; absent likewise */
	/*
	 * What begin() or the last verify() of this challenge left. Absent: it was not begun, or the
	 * broker was started again since; a factor with begin() cannot find out then (INVALID).
	 */
	struct countersign_view state;
	/* What the user was shown: a JSON object, always written the same way. Absent in an enrolment. */
	struct countersign_view card;
};

enum countersign_verdict {
	COUNTERSIGN_WRONG = 0, /* whatever the reason */
	COUNTERSIGN_RIGHT = 1,
	COUNTERSIGN_MORE = 2,  /* right so far, and there is more to ask: `state` and `steps` say what */
};

struct countersign_verify_answer {
	size_t size;
	struct countersign_buffer request;
	int32_t verdict;                      /* enum countersign_verdict */
	int32_t reserved;
	/*
	 * With RIGHT: greater than last_step, or what a factor without steps counts (0: nothing); else
	 * -1.
	 */
	int64_t step;
	/*
	 * While an enrolment is finished, with RIGHT: takes the place of what enrol() gave; left empty:
	 * that stays. In any other call what is written here is an error.
	 */
	struct countersign_buffer secret;
	/*
	 * While an enrolment is finished, with RIGHT: what the factor rests on, so that the broker can
	 * tell whether it would fall together with a provider. At most COUNTERSIGN_RESTS_ON_LINES lines
	 * parted by "\n":
	 *	mail-domain:example.com
	 *	phone:+8613812345678
	 *	aaguid:fbfc3007-154e-4ecc-8c0b-6e020557d7bd
	 *	copies:none         no copy of it can be anywhere else
	 *	copies:possible     whoever syncs it has one
	 *	attested:yes        its maker signed what it is
	 *	device:yes          it is a device that its owner registered
	 * In any other call what is written here is an error.
	 */
	struct countersign_buffer rests_on;
	/*
	 * With MORE: what the next verify() is given, and at least one step that asks. Not the passkey's
	 * step. Else empty.
	 */
	struct countersign_buffer state;
	struct countersign_step steps[COUNTERSIGN_STEPS_MAX];
	size_t steps_count;
};

/*
 * Makes a factor ready to answer a challenge: sends a code, opens a conversation. Asked by the user,
 * and again when they say that nothing came.
 */
struct countersign_begin {
	size_t size;
	struct countersign_call call;
	struct countersign_view secret;
	struct countersign_view challenge;    /* as for verify() */
	struct countersign_view operation;
	struct countersign_view card;         /* what the user is shown; may be put into what is sent */
	struct countersign_view language;     /* "en" or "zh"; absent: "en" */
	struct countersign_view state;        /* of an earlier begin() of this challenge, or absent */
	int32_t number;                       /* 1: the first of this challenge; 2...: again */
	int32_t reserved;
};

struct countersign_begin_answer {
	size_t size;
	struct countersign_buffer request;
	/* At least one byte: what verify() is given. In the broker's memory only, until the challenge ends. */
	struct countersign_buffer state;
	struct countersign_buffer destination; /* for people: "+86 138****5678"; may be empty */
	struct countersign_step steps[COUNTERSIGN_STEPS_MAX]; /* at least one that asks; no passkey */
	size_t steps_count;
	int64_t expires_ms;                   /* of what was sent, since 1970; 0: with the challenge */
};

/*
 * Tells the factor's owner what happened to their account, where the factor reaches them. Told at
 * most once: what cannot be told is lost here, and still in the broker's own log.
 */
struct countersign_tell {
	size_t size;
	struct countersign_call call;
	struct countersign_view secret;
	/*
	 * A JSON object: "what" (factor_enrolled, factor_removed, factor_unlocked, recovery_begun,
	 * recovery_code_used), "at" (RFC 3339), "account_hint", and "detail" where there is more to say,
	 * such as the kind of the factor. New words may come: an unknown one is told as it is.
	 */
	struct countersign_view message;
	struct countersign_view language;     /* "en" or "zh"; absent: not known */
};

struct countersign_tell_answer {
	size_t size;
	struct countersign_buffer request;
};

/* Must be there unless it says may. A wrong answer is COUNTERSIGN_OK with verdict 0. */
struct countersign_factor_v1 {
	size_t size;
	const char *kind;                     /* "totp": the word that stacks use */
	int (*enrol)(void *instance, const struct countersign_enrol *in,
	    struct countersign_enrol_answer *out);
	int (*verify)(void *instance, const struct countersign_verify *in,
	    struct countersign_verify_answer *out);
	/* May. Where it is there, no answer is taken before it. */
	int (*begin)(void *instance, const struct countersign_begin *in,
	    struct countersign_begin_answer *out);
	/* May. */
	int (*tell)(void *instance, const struct countersign_tell *in,
	    struct countersign_tell_answer *out);
};

/*
 * What is asked for. Everything here is evidence for a score and nothing else: there is no subject,
 * no name of a person and no account id, only a digest that is the same for the same account as
 * long as this instance keeps its name, and another one for every other instance.
 */
struct countersign_assess {
	size_t size;
	struct countersign_call call;
	struct countersign_view service;   /* who asks: its configured name */
	struct countersign_view operation; /* "spend", or another operation of a stack */
	struct countersign_view provider;  /* of the link that is used; absent: no link */
	struct countersign_view account;   /* 32 hexadecimal digits */
	struct countersign_view currency;  /* "CNY"; absent: the operation has no amount */
	struct countersign_view payee;     /* the payee's id in the service's words; absent: none */
	struct countersign_view ip;        /* as the service says; proves nothing; may be absent */
	struct countersign_view device;    /* likewise */
	int64_t amount_minor;              /* in the currency's smallest unit; 0 without a currency */
	int32_t currency_digits;           /* decimals of the currency: 2 of CNY */
	int32_t factors;                   /* how many factors the account has */
	int64_t account_age_ms;            /* since its first factor; -1: not known */
	int64_t link_age_ms;               /* since the link was made; -1: no link */
	int64_t session_age_ms;            /* since the session was opened; -1: no session */
};

enum { COUNTERSIGN_SCORE_MAX = 100, COUNTERSIGN_REASON_MAX = 32 };

struct countersign_assessment {
	size_t size;
	struct countersign_buffer request;
	/* A code for people who look into it: lower case, digits, underscores; may be empty. */
	struct countersign_buffer reason;
	int32_t score;                     /* 0: nothing is suspicious, to COUNTERSIGN_SCORE_MAX */
	int32_t reserved;
};

/* Must be there. No score that can be trusted is a result from 64 on, never a guess. */
struct countersign_risk_v1 {
	size_t size;
	int (*assess)(void *instance, const struct countersign_assess *in,
	    struct countersign_assessment *out);
};

/*
 * One outcome that stands. It is delivered at most once: what cannot be delivered is lost here, and
 * still in the broker's own log. The document names no subject and holds no secret.
 */
struct countersign_deliver {
	size_t size;
	struct countersign_call call;
	struct countersign_view id;        /* of this notice: for receivers that were told twice */
	struct countersign_view document;  /* a JSON object */
};

struct countersign_delivery {
	size_t size;
	struct countersign_buffer request;
};

/* Must be there. */
struct countersign_notify_v1 {
	size_t size;
	int (*deliver)(void *instance, const struct countersign_deliver *in,
	    struct countersign_delivery *out);
};

/*
 * An OAuth access token that a service showed over HTTPS: which client was it given to? What the client
 * may do is the broker's configuration.
 */
struct countersign_token {
	size_t size;
	struct countersign_call call;
	struct countersign_view token;
	struct countersign_view scheme;      /* "Bearer" or "DPoP", spelt so */
	struct countersign_view proof;       /* header DPoP (RFC 9449), or absent */
	struct countersign_view method;      /* of the request: "POST" */
	struct countersign_view url;         /* of the request, without query and fragment */
	struct countersign_view certificate; /* SHA-256 of the client's certificate, 64 hex digits; absent: none */
};

struct countersign_token_answer {
	size_t size;
	struct countersign_buffer request;
	struct countersign_buffer issuer;    /* as configured */
	struct countersign_buffer client;    /* the client's id: 1 to 255 bytes */
	/* Of a proof: its jti, which the broker takes once, and its iat; else empty and 0. */
	struct countersign_buffer proof_id;
	int64_t proof_at_ms;
	int64_t expires_at_ms;               /* of the token */
	/* Until when this answer may stand for the same token and the same binding; at most expires_at_ms; 0: ask each time. */
	int64_t cache_until_ms;
};

/* Must be there. */
struct countersign_token_v1 {
	size_t size;
	int (*check)(void *instance, const struct countersign_token *in,
	    struct countersign_token_answer *out);
};

/* ---- the plugin ------------------------------------------------------------------------------ */

enum countersign_assurance {
	COUNTERSIGN_STABLE_SUBJECT = 1,   /* a subject is never given to another person */
	COUNTERSIGN_HONOURS_MAX_AGE = 2,  /* signs in anew when asked, and signs auth_time */
	COUNTERSIGN_VERIFIED_EMAIL = 4,   /* its e-mail claims were verified by itself */
	COUNTERSIGN_SENDS_SIGNALS = 8,    /* tells of stolen accounts (Shared Signals) */
	COUNTERSIGN_SYNCS_SECRETS = 16,   /* keeps its users' passwords, seeds or passkeys */
	/*
	 * Signs nothing: who signed in is what its code is exchanged for, so there is no nonce to compare.
	 * Such a provider takes codes alone, and leaves identity.nonce empty.
	 */
	COUNTERSIGN_CODE_ALONE = 32,
};

/*
 * What the plugin says of itself as configured; a risk or notify plugin has nothing to say here.
 * Strings are static or live as long as the instance.
 */
struct countersign_profile {
	size_t size;
	uint32_t assurance;               /* enum countersign_assurance */
	uint32_t reserved;
	/* "mail-domain:icloud.com", "phone:+86", "aaguid:..."; ended by NULL; or NULL. */
	const char *const *controls;
	/* The member of the callback that holds the code; NULL: "code". */
	const char *code_parameter;
};

struct countersign_plugin_v1 {
	size_t size;
	uint32_t abi;                     /* COUNTERSIGN_PLUGIN_ABI */
	uint32_t kinds;                   /* enum countersign_kind */
	uint32_t flags;                   /* enum countersign_flag */
	uint32_t config_count;
	size_t config_key_size;           /* sizeof(struct countersign_config_key) of the plugin */
	const struct countersign_config_key *config;
	const char *name;                 /* lower case, digits and hyphens; 1 to 32 bytes */
	const char *version;
	const char *help;                 /* one sentence */
	/*
	 * Must. Proves with built-in values that the code and its libraries work here; no network,
	 * no configuration. The host table's http and config functions are absent values then.
	 */
	int (*self_test)(const struct countersign_host_v1 *host);
	/*
	 * Must. *instance is passed to every operation; may stay NULL. A sentence that says what is
	 * wrong goes to log().
	 */
	int (*init)(const struct countersign_host_v1 *host, void **instance);
	/* May. Wipes and frees. */
	void (*fini)(void *instance);
	/* Must. instance may be NULL: then as it is without configuration. */
	int (*profile)(void *instance, struct countersign_profile *profile);
	const struct countersign_provider_v1 *provider; /* with KIND_PROVIDER, else NULL */
	const struct countersign_factor_v1 *factor;     /* with KIND_FACTOR, else NULL */
	const struct countersign_risk_v1 *risk;         /* with KIND_RISK, else NULL */
	const struct countersign_notify_v1 *notify;     /* with KIND_NOTIFY, else NULL */
	const struct countersign_token_v1 *token;       /* with KIND_TOKEN, else NULL */
};

/* The one exported function. Static data; never NULL. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const struct countersign_plugin_v1 *countersign_plugin_v1(void);

#define COUNTERSIGN_PLUGIN_SYMBOL "countersign_plugin_v1"

#ifdef __cplusplus
}
#endif

#endif
