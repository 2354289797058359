/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcountersign: what a payment service asks the broker, over its Unix socket. See libcountersign(3).
 *
 * A handle is one connection that is made when it is needed and made again after the broker restarted. Any number of
 * threads may use one handle: their calls queue. Every call ends within the handle's time-out. The library never
 * aborts, exits, prints, raises a signal or reads the environment.
 *
 * Every function that asks the broker gives an enum cs_status. A denial is an answer, not an error: look at
 * `outcome`. Out-parameters are untouched unless CS_STATUS_OK is given. `error`, the last parameter, may be NULL; on
 * any other status it is filled with what to tell a person.
 *
 * What goes in is borrowed for the length of the call: NUL-terminated UTF-8, NULL where it is optional and absent. Ids
 * are 1 to CS_ID_MAX bytes without control characters. What comes out is copied into bounded arrays; text that would
 * not fit is CS_STATUS_PROTOCOL, it is never cut.
 */
#ifndef COUNTERSIGN_CLIENT_H
#define COUNTERSIGN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CS_SOCKET_DEFAULT "/run/countersign/socket"

/* Bytes without the NUL. */
enum {
	CS_ID_MAX = 128,        /* any id, ours and yours, and a payee's name */
	CS_WORD_MAX = 47,       /* outcomes, reasons, states, kinds, providers */
	CS_TIME_MAX = 31,       /* RFC 3339 in UTC */
	CS_AMOUNT_MAX = 31,     /* a decimal, "20.00" */
	CS_CURRENCY_MAX = 3,    /* ISO 4217 */
	CS_TEXT_MAX = 255,      /* what is shown to people; subjects, issuers */
	CS_CHOICE_MAX = 127,    /* one of several to choose from */
	CS_CREDENTIAL_MAX = 1364, /* a passkey's id in base64url */
	CS_URL_MAX = 2047,
	CS_TOKEN_MAX = 32768,   /* an ID token, going in */
	CS_RECEIPT_MAX = 8191,
	CS_MESSAGE_MAX = 65536, /* one message on the wire: the largest reply of cs_call() without its NUL */
};

/* Elements. */
enum {
	CS_FACTORS_MAX = 16,
	CS_LINKS_MAX = 16,
	CS_STEPS_MAX = 16,
	CS_QUESTIONS_MAX = 16,
	CS_CHOICES_MAX = 16,
};

enum {
	CS_TIMEOUT_DEFAULT_MS = 5000,
	CS_TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000,
};

enum cs_status {
	CS_STATUS_OK = 0,
	CS_STATUS_ARGUMENT,          /* a parameter is missing or out of bounds; nothing was sent */
	CS_STATUS_INVALID,           /* the broker refused a parameter: error->field says which */
	CS_STATUS_NOT_AUTHENTICATED, /* the broker knows no service with this uid */
	CS_STATUS_NOT_PERMITTED,     /* the service lacks the right in error->field */
	CS_STATUS_NOT_FOUND,         /* no such thing, or it is another service's */
	CS_STATUS_CONFLICT,          /* the thing is in another state than the call supposes */
	CS_STATUS_TOO_MANY,          /* ask again after error->retry_after_ms */
	CS_STATUS_UNAVAILABLE,       /* the broker cannot answer now and permitted nothing */
	CS_STATUS_UNREACHABLE,       /* no connection; nothing was sent */
	CS_STATUS_LOST,              /* the connection broke after the call was sent: it may have happened */
	CS_STATUS_TIMEOUT,           /* no answer in time: it may have happened */
	CS_STATUS_PROTOCOL,          /* what came back is no answer to this call; it may have happened */
	CS_STATUS_TOO_BIG,           /* the message or the reply does not fit */
	CS_STATUS_MEMORY,            /* out of memory; nothing was sent */
	CS_STATUS_ERROR,             /* the broker gave an error that this version does not know: error->name */
};

/* The name in lower case ("not_found"); never NULL. */
const char *cs_status_name(enum cs_status status);

/* The library's version, "0.1.0". */
const char *cs_version(void);

struct cs_error {
	char name[CS_ID_MAX + 1];   /* the broker's name for it, "org.countersign.NotFound", or empty */
	char field[CS_WORD_MAX + 1]; /* the parameter, right or thing that it is about, or empty */
	char message[512];          /* a sentence for people: what, where and how to mend it; no control characters */
	int retry_after_ms;         /* 0 where nothing was said */
	int os_error;               /* errno where the operating system refused, or 0 */
};

/* A handle. Never use one after fork() in the child: close it there and open another. */
struct cs;

/*
 * path: of the service socket; NULL is CS_SOCKET_DEFAULT. Does not connect: a service may start before the broker.
 * CS_STATUS_ARGUMENT (the path is too long for a socket), CS_STATUS_MEMORY.
 */
enum cs_status cs_open(const char *path, struct cs **handle);

/* Closes and frees; NULL does nothing. No other thread may be inside a call. */
void cs_close(struct cs *handle);

/*
 * How long one call may take, with waiting for other threads, connecting, and asking again: 1 to CS_TIMEOUT_MAX_MS.
 * Holds for calls that begin afterwards. CS_STATUS_ARGUMENT.
 */
enum cs_status cs_set_timeout(struct cs *handle, int timeout_ms);

/* --- payments --- */

enum cs_outcome { CS_OUTCOME_DENY = 0, CS_OUTCOME_STEP_UP, CS_OUTCOME_PERMIT };

struct cs_payment {
	const char *session;    /* who is asking; NULL only with the allowance of a mandate */
	const char *allowance;  /* optional */
	const char *account;    /* with a mandate; otherwise optional, and then it must be the session's */
	const char *id;         /* yours: unique per account. Ask again with the same one after CS_STATUS_LOST */
	const char *amount;     /* "20.00" */
	const char *currency;   /* "CNY" */
	const char *payee_id;
	const char *payee_name; /* optional; shown to the user, and part of what is countersigned */
	const char *ip;         /* optional: shown to people, decides nothing */
	const char *device;     /* optional, the same */
	const char *return_url; /* optional: where the step-up page sends the user; one of those configured */
	bool capture;           /* permit and capture at once */
	bool receipt;           /* a signed receipt with the permit */
};

struct cs_hold {
	char id[CS_ID_MAX + 1];
	char state[CS_WORD_MAX + 1];
	char expires_at[CS_TIME_MAX + 1];
	char amount[CS_AMOUNT_MAX + 1];
	char currency[CS_CURRENCY_MAX + 1];
	char captured[CS_AMOUNT_MAX + 1]; /* empty: nothing */
	char refunded[CS_AMOUNT_MAX + 1]; /* empty: nothing */
};

struct cs_challenge {
	char id[CS_ID_MAX + 1];
	char url[CS_URL_MAX + 1]; /* where to send the user; empty where there is no page */
	char expires_at[CS_TIME_MAX + 1];
	char factors[CS_FACTORS_MAX][CS_WORD_MAX + 1]; /* kinds that may answer */
	size_t factor_count;
};

struct cs_decision {
	enum cs_outcome outcome;      /* an outcome that is not known is CS_STATUS_PROTOCOL, never a permit */
	char reason[CS_WORD_MAX + 1];
	bool replayed;                /* decided before: this is that hold, in its present state */
	struct cs_hold hold;          /* id is empty unless there is one */
	struct cs_challenge challenge; /* id is empty unless there is one */
	char limit[CS_TEXT_MAX + 1];  /* of a limit that was hit: "1000.00 CNY", or a count; otherwise empty */
	char used[CS_TEXT_MAX + 1];
	char scope[CS_TEXT_MAX + 1];
	char until[CS_TIME_MAX + 1];
	char receipt[CS_RECEIPT_MAX + 1];
};

/*
 * May this account, reached through this ID, spend this much at this payee? When the connection breaks after the
 * question was sent, it is asked once more with the same payment id on a new connection, if there is time: a permit
 * sticks to its id, so this places no second hold. CS_STATUS_LOST afterwards means ask again yourself, later.
 */
enum cs_status cs_authorize(struct cs *handle, const struct cs_payment *payment, struct cs_decision *decision,
    struct cs_error *error);

/* The same question without any effect. capture, receipt and return_url are not sent. Asked again like cs_authorize(). */
enum cs_status cs_evaluate(struct cs *handle, const struct cs_payment *payment, struct cs_decision *decision,
    struct cs_error *error);

/*
 * amount: at most what is held; NULL is all of it. capture_id, yours, makes asking again safe. The account, link and
 * limits are looked at again: the outcome may be a deny. One capture a hold. Asked again like cs_authorize().
 */
enum cs_status cs_capture(struct cs *handle, const char *hold, const char *capture_id, const char *amount,
    struct cs_decision *decision, struct cs_error *error);

/* Gives a hold back. Asked again like cs_authorize(). */
enum cs_status cs_release(struct cs *handle, const char *hold, struct cs_hold *out, struct cs_error *error);

struct cs_refund_request {
	const char *account;
	const char *payment; /* the payment's id, yours */
	const char *id;      /* of the refund, yours: makes asking again safe */
	const char *amount;  /* all refunds of a payment sum to at most what was captured */
};

/* Asked again like cs_authorize(). */
enum cs_status cs_refund(struct cs *handle, const struct cs_refund_request *refund, struct cs_hold *out,
    struct cs_error *error);

enum cs_status cs_get_payment(struct cs *handle, const char *account, const char *payment, struct cs_hold *out,
    struct cs_error *error);

/* --- look-ups --- */

struct cs_link {
	char id[CS_ID_MAX + 1];
	char account[CS_ID_MAX + 1];
	char provider[CS_WORD_MAX + 1];
	char state[CS_WORD_MAX + 1];
	char since[CS_TIME_MAX + 1];
};

struct cs_account {
	char id[CS_ID_MAX + 1];
	char state[CS_WORD_MAX + 1];
	struct cs_link links[CS_LINKS_MAX];
	size_t link_count;
};

/* issuer may be NULL where the provider has one. */
enum cs_status cs_lookup_subject(struct cs *handle, const char *provider, const char *issuer, const char *subject,
    struct cs_link *out, struct cs_error *error);

enum cs_status cs_lookup_account(struct cs *handle, const char *account, struct cs_account *out,
    struct cs_error *error);

/* --- step-up --- */

enum cs_challenge_state {
	CS_CHALLENGE_OPEN,
	CS_CHALLENGE_DONE,    /* ask cs_authorize() again with the same payment within five minutes */
	CS_CHALLENGE_USED,
	CS_CHALLENGE_LOCKED,
	CS_CHALLENGE_REFUSED,
	CS_CHALLENGE_EXPIRED,
};

/*
 * Waits until the challenge is no longer open, at most timeout_ms (the handle's own time-out does not matter here), on
 * a connection of its own: other threads go on using the handle. CS_STATUS_TIMEOUT: it is still open. A connection
 * that breaks is made again, until the time is over.
 */
enum cs_status cs_challenge_wait(struct cs *handle, const char *challenge, int timeout_ms,
    enum cs_challenge_state *state, struct cs_error *error);

/* One thing that the user is shown or asked for, once a step was begun. */
struct cs_question {
	char type[CS_WORD_MAX + 1];     /* show, code, text, secret or choice */
	char label[CS_TEXT_MAX + 1];
	int digits;                     /* of a code; 0: not known */
	char text[CS_URL_MAX + 1];      /* of a show: lines */
	char uri[CS_URL_MAX + 1];       /* of a show: to be shown as a QR code */
	char choices[CS_CHOICES_MAX][CS_CHOICE_MAX + 1]; /* the answer is the text of one */
	size_t choice_count;
};

struct cs_step {
	char id[CS_ID_MAX + 1];
	char factor[CS_ID_MAX + 1];
	char kind[CS_WORD_MAX + 1];
	char type[CS_WORD_MAX + 1]; /* code, passkey, approve, text, secret or choice */
	char label[CS_TEXT_MAX + 1];
	int digits;                 /* of a code; 0: not known */
	char number[CS_WORD_MAX + 1]; /* of an approval: show it, the owner chooses the same on the device */
	bool begin;                 /* must be begun with cs_challenge_begin(): it sends something, or opens a conversation */
	bool begun;                 /* has been */
	bool answered;              /* a conversation that is over: nothing more is asked */
	char destination[CS_ID_MAX + 1]; /* where something was sent, shortened: "+86 138****5678" */
	int resend_after_ms;        /* until it may be begun again */
	int sends_left;             /* how often it may be */
	size_t question_first;      /* in the prompt's questions */
	size_t question_count;      /* none: the step itself is the question */
	char challenge[CS_ID_MAX + 1]; /* of a passkey: what to sign, base64url */
	char rp_id[CS_TEXT_MAX + 1];
	char credential[CS_CREDENTIAL_MAX + 1]; /* empty: not said */
};

/*
 * What the user must be shown, word for word, before an answer is taken. Absent members are empty. Some 150 KiB: not for
 * the stack of a small thread.
 */
struct cs_prompt {
	char service[CS_TEXT_MAX + 1];
	char account_hint[CS_TEXT_MAX + 1];
	char what[CS_TEXT_MAX + 1];
	char provider[CS_TEXT_MAX + 1];
	char provider_title[CS_TEXT_MAX + 1]; /* for people */
	char payee[CS_TEXT_MAX + 1];
	char payee_id[CS_ID_MAX + 1];
	char amount[CS_AMOUNT_MAX + 1];
	char currency[CS_CURRENCY_MAX + 1];
	char worst_case[CS_TEXT_MAX + 1]; /* the most that could be lost by saying yes */
	char link[CS_TEXT_MAX + 1];       /* what the provider says of the person, shortened */
	char label[CS_TEXT_MAX + 1];      /* what is changed, a factor for instance */
	char expires_at[CS_TIME_MAX + 1];
	struct cs_step steps[CS_STEPS_MAX];
	size_t step_count;
	struct cs_question questions[CS_QUESTIONS_MAX];
	size_t question_count;
	int need;                         /* so many of the steps must be answered, in one call; 0 is 1 */
	enum cs_challenge_state state;
	int attempts_left;
};

/* Right: respond. */
enum cs_status cs_challenge_get(struct cs *handle, const char *challenge, struct cs_prompt *out,
    struct cs_error *error);

struct cs_answer {
	const char *step;
	const char *value;
	size_t question; /* its place among the step's questions, from 0; shown ones count */
};

struct cs_response {
	enum cs_challenge_state state;
	char reason[CS_WORD_MAX + 1]; /* empty: nothing to say */
	int attempts_left;            /* -1: not said */
	int retry_after_ms;           /* 0: not said */
};

/*
 * Begins a step that says `begin`, or sends its code again: look with cs_challenge_get() at what it asks for afterwards.
 * language: "en" or "zh", of what is sent; NULL is "en". Never asked again by itself.
 */
enum cs_status cs_challenge_begin(struct cs *handle, const char *challenge, const char *step, const char *language,
    struct cs_response *out, struct cs_error *error);

/*
 * Answers the steps, 1 to CS_STEPS_MAX of them. Never asked again by itself, since a wrong answer counts:
 * after CS_STATUS_LOST look with cs_challenge_get(). The message with the values is wiped after sending.
 */
enum cs_status cs_challenge_respond(struct cs *handle, const char *challenge, const struct cs_answer *answers,
    size_t count, struct cs_response *out, struct cs_error *error);

/* The user says no. report: "this was not me", which freezes the link as well. */
enum cs_status cs_challenge_refuse(struct cs *handle, const char *challenge, bool report,
    enum cs_challenge_state *state, struct cs_error *error);

/* --- step-up as a conversation, as pam_conv(3) has it --- */

/* What the user is told or asked, one thing at a time. */
enum cs_message_kind {
	CS_MESSAGE_CARD = 1, /* show what `prompt` asks for, word for word; before anything is asked */
	CS_MESSAGE_INFO,     /* tell */
	CS_MESSAGE_ERROR,    /* tell: something was wrong, or is in the way */
	CS_MESSAGE_NUMBER,   /* tell, and show step->number: the owner chooses the same one on their device */
	CS_MESSAGE_CHOOSE,   /* ask which of `choices`: the answer is its number, from "1" */
	CS_MESSAGE_ASK,      /* ask for a line */
	CS_MESSAGE_ASK_HIDDEN, /* the same, not shown while it is typed */
	CS_MESSAGE_PASSKEY,  /* ask for what PublicKeyCredential.toJSON() gives for step->challenge */
	CS_MESSAGE_WAIT,     /* wait a second for what the user wants; CS_REPLY_LOOK where that is nothing */
	CS_MESSAGE_END,      /* tell: prompt->state says how it ended */
};

struct cs_message {
	enum cs_message_kind kind;
	const struct cs_prompt *prompt; /* as the broker gave it last */
	const struct cs_step *step;     /* what it is about; NULL: all of it */
	const char *type;               /* what is asked for: "code", "text", "secret", "choice", "step" or "passkey"; or NULL */
	const char *text;               /* a sentence in the conversation's language, never NULL. Parts of it come from outside */
	int digits;                     /* of a code; 0: not known */
	const char (*choices)[CS_TEXT_MAX + 1];
	size_t choice_count;
	bool may_resend;                /* CS_REPLY_RESEND makes sense */
	bool may_go_back;               /* CS_REPLY_BACK makes sense: there is another way */
};

/* What the user wants. */
enum cs_reply {
	CS_REPLY_ANSWER = 0, /* `answer` holds it, where something was asked */
	CS_REPLY_REFUSE,     /* says no */
	CS_REPLY_NOT_ME,     /* did not ask for this: refuses, and the link is frozen */
	CS_REPLY_RESEND,     /* wants the code sent again */
	CS_REPLY_BACK,       /* wants another way */
	CS_REPLY_LOOK,       /* nothing: look how the challenge stands, and go on */
	CS_REPLY_STOP,       /* leaves; the challenge stays open */
};

/*
 * Tells or asks the user. answer: room for answer_size bytes with the NUL, wiped by the library after use. What the
 * function cannot do, or any other value than those above, counts as CS_REPLY_STOP.
 */
typedef enum cs_reply cs_conversation(void *ctx, const struct cs_message *message, char *answer, size_t answer_size);

enum { CS_CONVERSE_PASSKEYS = 1 }; /* `conversation` can have CS_MESSAGE_PASSKEY answered */

struct cs_converse {
	const char *language; /* "en" or "zh"; NULL is "en" */
	unsigned flags;
	cs_conversation *conversation;
	void *ctx;
};

/*
 * Shows the card, has the steps answered, sends codes again, says what was wrong, until the challenge is open no more or
 * the user leaves. Right: respond. CS_STATUS_OK: *state says how it stands; CS_CHALLENGE_OPEN where the user left, or
 * cannot answer here. A call that fails ends it too, and leaves the challenge as it is. CS_STATUS_MEMORY.
 */
enum cs_status cs_stepup_converse(struct cs *handle, const char *challenge, const struct cs_converse *how,
    enum cs_challenge_state *state, struct cs_error *error);

/* --- sessions --- */

struct cs_sign_in {
	char id[CS_ID_MAX + 1];
	char nonce[CS_ID_MAX + 1];
	char start_url[CS_URL_MAX + 1]; /* empty where there is no page: sign in natively, with the nonce */
	char expires_at[CS_TIME_MAX + 1];
};

struct cs_session {
	enum cs_outcome outcome;      /* permit, or deny: a suspended link, a frozen account */
	char reason[CS_WORD_MAX + 1];
	char id[CS_ID_MAX + 1];       /* empty unless permitted, as the rest */
	char account[CS_ID_MAX + 1];
	char link[CS_ID_MAX + 1];
	char expires_at[CS_TIME_MAX + 1];
};

/* return_url may be NULL. */
enum cs_status cs_session_begin(struct cs *handle, const char *provider, const char *return_url,
    struct cs_sign_in *out, struct cs_error *error);

/*
 * Uses the sign-in up. Exactly one of id_token and code. Never asked again by itself: after CS_STATUS_LOST begin anew.
 * CS_STATUS_NOT_FOUND: nobody has linked this ID. CS_STATUS_INVALID: the assertion does not verify.
 */
enum cs_status cs_session_open(struct cs *handle, const char *sign_in, const char *id_token, const char *code,
    struct cs_session *out, struct cs_error *error);

/* After a sign-in in the browser, once. Not finished yet: CS_STATUS_CONFLICT. */
enum cs_status cs_session_take(struct cs *handle, const char *sign_in, struct cs_session *out,
    struct cs_error *error);

enum cs_status cs_session_close(struct cs *handle, const char *session, struct cs_error *error);

/* --- anything else --- */

/*
 * Calls any method: parameters is a JSON object, NULL for none; the reply's parameters are written to `reply` as a
 * JSON object with its NUL, and their length without the NUL to *reply_len. Never asked again by itself.
 * CS_STATUS_ARGUMENT: parameters is not one JSON object. CS_STATUS_TOO_BIG: the call happened, its reply is longer than
 * reply_size; CS_MESSAGE_MAX + 1 bytes are always enough.
 */
enum cs_status cs_call(struct cs *handle, const char *method, const char *parameters, char *reply, size_t reply_size,
    size_t *reply_len, struct cs_error *error);

#ifdef __cplusplus
}
#endif

#endif
