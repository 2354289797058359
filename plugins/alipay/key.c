/* SPDX-License-Identifier: Apache-2.0 */
/* RSA2. */
#include "plugins/alipay/key.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/signing.h"

/* base64 with its padding, in one line; 0: it is not. to has room for 3 bytes for each 4. */
static size_t
base64_decode(struct countersign_view text, unsigned char *to)
{
	size_t padding = 0;
	int n;

	if (text.len == 0 || text.len % 4 != 0 || text.len > KEY_TEXT_MAX)
		return 0;
	while (padding < 2 && text.data[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len - padding; i++)
		if (!((text.data[i] >= 'A' && text.data[i] <= 'Z') || (text.data[i] >= 'a' && text.data[i] <= 'z') ||
			(text.data[i] >= '0' && text.data[i] <= '9') || text.data[i] == '+' || text.data[i] == '/'))
			return 0;
	n = EVP_DecodeBlock(to, (const unsigned char *)text.data, (int)text.len);
	return n < (int)padding ? 0 : (size_t)n - padding;
}

/* NULL, and freed, where it is no RSA key of a size that will do. */
static EVP_PKEY *
fit(EVP_PKEY *key)
{
	ERR_clear_error();
	if (key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= KEY_BITS_MIN &&
	    EVP_PKEY_get_bits(key) <= KEY_BITS_MAX)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static bool
is_pem(struct countersign_view text)
{
	static const char begin[] = "-----BEGIN ";

	return text.len > sizeof(begin) && memcmp(text.data, begin, sizeof(begin) - 1) == 0;
}

EVP_PKEY *
key_read_private(struct countersign_view text)
{
	unsigned char der[KEY_TEXT_MAX];
	const unsigned char *at = der;
	EVP_PKEY *key = NULL;

	if (is_pem(text)) {
		BIO *in = BIO_new_mem_buf(text.data, (int)text.len);

		key = in == NULL ? NULL : PEM_read_bio_PrivateKey(in, NULL, signing_no_passphrase, NULL);
		BIO_free(in);
	} else {
		size_t len = base64_decode(text, der);

		key = len == 0 ? NULL : d2i_AutoPrivateKey(NULL, &at, (long)len);
		OPENSSL_cleanse(der, sizeof(der));
	}
	return fit(key);
}

EVP_PKEY *
key_read_public(struct countersign_view text)
{
	unsigned char der[KEY_TEXT_MAX];
	const unsigned char *at = der;
	EVP_PKEY *key = NULL;

	if (is_pem(text)) {
		BIO *in = BIO_new_mem_buf(text.data, (int)text.len);

		key = in == NULL ? NULL : PEM_read_bio_PUBKEY(in, NULL, signing_no_passphrase, NULL);
		BIO_free(in);
	} else {
		size_t len = base64_decode(text, der);

		key = len == 0 ? NULL : d2i_PUBKEY(NULL, &at, (long)len);
	}
	return fit(key);
}

/* The issuer's name with the newest part first, as RFC 2253 has it; letters beyond ASCII as they are. */
static bool
put_issuer(BIO *to, const X509 *certificate)
{
	return X509_NAME_print_ex(to, X509_get_issuer_name(certificate), 0,
	    XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0;
}

static bool
put_serial(BIO *to, const X509 *certificate)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *decimal = number == NULL ? NULL : BN_bn2dec(number);
	bool done = decimal != NULL && BIO_puts(to, decimal) > 0;

	OPENSSL_free(decimal);
	BN_free(number);
	return done;
}

static bool
serial_of(const X509 *certificate, char serial[KEY_SERIAL_LEN + 1])
{
	BIO *text = BIO_new(BIO_s_mem());
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char *data = NULL;
	long size;
	bool done = text != NULL && put_issuer(text, certificate) && put_serial(text, certificate);

	size = done ? BIO_get_mem_data(text, &data) : 0;
	done = size > 0 && EVP_Digest(data, (size_t)size, digest, &len, EVP_md5(), NULL) == 1 &&
	    len * 2 == KEY_SERIAL_LEN;
	for (unsigned i = 0; done && i < len; i++)
		snprintf(serial + 2 * i, 3, "%02x", digest[i]);
	BIO_free(text);
	return done;
}

EVP_PKEY *
key_read_certificate(struct countersign_view pem, char serial[KEY_SERIAL_LEN + 1])
{
	BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *certificate = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, signing_no_passphrase, NULL);
	EVP_PKEY *key = NULL;

	if (certificate != NULL && serial_of(certificate, serial))
		key = X509_get_pubkey(certificate);
	X509_free(certificate);
	BIO_free(in);
	return fit(key);
}

int
key_sign(EVP_PKEY *key, struct countersign_view data, struct countersign_buffer *to)
{
	unsigned char signature[KEY_SIGNATURE_MAX];
	size_t len = sizeof(signature);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int rc = COUNTERSIGN_INTERNAL;

	if (context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(context, signature, &len, (const unsigned char *)data.data, data.len) == 1) {
		rc = COUNTERSIGN_OK;
		put_base64(to, &rc, (struct countersign_view){(char *)signature, len});
	}
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return rc;
}

bool
key_verify(EVP_PKEY *key, struct countersign_view data, struct countersign_view signature)
{
	unsigned char bytes[KEY_TEXT_MAX];
	size_t len = signature.len > KEY_SIGNATURE_MAX * 4 / 3 + 4 ? 0 : base64_decode(signature, bytes);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool right = len > 0 && context != NULL &&
	    EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestVerify(context, bytes, len, (const unsigned char *)data.data, data.len) == 1;

	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return right;
}
