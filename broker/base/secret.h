/* SPDX-License-Identifier: Apache-2.0 */
/* A short secret: zeroed on release, compared in constant time, with no way to print it. */
#ifndef CS_BASE_SECRET_H
#define CS_BASE_SECRET_H

#include "broker/base/buf.h"
#include "broker/base/err.h"

enum { SECRET_MAX = 4096 };

struct secret {
	size_t len;
	uint8_t bytes[SECRET_MAX];
};

void secret_clear(struct secret *s);
bool secret_equal(const void *a, const void *b, size_t len);
/* Zeroes memory in a way that the compiler keeps. */
void secret_wipe(void *mem, size_t len);
/* Fills from the kernel; aborts where it cannot. */
void secret_random(void *to, size_t len);
/*
 * Reads a file that must be a regular file, owned by this uid or root, without any access for group
 * and others, and at most SECRET_MAX bytes; a trailing newline is dropped when `text`.
 * CS_ERR_SYSTEM (errno), CS_ERR_DENIED (its mode or owner), CS_ERR_FULL.
 */
enum cs_err secret_read_file(const char *path, bool text, struct secret *to);
/* The answer to a library that would ask for a key's passphrase, on a terminal that no daemon has: none. As OpenSSL's pem_password_cb. */
int secret_no_passphrase(char *to, int size, int writing, void *arg);

#endif
