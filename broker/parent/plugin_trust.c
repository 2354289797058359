/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, keys and signatures of plugins, with OpenSSL: the parent uses it nowhere else. */
#include "broker/parent/plugin_trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"

enum { SIGNATURE_LEN = 64, SIGNED_MAX = 512, READ_LEN = 64 * 1024 };

static enum cs_err say(char *problem, enum cs_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum cs_err
say(char *problem, enum cs_err err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(problem, TRUST_PROBLEM_MAX, format, ap);
	va_end(ap);
	return err;
}

void
trust_hex(const uint8_t sha256[TRUST_DIGEST_LEN], char to[TRUST_HEX_LEN + 1])
{
	for (size_t i = 0; i < TRUST_DIGEST_LEN; i++)
		snprintf(to + 2 * i, 3, "%02x", sha256[i]);
}

enum cs_err
trust_digest(int fd, uint8_t sha256[TRUST_DIGEST_LEN])
{
	static uint8_t chunk[READ_LEN];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	off_t at = 0;
	ssize_t n;

	CHECK(md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
	while ((n = pread(fd, chunk, sizeof(chunk), at)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		CHECK(EVP_DigestUpdate(md, chunk, (size_t)n) == 1);
		at += n;
	}
	if (n == 0)
		CHECK(EVP_DigestFinal_ex(md, sha256, NULL) == 1);
	EVP_MD_CTX_free(md);
	return n == 0 ? CS_OK : CS_ERR_SYSTEM;
}

const char *
trust_owner_problem(int fd, int directory)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!directory && !S_ISREG(st.st_mode))
		return "it is no regular file";
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return directory ? "its directory belongs to another user; chown it to root"
		                 : "it belongs to another user; chown it to root";
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return directory ? "others can write to its directory; chmod go-w it"
		                 : "others can write to it; chmod go-w it";
	return NULL;
}

/* At most cap bytes; -1 with errno, EFBIG where there are more. */
static ssize_t
read_small(int fd, char *to, size_t cap)
{
	size_t have = 0;
	ssize_t n = 0;

	while (have < cap && ((n = read(fd, to + have, cap - have)) > 0 || (n < 0 && errno == EINTR)))
		have += n > 0 ? (size_t)n : 0;
	if (n < 0)
		return -1;
	if (have == cap) {
		errno = EFBIG;
		return -1;
	}
	return (ssize_t)have;
}

static void
key_id(EVP_PKEY *key, char to[TRUST_KEY_ID_LEN + 1])
{
	uint8_t sha256[TRUST_DIGEST_LEN];
	char hex[TRUST_HEX_LEN + 1];
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	CHECK(len > 0 && EVP_Digest(der, (size_t)len, sha256, NULL, EVP_sha256(), NULL) == 1);
	OPENSSL_free(der);
	trust_hex(sha256, hex);
	memcpy(to, hex, TRUST_KEY_ID_LEN);
	to[TRUST_KEY_ID_LEN] = '\0';
}

/* What is signed. False where the name is too long or could be taken for another line. */
static bool
signed_text(const char *name, const uint8_t sha256[TRUST_DIGEST_LEN], char to[SIGNED_MAX])
{
	char hex[TRUST_HEX_LEN + 1];
	int n;

	trust_hex(sha256, hex);
	n = snprintf(to, SIGNED_MAX, "countersign-plugin-signature 1\nplugin %s\nsha256 %s\n", name, hex);
	return n > 0 && n < SIGNED_MAX && name[0] != '\0' && strpbrk(name, " \n\r\t") == NULL;
}

/* ---- the signature's file ---------------------------------------------------------------------- */

struct signature {
	char key[TRUST_KEY_ID_LEN + 1];
	uint8_t bytes[SIGNATURE_LEN];
};

/* The line's value after "NAME "; moves *text behind its newline. False: another line, or none. */
static bool
take_line(struct view *text, const char *name, struct view *value)
{
	size_t n = strlen(name);
	const char *end = memchr(text->data, '\n', text->len), *at = (const char *)text->data;
	size_t len = end == NULL ? 0 : (size_t)(end - at);

	if (end == NULL || len <= n || memcmp(at, name, n) != 0 || at[n] != ' ')
		return false;
	*value = view_of(at + n + 1, len - n - 1);
	*text = view_of(end + 1, text->len - len - 1);
	return true;
}

static enum cs_err
signature_read(struct view text, const char *name, const uint8_t sha256[TRUST_DIGEST_LEN], struct signature *out,
    char *problem)
{
	struct view version, plugin, digest, key, bytes;
	char hex[TRUST_HEX_LEN + 1];
	size_t len;

	trust_hex(sha256, hex);
	if (!take_line(&text, "countersign-plugin-signature", &version) || !take_line(&text, "plugin", &plugin) ||
	    !take_line(&text, "sha256", &digest) || !take_line(&text, "key", &key) ||
	    !take_line(&text, "signature", &bytes) || text.len != 0 || key.len != TRUST_KEY_ID_LEN ||
	    base64url_decode(bytes, out->bytes, sizeof(out->bytes), &len) != CS_OK || len != SIGNATURE_LEN)
		return say(problem, CS_ERR_DENIED,
		    "its signature is none of Countersign's; make one with: countersignctl plugin sign");
	if (!view_equal(version, VIEW("1")))
		return say(problem, CS_ERR_DENIED, "its signature is of a later version than this broker reads");
	if (!view_equal(plugin, view_str(name)))
		return say(problem, CS_ERR_DENIED, "it was signed as \"%.*s\", not as \"%.64s\"; give it back its name, or "
		    "have it signed under the new one", (int)(plugin.len < 64 ? plugin.len : 64), (const char *)plugin.data, name);
	if (!view_equal(digest, view_str(hex)))
		return say(problem, CS_ERR_DENIED, "it is not the file that was signed: it has sha256 %s, and the signature is of "
		    "%.*s; install file and signature of one release", hex, (int)(digest.len < 64 ? digest.len : 64),
		    (const char *)digest.data);
	memcpy(out->key, key.data, TRUST_KEY_ID_LEN);
	out->key[TRUST_KEY_ID_LEN] = '\0';
	return CS_OK;
}

/* ---- keys ---------------------------------------------------------------------------------------- */

static EVP_PKEY *
pem_key(const char *pem, size_t len, bool private)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *key;

	CHECK(bio != NULL);
	/* An encrypted key has no passphrase that could be asked for here: the empty one fails. */
	key = private ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (key != NULL && EVP_PKEY_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static enum cs_err
key_read(int directory, const char *keys, const char *name, EVP_PKEY **out, char *problem)
{
	char pem[TRUST_KEY_FILE_MAX];
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *wrong;
	EVP_PKEY *key;
	ssize_t n;

	if (fd < 0)
		return say(problem, CS_ERR_DENIED, "the trusted key %.255s/%.100s: %s", keys, name,
		    errno == ELOOP ? "it is a symbolic link; put the file itself there" : strerror(errno));
	wrong = trust_owner_problem(fd, 0);
	n = wrong == NULL ? read_small(fd, pem, sizeof(pem)) : 0;
	if (wrong == NULL && n < 0)
		wrong = strerror(errno);
	close(fd);
	if (wrong != NULL)
		return say(problem, CS_ERR_DENIED, "the trusted key %.255s/%.100s: %s", keys, name, wrong);
	key = pem_key(pem, (size_t)n, false);
	if (key == NULL)
		return say(problem, CS_ERR_DENIED, "the trusted key %.255s/%.100s: it is no Ed25519 public key in PEM; make one "
		    "with: openssl pkey -in KEY.pem -pubout, or remove it", keys, name);
	*out = key;
	return CS_OK;
}

static bool
key_verifies(EVP_PKEY *key, const char *text, const struct signature *s)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good;

	CHECK(md != NULL);
	good = EVP_DigestVerifyInit(md, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(md, s->bytes, sizeof(s->bytes), (const unsigned char *)text, strlen(text)) == 1;
	EVP_MD_CTX_free(md);
	return good;
}

static bool
is_key_name(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && len <= TRUST_NAME_MAX && name[0] != '.' && strcmp(name + len - 4, ".pub") == 0;
}

/* Every key is looked at, whichever verifies: one that others could have written must not lie there unnoticed. */
static enum cs_err
keys_try(DIR *dir, const char *keys, const char *text, const struct signature *s, char *signer, char *problem)
{
	struct dirent *entry;
	bool found = false;
	unsigned count = 0;

	while ((entry = readdir(dir)) != NULL) {
		EVP_PKEY *key = NULL;
		enum cs_err e;

		if (!is_key_name(entry->d_name))
			continue;
		if (++count > TRUST_KEYS_MAX)
			return say(problem, CS_ERR_DENIED, "there are more than %d keys in %.255s; remove some", TRUST_KEYS_MAX, keys);
		e = key_read(dirfd(dir), keys, entry->d_name, &key, problem);
		if (e != CS_OK)
			return e;
		if (!found && key_verifies(key, text, s)) {
			found = true;
			snprintf(signer, TRUST_NAME_MAX + 1, "%s", entry->d_name);
		}
		EVP_PKEY_free(key);
	}
	if (found)
		return CS_OK;
	if (count == 0)
		return say(problem, CS_ERR_DENIED, "no key is trusted; put the public key of who signs your plugins, as NAME.pub, "
		    "into %.255s", keys);
	return say(problem, CS_ERR_DENIED, "no trusted key made its signature, which says that it is of the key %s; put that "
	    "key into %.255s if you trust it", s->key, keys);
}

enum cs_err
trust_verify(const char *keys, const char *name, const uint8_t sha256[TRUST_DIGEST_LEN], const char *signature, size_t len,
    char *signer, char *problem)
{
	char text[SIGNED_MAX];
	struct signature s;
	enum cs_err e = signature_read(view_of(signature, len), name, sha256, &s, problem);
	const char *wrong;
	DIR *dir;
	int fd;

	if (e != CS_OK)
		return e;
	if (!signed_text(name, sha256, text))
		return say(problem, CS_ERR_DENIED, "its name cannot be signed; choose a shorter one without blanks");
	fd = open(keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return say(problem, CS_ERR_DENIED, "no key is trusted, as there is no directory %.255s; make it, of root and mode "
		    "0755, and put the public key of who signs your plugins into it, as NAME.pub", keys);
	if (fd < 0)
		return say(problem, CS_ERR_SYSTEM, "the trusted keys in %.255s cannot be read: %s", keys, strerror(errno));
	wrong = trust_owner_problem(fd, 1);
	dir = wrong == NULL ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		close(fd);
		return say(problem, CS_ERR_DENIED, "the trusted keys in %.255s: %s", keys,
		    wrong == NULL ? "they cannot be listed" : wrong);
	}
	e = keys_try(dir, keys, text, &s, signer, problem);
	closedir(dir);
	return e;
}

/* ---- signing -------------------------------------------------------------------------------------- */

static enum cs_err
private_key_read(const char *path, EVP_PKEY **out, char *problem)
{
	char pem[TRUST_KEY_FILE_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return say(problem, CS_ERR_SYSTEM, "the key %.255s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		close(fd);
		return say(problem, CS_ERR_DENIED, "the key %.255s: it is no file that you alone can read; chmod 600 it", path);
	}
	n = read_small(fd, pem, sizeof(pem));
	close(fd);
	*out = n < 0 ? NULL : pem_key(pem, (size_t)n, true);
	secret_wipe(pem, sizeof(pem));
	if (*out == NULL)
		return say(problem, CS_ERR_DENIED, "the key %.255s: it is no Ed25519 private key in PEM without a passphrase; make "
		    "one with: openssl genpkey -algorithm ed25519 -out KEY.pem", path);
	return CS_OK;
}

enum cs_err
trust_sign(const char *key_file, const char *name, const uint8_t sha256[TRUST_DIGEST_LEN],
    char to[TRUST_SIGNATURE_FILE_MAX], char *problem)
{
	char text[SIGNED_MAX], id[TRUST_KEY_ID_LEN + 1], written[BASE64URL_LEN(SIGNATURE_LEN) + 1];
	uint8_t bytes[SIGNATURE_LEN];
	size_t len = sizeof(bytes);
	EVP_PKEY *key;
	EVP_MD_CTX *md;
	enum cs_err e;

	if (!signed_text(name, sha256, text))
		return say(problem, CS_ERR_DENIED, "its name cannot be signed; choose a shorter one without blanks");
	e = private_key_read(key_file, &key, problem);
	if (e != CS_OK)
		return e;
	md = EVP_MD_CTX_new();
	CHECK(md != NULL && EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(md, bytes, &len, (const unsigned char *)text, strlen(text)) == 1 && len == sizeof(bytes));
	EVP_MD_CTX_free(md);
	key_id(key, id);
	EVP_PKEY_free(key);
	written[base64url_encode(bytes, sizeof(bytes), written)] = '\0';
	snprintf(to, TRUST_SIGNATURE_FILE_MAX, "%skey %s\nsignature %s\n", text, id, written);
	return CS_OK;
}
