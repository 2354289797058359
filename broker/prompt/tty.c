/* SPDX-License-Identifier: Apache-2.0 */
/* Reading lines from the terminal, which is as it was before whatever happens. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "broker/prompt/prompt.h"

/* Whatever ends or stops a program from outside. */
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static volatile sig_atomic_t caught;

static void
catch(int sig)
{
	caught = sig;
}

bool
tty_open(struct prompt *p)
{
	p->tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return p->tty >= 0 && isatty(p->tty);
}

struct guard {
	struct sigaction actions[SIGNALS];
	sigset_t mask;
	struct termios mode;
	bool has_mode;
};

/* From here the signals wait until ppoll() lets them in. */
static void
guard_begin(struct prompt *p, struct guard *g, bool echo)
{
	struct sigaction action = {.sa_handler = catch};
	sigset_t block;

	(void)sigemptyset(&block);
	for (int i = 0; i < SIGNALS; i++)
		(void)sigaddset(&block, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &block, &g->mask);
	caught = 0;
	(void)sigemptyset(&action.sa_mask);
	for (int i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &action, &g->actions[i]);
	g->has_mode = tcgetattr(p->tty, &g->mode) == 0;
	if (g->has_mode && !echo) {
		struct termios hidden = g->mode;

		hidden.c_lflag &= ~(tcflag_t)ECHO;
		hidden.c_lflag |= ECHONL;
		(void)tcsetattr(p->tty, TCSAFLUSH, &hidden);
	}
}

static void
guard_end(struct prompt *p, const struct guard *g)
{
	if (g->has_mode)
		(void)tcsetattr(p->tty, TCSANOW, &g->mode);
	for (int i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &g->actions[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &g->mask, NULL);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One line of the terminal's own line editor. What is longer than `size` is no answer to anything, and is cut. */
static enum line_result
line_read(struct prompt *p, const sigset_t *mask, int timeout_ms, char *line, size_t size)
{
	int64_t until = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	size_t len = 0;

	for (;;) {
		struct pollfd poll_in = {.fd = p->tty, .events = POLLIN};
		int64_t left = timeout_ms < 0 ? 0 : until - now_ms();
		struct timespec wait = {.tv_sec = left < 0 ? 0 : left / 1000, .tv_nsec = left < 0 ? 0 : left % 1000 * 1000000};
		int ready = ppoll(&poll_in, 1, timeout_ms < 0 ? NULL : &wait, mask);
		char c;

		if (ready <= 0)
			return ready == 0 && caught == 0 ? LINE_TIMEOUT : LINE_END;
		if (read(p->tty, &c, 1) != 1)
			return LINE_END;
		if (c == '\n')
			break;
		if (len + 1 < size)
			line[len++] = c;
	}
	line[len] = '\0';
	return LINE_GOT;
}

enum line_result
tty_line(struct prompt *p, bool echo, int timeout_ms, char *line, size_t size)
{
	struct bytes again;
	enum line_result result;
	struct guard guard;

	bytes_init(&again, PROMPT_OUT_MAX);
	buf_put_view(&again.buf, buf_view(&p->out.buf));
	do {
		guard_begin(p, &guard, echo);
		if (p->out.buf.len == 0)
			buf_put_view(&p->out.buf, buf_view(&again.buf));
		out_flush(p);
		result = line_read(p, &guard.mask, timeout_ms, line, size);
		guard_end(p, &guard);
		if (caught != 0)
			(void)raise(caught);
	} while (caught == SIGTSTP);
	bytes_clear(&again);
	return result;
}
