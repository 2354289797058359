/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets and randomness, from libc and the kernel alone: the client library must need nothing
 * else.
 */
#include "broker/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/check.h"

enum {
	/* One page: a decision draws 16 to 32 bytes, and a system call for each is dear. */
	POOL_BYTES = 4096 - sizeof(size_t),
	/* What is larger comes from the kernel directly. */
	POOL_DRAW_MAX = 256,
};

/*
 * Lies in a page that the kernel zeroes in a child after fork: `left` is then 0, and the child
 * draws its own.
 */
struct pool {
	size_t left;
	uint8_t bytes[POOL_BYTES];
};

void
secret_wipe(void *mem, size_t len)
{
	if (len > 0)
		explicit_bzero(mem, len);
}

void
secret_clear(struct secret *s)
{
	secret_wipe(s, sizeof(*s));
}

bool
secret_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t differ = 0;

	for (size_t i = 0; i < len; i++)
		differ |= x[i] ^ y[i];
	return differ == 0;
}

static void
kernel_random(uint8_t *to, size_t len)
{
	while (len > 0) {
		ssize_t n = getrandom(to, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		CHECK(n > 0);
		to += n;
		len -= (size_t)n;
	}
}

/* NULL where the kernel cannot wipe a page on fork. */
static struct pool *
pool_new(void)
{
	void *page = mmap(
	    NULL, sizeof(struct pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, sizeof(struct pool), MADV_WIPEONFORK) != 0) {
		munmap(page, sizeof(struct pool));
		return NULL;
	}
	madvise(page, sizeof(struct pool), MADV_DONTDUMP);
	return page;
}

void
secret_random(void *to, size_t len)
{
	static _Thread_local struct pool *pool;
	static _Thread_local bool tried;
	uint8_t *from;

	if (!tried) {
		tried = true;
		pool = pool_new();
	}
	if (pool == NULL || len > POOL_DRAW_MAX) {
		kernel_random(to, len);
		return;
	}
	if (pool->left < len) {
		kernel_random(pool->bytes, sizeof(pool->bytes));
		pool->left = sizeof(pool->bytes);
	}
	pool->left -= len;
	from = pool->bytes + pool->left;
	memcpy(to, from, len);
	secret_wipe(from, len);
}

static enum cs_err
file_check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return CS_ERR_SYSTEM;
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return CS_ERR_DENIED;
	return st.st_size > SECRET_MAX ? CS_ERR_FULL : CS_OK;
}

/* Reads to the end into s, which is empty. */
static enum cs_err
file_read(int fd, struct secret *s)
{
	uint8_t beyond;

	for (;;) {
		bool full = s->len == SECRET_MAX;
		ssize_t n = full ? read(fd, &beyond, 1)
				 : read(fd, s->bytes + s->len, SECRET_MAX - s->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return CS_ERR_SYSTEM;
		if (n == 0)
			return CS_OK;
		if (full)
			return CS_ERR_FULL;
		s->len += (size_t)n;
	}
}

enum cs_err
secret_read_file(const char *path, bool text, struct secret *to)
{
	/* Non-blocking: a FIFO in its place must not hang the start. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct secret got = {.len = 0};
	enum cs_err rc;
	int saved;

	if (fd < 0)
		return CS_ERR_SYSTEM;
	rc = file_check(fd);
	if (rc == CS_OK)
		rc = file_read(fd, &got);
	saved = errno;
	close(fd);
	errno = saved;
	if (rc == CS_OK) {
		if (text && got.len > 0 && got.bytes[got.len - 1] == '\n')
			got.bytes[--got.len] = 0;
		*to = got;
	}
	secret_clear(&got);
	return rc;
}

int
secret_no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to, (void)size, (void)writing, (void)arg;
	return -1;
}
