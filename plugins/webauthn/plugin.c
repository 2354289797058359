/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The factor `webauthn`: passkeys and security keys (WebAuthn Level 3). See README.md. Built a second time it is the factor
 * `approve`: the same passkeys, on a device that its owner registered for approvals.
 */
#include <fido.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/webauthn/check.h"
#include "plugins/webauthn/proof.h"

#ifdef WEBAUTHN_APPROVES
#define KIND "approve"
#define KIND_HELP "Approval on a device that was registered for it, by its passkey."
#define RESTS_TOO "\ndevice:yes"
#else
#define KIND "webauthn"
#define KIND_HELP "Passkeys and security keys (WebAuthn Level 3)."
#define RESTS_TOO ""
#endif

struct webauthn {
	const struct countersign_host_v1 *host;
	struct policy policy;
	int64_t timeout_ms;
};

static const char *const verification_words[] = {"required", "payments", "preferred"};
static const char *const attestation_words[] = {"any", "signed", "certificate"};

static const struct countersign_config_key config[] = {
    {.name = "rp-id",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_REQUIRED,
	.min = 1,
	.max = RP_ID_MAX,
	.help = "Domain that passkeys are bound to; changing it makes every one of them useless."},
    {.name = "rp-name",
	.type = COUNTERSIGN_CONFIG_STRING,
	.min = 1,
	.max = RP_NAME_MAX,
	.default_value = "Countersign",
	.help = "Who asks, as the user's device shows it."},
    {.name = "origin",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_REQUIRED | COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = ORIGIN_MAX,
	.help = "Origin of a page where passkeys may be used, exactly as browsers write it."},
    {.name = "cross-origin",
	.type = COUNTERSIGN_CONFIG_BOOL,
	.default_value = "no",
	.help = "Whether that page may be in a frame of another site."},
    {.name = "top-origin",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = ORIGIN_MAX,
	.help = "Origin of a site that may have the page in a frame."},
    {.name = "user-verification",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "required payments preferred",
	.default_value = "required",
	.help = "When a fingerprint, face or PIN is insisted on: always, for payments, never."},
    {.name = "attestation",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "any signed certificate",
	.default_value = "any",
	.help = "What a new passkey must say of its authenticator."},
    {.name = "payment-confirmation",
	.type = COUNTERSIGN_CONFIG_BOOL,
	.default_value = "no",
	.help = "Whether the browser may show the card of a payment by itself (Secure Payment "
		"Confirmation)."},
    {.name = "timeout",
	.type = COUNTERSIGN_CONFIG_INT,
	.min = 10,
	.max = 600,
	.default_value = "300",
	.help = "Seconds that the browser waits for the user."},
};

/* ---- self-test ------------------------------------------------------------------------------- */

/* RFC 8032, 7.1, test 2: does EdDSA work here, and does a wrong signature fail? */
static int
webauthn_self_test(const struct countersign_host_v1 *host)
{
	static const unsigned char point[32] = {0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a,
	    0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4,
	    0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c};
	struct webauthn_key key = {.algorithm = ALGORITHM_EDDSA, .len = sizeof(point)};
	unsigned char authdata[37], hash[CLIENT_DATA_HASH], signature[64] = {0};
	const struct countersign_view rp = countersign_view_of("example.org");

	(void)host;
	fido_init(0);
	memcpy(key.bytes, point, sizeof(point));
	proof_hash(rp, authdata);
	memset(authdata + CLIENT_DATA_HASH, 0, sizeof(authdata) - CLIENT_DATA_HASH);
	authdata[CLIENT_DATA_HASH] = AUTHDATA_UP;
	proof_hash(countersign_view_of("abc"), hash);
	/* FIPS 180-2, B.1. */
	if (hash[0] != 0xba || hash[31] != 0xad || !proof_key_good(&key))
		return COUNTERSIGN_INTERNAL;
	return proof_assertion(rp, &key,
		   (struct countersign_view){(char *)authdata, sizeof(authdata)}, hash,
		   (struct countersign_view){(char *)signature, sizeof(signature)}) ==
		       COUNTERSIGN_BAD_SIGNATURE
		   ? COUNTERSIGN_OK
		   : COUNTERSIGN_INTERNAL;
}

/* ---- configuration --------------------------------------------------------------------------- */

static void
say(const struct webauthn *w, int level, const char *text, struct countersign_view about)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s%s%.*s", text, about.len > 0 ? ": " : "",
	    (int)(about.len > 255 ? 255 : about.len), about.len > 0 ? about.data : "");

	if (n > 0)
		w->host->log(w->host->context, level,
		    (struct countersign_view){
			line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1});
}

static unsigned
word(const struct webauthn *w, const char *key, const char *const *words, unsigned count)
{
	struct countersign_view v = w->host->config_text(w->host->context, key, 0);

	for (unsigned i = 0; i < count; i++)
		if (view_is_str(v, words[i]))
			return i;
	return 0; /* the strictest of verification; the host let no other word through */
}

static bool
read_origins(struct webauthn *w)
{
	const struct countersign_host_v1 *h = w->host;
	struct policy *p = &w->policy;

	p->origins_count = h->config_count(h->context, "origin");
	p->top_origins_count = h->config_count(h->context, "top-origin");
	if (p->origins_count == 0 || p->origins_count > ORIGINS_MAX ||
	    p->top_origins_count > ORIGINS_MAX) {
		say(w, COUNTERSIGN_LOG_ERROR,
		    "give `origin` 1 to 16 values, and `top-origin` at most 16",
		    countersign_view_of(NULL));
		return false;
	}
	for (size_t i = 0; i < p->origins_count; i++) {
		p->origins[i] = h->config_text(h->context, "origin", i);
		if (!policy_origin_fits(p->origins[i], p->rp_id)) {
			say(w, COUNTERSIGN_LOG_ERROR,
			    "`origin` is no https://HOST[:PORT] whose host is `rp-id` or "
			    "under it (http:// of localhost alone)",
			    p->origins[i]);
			return false;
		}
	}
	for (size_t i = 0; i < p->top_origins_count; i++) {
		p->top_origins[i] = h->config_text(h->context, "top-origin", i);
		if (!policy_origin_good(p->top_origins[i])) {
			say(w, COUNTERSIGN_LOG_ERROR, "`top-origin` is no https://HOST[:PORT]",
			    p->top_origins[i]);
			return false;
		}
	}
	if (p->top_origins_count > 0 && !p->cross_origin) {
		say(w, COUNTERSIGN_LOG_ERROR,
		    "`top-origin` means nothing without `set cross-origin yes`",
		    countersign_view_of(NULL));
		return false;
	}
	return true;
}

static bool
configure(struct webauthn *w)
{
	const struct countersign_host_v1 *h = w->host;
	struct policy *p = &w->policy;

	p->rp_id = h->config_text(h->context, "rp-id", 0);
	p->rp_name = h->config_text(h->context, "rp-name", 0);
	p->cross_origin = h->config_int(h->context, "cross-origin", 0) == 1;
	p->payment_confirmation = h->config_int(h->context, "payment-confirmation", 0) == 1;
	p->verification =
	    (enum verification_policy)word(w, "user-verification", verification_words, 3);
	p->attestation = (enum attestation_policy)word(w, "attestation", attestation_words, 3);
	w->timeout_ms = h->config_int(h->context, "timeout", 300) * 1000;
	if (!policy_rp_id_good(p->rp_id)) {
		say(w, COUNTERSIGN_LOG_ERROR, "`rp-id` is no host name in lower case", p->rp_id);
		return false;
	}
	return read_origins(w);
}

static int
webauthn_init(const struct countersign_host_v1 *host, void **instance)
{
	struct webauthn *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return COUNTERSIGN_INTERNAL;
	fido_init(0);
	w->host = host;
	if (!configure(w)) {
		free(w);
		return COUNTERSIGN_INVALID;
	}
	*instance = w;
	return COUNTERSIGN_OK;
}

static void
webauthn_fini(void *instance)
{
	free(instance);
}

static int
webauthn_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = 0;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

/* ---- enrolment ------------------------------------------------------------------------------- */

/* PublicKeyCredentialCreationOptionsJSON (WebAuthn, section 5.1.8). NULL: out of memory. */
static json_t *
creation_options(
    const struct webauthn *w, const struct registration *r, struct countersign_view name)
{
	static const int algorithms[] = {-7, -8, -257};
	const struct policy *p = &w->policy;
	const char *verification =
	    p->verification == VERIFICATION_PREFERRED ? "preferred" : "required";
	char challenge[64], handle[32];
	json_t *offered = json_array();
	size_t challenge_len = client_encode(r->challenge, sizeof(r->challenge), challenge);
	size_t handle_len = client_encode(r->user_handle, sizeof(r->user_handle), handle);

	for (size_t i = 0; offered != NULL && i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		json_array_append_new(
		    offered, json_pack("{s:s, s:i}", "type", "public-key", "alg", algorithms[i]));
	/*
	 * A discoverable credential, so that nobody need know its id to ask for it. Attestation is
	 * asked for only where something rests on it.
	 */
	return json_pack(
	    "{s:{s:s%, s:s%}, s:{s:s%, s:s%, s:s%}, s:s%, s:o, s:I, s:{s:s, s:b, s:s}, s:s}", "rp",
	    "id", p->rp_id.data, p->rp_id.len, "name", p->rp_name.data, p->rp_name.len, "user",
	    "id", handle, handle_len, "name", name.data, name.len, "displayName", name.data,
	    name.len, "challenge", challenge, challenge_len, "pubKeyCredParams", offered, "timeout",
	    (json_int_t)w->timeout_ms, "authenticatorSelection", "residentKey", "required",
	    "requireResidentKey", 1, "userVerification", verification, "attestation",
	    p->attestation == ATTESTATION_ANY ? "none" : "direct");
}

static int
put_options(const struct webauthn *w, const struct registration *r, struct countersign_view name,
    struct countersign_buffer *to)
{
	json_t *o = creation_options(w, r, name);
	char *text;
	int rc;

	/* Only what was made for it may be asked in the browser's own payment dialogue (SPC, section 3.1). */
	if (o != NULL && w->policy.payment_confirmation)
		(void)json_object_set_new(o, "extensions", json_pack("{s:{s:b}}", "payment", "isPayment", 1));
	text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
	rc = text == NULL ? COUNTERSIGN_INTERNAL : countersign_put(to, text, strlen(text));

	free(text);
	json_decref(o);
	return rc;
}

static int
webauthn_enrol(
    void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	const struct webauthn *w = instance;
	unsigned char record[RECORD_MAX];
	struct registration r;
	int rc;

	w->host->random(w->host->context, r.challenge, sizeof(r.challenge));
	w->host->random(w->host->context, r.user_handle, sizeof(r.user_handle));
	rc = countersign_put(&out->secret, record, registration_encode(&r, record));
	if (rc == COUNTERSIGN_OK)
		rc = put_options(w, &r, in->account_hint, &out->steps[0].value);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc != COUNTERSIGN_OK)
		return rc;
	out->steps[0].kind = COUNTERSIGN_STEP_PASSKEY;
	out->steps_count = 1;
	return COUNTERSIGN_OK;
}

/* ---- verification ---------------------------------------------------------------------------- */

enum { CHALLENGE_MIN = 16, CHALLENGE_MAX = 128 }; /* section 13.4.3: at least 16 bytes */

static void
verdict(const struct webauthn *w, struct countersign_verify_answer *out, enum refusal why,
    uint32_t counter)
{
	out->verdict = why == REFUSED_NOT;
	out->step = out->verdict == 1 ? (int64_t)counter : -1;
	if (why != REFUSED_NOT)
		say(w, why == REFUSED_COUNTER ? COUNTERSIGN_LOG_WARN : COUNTERSIGN_LOG_INFO,
		    refusal_text(why), countersign_view_of(NULL));
}

static size_t
put_hex(char *to, const unsigned char *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
	return 2 * n;
}

/* In groups of 8, 4, 4, 4 and 12 digits, as lists of models write it. */
static size_t
put_aaguid(char *to, const unsigned char aaguid[AUTHDATA_AAGUID])
{
	static const unsigned char groups[] = {4, 2, 2, 2, 6};
	size_t len = 0;

	for (size_t i = 0, at = 0; i < sizeof(groups); at += groups[i++]) {
		if (i > 0)
			to[len++] = '-';
		len += put_hex(to + len, aaguid + at, groups[i]);
	}
	return len;
}

/*
 * Whether there may be copies, and the model, which tells who keeps them: zeros tell nothing. That its maker vouches for it is
 * never said, since no list of makers is looked into.
 */
static int
put_rests_on(const struct passkey *key, struct countersign_buffer *to)
{
	static const unsigned char no_model[AUTHDATA_AAGUID];
	static const char possible[] = "copies:possible" RESTS_TOO, none[] = "copies:none" RESTS_TOO, model[] = "\naaguid:";
	bool backed_up = (key->flags & AUTHDATA_BE) != 0;
	char lines[sizeof(possible) + sizeof(model) + 36];
	size_t len = backed_up ? sizeof(possible) - 1 : sizeof(none) - 1;

	memcpy(lines, backed_up ? possible : none, len);
	if (memcmp(key->aaguid, no_model, sizeof(no_model)) != 0) {
		memcpy(lines + len, model, sizeof(model) - 1);
		len += sizeof(model) - 1;
		len += put_aaguid(lines + len, key->aaguid);
	}
	return countersign_put(to, lines, len);
}

/* The answer to enrol(): what is to be kept takes the place of what was asked. */
static int
verify_registration(const struct webauthn *w, const struct registration *asked,
    const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	unsigned char record[RECORD_MAX];
	struct passkey key;
	enum refusal why;
	int rc;

	if (!COUNTERSIGN_HAS(out, struct countersign_verify_answer, secret))
		return COUNTERSIGN_INVALID;
	rc = check_registration(&w->policy, asked, in->answer, &key, &why);
	if (rc == COUNTERSIGN_OK && why == REFUSED_NOT)
		rc = countersign_put(&out->secret, record, passkey_encode(&key, record));
	if (rc == COUNTERSIGN_OK && why == REFUSED_NOT &&
	    COUNTERSIGN_HAS(out, struct countersign_verify_answer, rests_on))
		rc = put_rests_on(&key, &out->rests_on);
	if (rc == COUNTERSIGN_OK)
		verdict(w, out, why, why == REFUSED_NOT ? key.counter : 0);
	return rc;
}

static int
verify_assertion(const struct webauthn *w, const struct passkey *key,
    const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	struct assertion_asked asked = {.payment = true, .counter = in->last_step};
	enum refusal why;
	uint32_t counter = 0;
	int rc;

	/* Without what it is for, an answer proves nothing. */
	if (!COUNTERSIGN_HAS(in, struct countersign_verify, operation) ||
	    in->challenge.len < CHALLENGE_MIN || in->challenge.len > CHALLENGE_MAX)
		return COUNTERSIGN_INVALID;
	asked.challenge = in->challenge;
	if (COUNTERSIGN_HAS(in, struct countersign_verify, card))
		asked.card = in->card;
	asked.payment = in->operation.len == 0 || view_is_str(in->operation, "spend") ||
			view_is_str(in->operation, "grant");
	rc = check_assertion(&w->policy, key, &asked, in->answer, &counter, &why);
	if (rc == COUNTERSIGN_OK)
		verdict(w, out, why, counter);
	return rc;
}

static int
webauthn_verify(
    void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	const struct webauthn *w = instance;
	struct registration asked;
	struct passkey key;
	int rc = COUNTERSIGN_INVALID;

	if (registration_decode(in->secret, &asked))
		rc = verify_registration(w, &asked, in, out);
	else if (passkey_decode(in->secret, &key))
		rc = verify_assertion(w, &key, in, out);
	if (rc != COUNTERSIGN_OK)
		return rc;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_factor_v1 factor = {
	    .size = sizeof(factor),
	    .kind = KIND,
	    .enrol = webauthn_enrol,
	    .verify = webauthn_verify,
	};
	static const struct countersign_plugin_v1 plugin = {
	    .size = sizeof(plugin),
	    .abi = COUNTERSIGN_PLUGIN_ABI,
	    .kinds = COUNTERSIGN_KIND_FACTOR,
	    .config_count = sizeof(config) / sizeof(config[0]),
	    .config_key_size = sizeof(config[0]),
	    .config = config,
	    .name = KIND,
	    .version = "1",
	    .help = KIND_HELP,
	    .self_test = webauthn_self_test,
	    .init = webauthn_init,
	    .fini = webauthn_fini,
	    .profile = webauthn_profile,
	    .factor = &factor,
	};

	return &plugin;
}
