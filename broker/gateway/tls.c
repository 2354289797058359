/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS context, and who the client is. No session is resumed: a handshake is cheap beside what
 * it decides. */
#include "broker/gateway/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "broker/base/log.h"
#include "broker/base/secret.h"

enum { DIGEST = 32 };

static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool
key_load(SSL_CTX *ctx, const char *path)
{
	static struct secret pem;
	enum cs_err rc = secret_read_file(path, true, &pem);
	EVP_PKEY *key = NULL;
	BIO *bio;
	bool ok;

	if (rc != CS_OK) {
		log_error("cannot read the TLS key file=%s error=%s mend=\"it must belong to this "
			  "user or root, with mode "
			  "0600\"",
		    log_value(view_str(path)),
		    rc == CS_ERR_SYSTEM ? strerror(errno) : cs_err_name(rc));
		return false;
	}
	bio = BIO_new_mem_buf(pem.bytes, (int)pem.len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, secret_no_passphrase, NULL);
	BIO_free(bio);
	secret_clear(&pem);
	ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
	     SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	if (!ok)
		log_error("the TLS key is no key in PEM without passphrase, or not that of the "
			  "certificate file=%s",
		    log_value(view_str(path)));
	return ok;
}

static bool
client_ca_load(SSL_CTX *ctx, const char *path)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);

	if (names == NULL || SSL_CTX_load_verify_file(ctx, path) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		log_error(
		    "cannot read the certificates of client-ca file=%s", log_value(view_str(path)));
		return false;
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	/* Browsers have none, so none is required; one that is shown must verify. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return true;
}

static void
context_set(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One read for header and body of a record. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_passwd_cb(ctx, secret_no_passphrase);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	/* TLS 1.2: forward secret and authenticated, nothing else. */
	SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
}

SSL_CTX *
tls_context(const char *certificate, const char *key, const char *client_ca)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return NULL;
	context_set(ctx);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1) {
		log_error("cannot read the TLS certificate file=%s mend=\"PEM, own certificate "
			  "first, then its chain\"",
		    log_value(view_str(certificate)));
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (!key_load(ctx, key) || (client_ca != NULL && !client_ca_load(ctx, client_ca))) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

bool
tls_fingerprint(const SSL *ssl, char to[TLS_FINGERPRINT_HEX])
{
	static const char hex[] = "0123456789abcdef";
	X509 *cert = SSL_get1_peer_certificate(ssl);
	unsigned char sum[DIGEST];
	unsigned len = 0;
	bool ok = cert != NULL && SSL_get_verify_result(ssl) == X509_V_OK &&
		  X509_digest(cert, EVP_sha256(), sum, &len) == 1 && len == DIGEST;

	X509_free(cert);
	for (size_t i = 0; ok && i < DIGEST; i++) {
		to[2 * i] = hex[sum[i] >> 4];
		to[2 * i + 1] = hex[sum[i] & 15];
	}
	return ok;
}
