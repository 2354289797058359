/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a keeper. */
#include "plugins/pam/talk.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static int64_t
boot_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* False: nothing came in this time. */
static bool
wait_for(int fd, int64_t wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t end = boot_ms() + wait_ms, left = wait_ms;
	int n;

	do {
		n = poll(&p, 1, left > 0 ? (int)left : 0);
		left = end - boot_ms();
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

enum talk_result
talk(const struct wire_address *at, uint8_t round, const struct countersign_view *answers, int64_t wait_ms, struct wire *event)
{
	struct wire w = {.type = answers == NULL ? WIRE_WAIT : WIRE_ANSWERS, .round = round};
	enum talk_result result = TALK_GONE;
	int fd = wire_connect(at);

	memcpy(w.key, at->key, sizeof(w.key));
	if (answers != NULL && answers->len > 0) {
		memcpy(w.text, answers->data, answers->len);
		w.text_len = (uint16_t)answers->len;
	}
	if (fd >= 0 && wire_send(fd, &w)) {
		result = wait_for(fd, wait_ms) ? TALK_EVENT : TALK_SILENT;
		w.type = WIRE_STATUS;
		w.text_len = 0;
		if (result == TALK_SILENT && !wire_send(fd, &w))
			result = TALK_GONE;
		/* An event that came between the two requests is not lost: the keeper keeps it. */
		if (result != TALK_GONE && !wire_receive(fd, event))
			result = TALK_GONE;
		if (result == TALK_SILENT && event->type != WIRE_INFO)
			result = TALK_EVENT;
	}
	explicit_bzero(&w, sizeof(w));
	if (fd >= 0)
		close(fd);
	return result;
}

void
talk_quit(const struct wire_address *at)
{
	struct wire w = {.type = WIRE_QUIT};
	int fd = wire_connect(at);

	if (fd < 0)
		return;
	memcpy(w.key, at->key, sizeof(w.key));
	(void)wire_send(fd, &w);
	close(fd);
}
