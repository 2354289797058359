/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures by liboauth2 and OpenSSL. This file alone touches either's verification. */
#include <openssl/evp.h>
#include <stdlib.h>

#include <oauth2/cfg.h>
#include <oauth2/log.h>
#include <oauth2/mem.h>
#include <oauth2/oauth2.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/signature.h"

enum {
	RSA_BITS_MIN = 2048,       /* RFC 7518 section 3.3 */
	RSA_BITS_MAX = 8192,       /* beyond, a verification costs milliseconds */
	RSA_EXPONENT_MIN = 65537,  /* smaller ones only help who attacks the padding */
	ED25519_BYTES = 32,
	SIGNATURE_MAX = RSA_BITS_MAX / 8,
};

struct signature {
	oauth2_log_t *log;
};

struct signature_key {
	oauth2_cfg_token_verify_t *verify;  /* RSA and EC */
	EVP_PKEY *ed25519;
};

/*
 * `bytes` of a signature where the algorithm fixes them: what is longer or shorter never reaches a
 * library.
 */
static const struct {
	const char *kty, *crv;
	size_t bytes;
	size_t coordinate;  /* bytes of x and of y (RFC 7518 section 6.2.1.2) */
} algorithms[OIDC_ALGORITHM_COUNT] = {
	[OIDC_RS256] = {"RSA", NULL, 0, 0},
	[OIDC_RS384] = {"RSA", NULL, 0, 0},
	[OIDC_RS512] = {"RSA", NULL, 0, 0},
	[OIDC_PS256] = {"RSA", NULL, 0, 0},
	[OIDC_PS384] = {"RSA", NULL, 0, 0},
	[OIDC_PS512] = {"RSA", NULL, 0, 0},
	[OIDC_ES256] = {"EC", "P-256", 64, 32},
	[OIDC_ES384] = {"EC", "P-384", 96, 48},
	[OIDC_ES512] = {"EC", "P-521", 132, 66},
	[OIDC_EDDSA] = {"OKP", "Ed25519", 64, 0},
};

/*
 * liboauth2 writes tokens into its messages: nothing of it goes to a log. Our own reasons say what
 * was wrong.
 */
static void
log_nowhere(oauth2_log_sink_t *sink, const char *file, unsigned long line, const char *function,
    oauth2_log_level_t level, const char *message)
{
	(void)sink, (void)file, (void)line, (void)function, (void)level, (void)message;
}

/*
 * liboauth2 keeps a cache whether it is asked for or not, of a thousand places of 8 KiB that each server fills with zeros
 * at its first token. Nothing is put into it here (expiry=0), so it may be as small as it can be.
 */
static void
cache_shrink(struct signature *s)
{
	/* Refused: the large one is made later, and only costs memory. */
	oauth2_mem_free(oauth2_cfg_set_cache(s->log, NULL, "shm", "max_entries=1&max_val_size=64"));
}

struct signature *
signature_open(void)
{
	struct signature *s = calloc(1, sizeof(*s));
	oauth2_log_sink_t *sink = oauth2_log_sink_create(OAUTH2_LOG_ERROR, log_nowhere, NULL);

	if (s != NULL && sink != NULL)
		s->log = oauth2_init(OAUTH2_LOG_ERROR, sink);
	if (s == NULL || s->log == NULL) {
		free(s);
		return NULL;
	}
	cache_shrink(s);
	return s;
}

void
signature_close(struct signature *s)
{
	if (s == NULL)
		return;
	oauth2_shutdown(s->log);
	free(s);
}

static bool
rsa_is_sane(const json_t *jwk)
{
	unsigned char n[RSA_BITS_MAX / 8], e[8];
	size_t n_len, e_len;
	uint64_t exponent = 0;

	if (!base64url_decode(json_member_text(jwk, "n"), n, sizeof(n), &n_len) ||
	    !base64url_decode(json_member_text(jwk, "e"), e, sizeof(e), &e_len))
		return false;
	for (size_t i = 0; i < e_len; i++)
		exponent = exponent << 8 | e[i];
	/* A full first byte: 2048 bits are 256 bytes with the highest bit set, no less. */
	return n_len >= RSA_BITS_MIN / 8 && (n[0] & 0x80) != 0 && (n[n_len - 1] & 1) != 0 &&
	    exponent >= RSA_EXPONENT_MIN && (exponent & 1) != 0;
}

/*
 * cjose asserts that what it decodes is base64url: a malformed coordinate would end this process.
 */
static bool
ec_is_sane(const json_t *jwk, size_t bytes)
{
	unsigned char point[2][SIGNATURE_MAX];
	size_t x_len, y_len;

	return base64url_decode(json_member_text(jwk, "x"), point[0], sizeof(point[0]), &x_len) &&
	    base64url_decode(json_member_text(jwk, "y"), point[1], sizeof(point[1]), &y_len) &&
	    x_len == bytes && y_len == bytes;
}

/* Only what makes the key: a JWK's other members are not for liboauth2 to interpret. */
static char *
public_part(const json_t *jwk)
{
	static const char *const names[] = {"kty", "n", "e", "crv", "x", "y"};
	json_t *clean = json_object();
	char *text;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *v = json_object_get(jwk, names[i]);

		if (json_is_string(v))
			json_object_set(clean, names[i], v);
	}
	text = json_dumps(clean, JSON_COMPACT);
	json_decref(clean);
	return text;
}

/*
 * Times are not liboauth2's business: it reads the system's clock, and has no slack; the claims are
 * judged in idtoken.c by the time that came with the call. expiry=0, since its cache of results
 * outlives tokens and knows no issuer.
 */
static oauth2_cfg_token_verify_t *
verify_new(struct signature *s, const json_t *jwk)
{
	oauth2_cfg_token_verify_t *verify = NULL;
	char *text = public_part(jwk), *problem;

	if (text == NULL)
		return NULL;
	problem = oauth2_cfg_token_verify_add_options(s->log, &verify, "jwk", text,
	    "verify.iss=skip&verify.exp=skip&verify.iat=skip&expiry=0");
	free(text);
	if (problem == NULL)
		return verify;
	oauth2_mem_free(problem);
	if (verify != NULL)
		oauth2_cfg_token_verify_free(s->log, verify);
	return NULL;
}

static EVP_PKEY *
ed25519_new(const json_t *jwk)
{
	unsigned char x[ED25519_BYTES];
	size_t len;

	if (!base64url_decode(json_member_text(jwk, "x"), x, sizeof(x), &len) || len != sizeof(x))
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, len);
}

struct signature_key *
signature_key_new(struct signature *s, const json_t *jwk, unsigned *set)
{
	struct countersign_view kty = json_member_text(jwk, "kty"), crv = json_member_text(jwk, "crv");
	struct signature_key *k;
	size_t coordinate = 0;
	unsigned can = 0;

	for (int i = 0; i < OIDC_ALGORITHM_COUNT; i++) {
		if (!view_is_text(kty, algorithms[i].kty) ||
		    (algorithms[i].crv != NULL && !view_is_text(crv, algorithms[i].crv)))
			continue;
		can |= 1U << i;
		coordinate = algorithms[i].coordinate;
	}
	if (can == 0 || (view_is_text(kty, "RSA") && !rsa_is_sane(jwk)) ||
	    (coordinate != 0 && !ec_is_sane(jwk, coordinate)))
		return NULL;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	if (view_is_text(kty, "OKP"))
		k->ed25519 = ed25519_new(jwk);
	else
		k->verify = verify_new(s, jwk);
	if (k->ed25519 == NULL && k->verify == NULL) {
		free(k);
		return NULL;
	}
	*set = can;
	return k;
}

void
signature_key_free(struct signature *s, struct signature_key *k)
{
	if (k == NULL)
		return;
	if (k->verify != NULL)
		oauth2_cfg_token_verify_free(s->log, k->verify);
	EVP_PKEY_free(k->ed25519);
	free(k);
}

static bool
ed25519_verify(EVP_PKEY *key, struct countersign_view signed_part, const unsigned char *signature,
    size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, signature, len, (const unsigned char *)signed_part.data,
	        signed_part.len) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

static bool
oauth2_verify(struct signature *s, const struct signature_key *k, const char *token)
{
	json_t *payload = NULL;
	bool good = oauth2_token_verify(s->log, NULL, k->verify, token, &payload);

	json_decref(payload);
	return good;
}

int
signature_verify(struct signature *s, const struct signature_key *k, enum oidc_algorithm a,
    const char *token)
{
	unsigned char signature[SIGNATURE_MAX];
	const char *dot = strrchr(token, '.');
	size_t len;
	bool good;

	if (dot == NULL || a >= OIDC_ALGORITHM_COUNT ||
	    !base64url_decode(countersign_view_of(dot + 1), signature, sizeof(signature), &len))
		return COUNTERSIGN_BAD_SIGNATURE;
	if (algorithms[a].bytes != 0 && len != algorithms[a].bytes)
		return COUNTERSIGN_BAD_SIGNATURE;
	if (a == OIDC_EDDSA)
		good = k->ed25519 != NULL && ed25519_verify(k->ed25519,
		    (struct countersign_view){token, (size_t)(dot - token)}, signature, len);
	else
		good = k->verify != NULL && oauth2_verify(s, k, token);
	return good ? COUNTERSIGN_OK : COUNTERSIGN_BAD_SIGNATURE;
}

/* RFC 7515 appendix A.3 and RFC 8037 appendix A.4. */
static const struct {
	enum oidc_algorithm algorithm;
	const char *jwk, *token;
} vectors[] = {
    {OIDC_ES256,
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
	"LmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISl"
	"SApmWQxfKTUJqPP3-Kg6NU1Q"},
    {OIDC_EDDSA,
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PG"
	"cvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
};

static int
vector_check(struct signature *s, enum oidc_algorithm a, const char *jwk_text, const char *token)
{
	json_t *jwk = json_loads(jwk_text, JSON_REJECT_DUPLICATES, NULL);
	unsigned can = 0;
	struct signature_key *k = signature_key_new(s, jwk, &can);
	char *tampered = strdup(token);
	int rc = COUNTERSIGN_INTERNAL;

	json_decref(jwk);
	if (k != NULL && tampered != NULL && (can & 1U << a) != 0) {
		char *payload = strchr(tampered, '.') + 2;

		*payload = *payload == 'A' ? 'B' : 'A';
		if (signature_verify(s, k, a, token) == COUNTERSIGN_OK &&
		    signature_verify(s, k, a, tampered) == COUNTERSIGN_BAD_SIGNATURE)
			rc = COUNTERSIGN_OK;
	}
	free(tampered);
	signature_key_free(s, k);
	return rc;
}

int
signature_self_test(struct signature *s)
{
	int rc = COUNTERSIGN_OK;

	for (size_t i = 0; rc == COUNTERSIGN_OK && i < sizeof(vectors) / sizeof(vectors[0]); i++)
		rc = vector_check(s, vectors[i].algorithm, vectors[i].jwk, vectors[i].token);
	return rc;
}
