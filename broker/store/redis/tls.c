/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for the wires, over memory, so that a wire has one way of reading and writing whether it is encrypted or not. */
#include "broker/store/redis/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"

enum { CHUNK = 16 * 1024 };

struct tls_client {
	SSL_CTX *ctx;
	char *server_name;
};

struct tls {
	SSL *ssl;
	BIO *in, *out;   /* the SSL's own */
	bool up;
};

static const char *
reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text == NULL ? "no reason given" : text;
}

static enum cs_err
key_load(SSL_CTX *ctx, const char *path, char *why, size_t cap)
{
	static struct secret pem;
	enum cs_err rc = secret_read_file(path, true, &pem);
	EVP_PKEY *key = NULL;
	BIO *bio;
	bool ok;

	if (rc != CS_OK) {
		snprintf(why, cap, "cannot read the key %s: %s; it must belong to this user or root, with mode 0600", path,
		    rc == CS_ERR_SYSTEM ? strerror(errno) : cs_err_name(rc));
		return CS_ERR_DENIED;
	}
	bio = BIO_new_mem_buf(pem.bytes, (int)pem.len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, secret_no_passphrase, NULL);
	BIO_free(bio);
	secret_clear(&pem);
	ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	if (!ok)
		snprintf(why, cap, "the key %s is no PEM key without passphrase, or not that of the certificate", path);
	return ok ? CS_OK : CS_ERR_DENIED;
}

static enum cs_err
files_load(SSL_CTX *ctx, const char *ca, const char *certificate, const char *key, char *why, size_t cap)
{
	if (ca == NULL ? SSL_CTX_set_default_verify_paths(ctx) != 1 : SSL_CTX_load_verify_file(ctx, ca) != 1) {
		snprintf(why, cap, "cannot read the certificates of the authority %s: %s", ca == NULL ? "of the system" : ca, reason());
		return CS_ERR_DENIED;
	}
	if (certificate == NULL)
		return CS_OK;
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1) {
		snprintf(why, cap, "cannot read the certificate %s: %s; PEM, own certificate first, then its chain", certificate,
		    reason());
		return CS_ERR_DENIED;
	}
	return key_load(ctx, key, why, cap);
}

enum cs_err
tls_client_new(const char *ca, const char *certificate, const char *key, const char *server_name, struct tls_client **out,
    char *why, size_t why_cap)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct tls_client *c;
	enum cs_err rc;

	CHECK(ctx != NULL);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(ctx, secret_no_passphrase);
	SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	ERR_clear_error();
	rc = files_load(ctx, ca, certificate, key, why, why_cap);
	if (rc != CS_OK) {
		SSL_CTX_free(ctx);
		return rc;
	}
	c = calloc(1, sizeof(*c));
	CHECK(c != NULL);
	c->ctx = ctx;
	if (server_name != NULL) {
		c->server_name = strdup(server_name);
		CHECK(c->server_name != NULL);
	}
	*out = c;
	return CS_OK;
}

void
tls_client_free(struct tls_client *c)
{
	if (c == NULL)
		return;
	SSL_CTX_free(c->ctx);
	free(c->server_name);
	free(c);
}

static void
name_expect(SSL *ssl, const char *name)
{
	unsigned char ip[16];
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1) {
		CHECK(X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1);
		return;
	}
	CHECK(X509_VERIFY_PARAM_set1_host(param, name, 0) == 1);
	CHECK(SSL_set_tlsext_host_name(ssl, name) == 1);
}

struct tls *
tls_new(struct tls_client *c, const char *host)
{
	struct tls *t = calloc(1, sizeof(*t));

	CHECK(t != NULL);
	t->ssl = SSL_new(c->ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	CHECK(t->ssl != NULL && t->in != NULL && t->out != NULL);
	BIO_set_mem_eof_return(t->in, -1);
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_connect_state(t->ssl);
	name_expect(t->ssl, c->server_name != NULL ? c->server_name : host);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

static void
out_move(struct tls *t, struct bytes *wire)
{
	char *data;
	long n = BIO_get_mem_data(t->out, &data);

	if (n <= 0)
		return;
	buf_put(&wire->buf, data, (size_t)n);
	CHECK(BIO_reset(t->out) == 1);
}

static enum cs_err
failed(const struct tls *t, char *why, size_t cap)
{
	long verdict = SSL_get_verify_result(t->ssl);

	if (verdict != X509_V_OK)
		snprintf(why, cap, "TLS: its certificate is not accepted: %s; see ca and server-name", X509_verify_cert_error_string(verdict));
	else
		snprintf(why, cap, "TLS: %s", reason());
	ERR_clear_error();
	return CS_ERR_DENIED;
}

/* Whether an SSL call only waits for more bytes. */
static bool
waits(const struct tls *t, int rc)
{
	return SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_READ;
}

enum cs_err
tls_feed(struct tls *t, const void *data, size_t n, struct bytes *plain, struct bytes *wire, bool *up, char *why, size_t why_cap)
{
	uint8_t chunk[CHUNK];
	int rc;

	ERR_clear_error();
	if (n > 0)
		CHECK(BIO_write(t->in, data, (int)n) == (int)n);
	if (!t->up) {
		rc = SSL_do_handshake(t->ssl);
		out_move(t, wire);
		if (rc != 1)
			return waits(t, rc) ? CS_OK : failed(t, why, why_cap);
		t->up = true;
	}
	while ((rc = SSL_read(t->ssl, chunk, sizeof(chunk))) > 0)
		buf_put(&plain->buf, chunk, (size_t)rc);
	if (!waits(t, rc)) {
		secret_wipe(chunk, sizeof(chunk));
		return failed(t, why, why_cap);
	}
	out_move(t, wire);
	*up = true;
	return CS_OK;
}

enum cs_err
tls_write(struct tls *t, const void *data, size_t n, struct bytes *wire)
{
	size_t done = 0;

	CHECK(t->up);
	if (n == 0)
		return CS_OK;
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, data, n, &done) != 1 || done != n)
		return CS_ERR_DENIED;
	out_move(t, wire);
	return CS_OK;
}
