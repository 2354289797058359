/* SPDX-License-Identifier: Apache-2.0 */
/* The bar of long commands. */
#include "broker/ctl/bar.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/ctl/print.h"

enum {
	WIDTH = 28,
	DRAW_EVERY_MS = 100,
	LINE_EVERY_MS = 5000, /* where nobody looks on */
	JSON_EVERY_MS = 1000,
	SETTLED_MS = 1000,    /* before that a rate is noise */
};

static int64_t
now_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.boot_ms;
}

const char *
bar_number(uint64_t n, char to[32])
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			to[at++] = ',';
		to[at++] = digits[i];
	}
	to[at] = '\0';
	return to;
}

const char *
bar_span(int64_t ms, char to[32])
{
	long long s = (ms + 999) / 1000;

	if (s < 100)
		(void)snprintf(to, 32, "%lld s", s);
	else if (s < 3600)
		(void)snprintf(to, 32, "%lld min", (s + 59) / 60);
	else
		(void)snprintf(to, 32, "%lld h %lld min", s / 3600, s / 60 % 60);
	return to;
}

static uint64_t
rate_of(const struct bar *b, int64_t spent_ms)
{
	return spent_ms <= 0 ? 0 : (b->done - b->begun) * 1000 / (uint64_t)spent_ms;
}

/* "", or what is left to wait. */
static const char *
left_of(const struct bar *b, uint64_t rate, int64_t spent_ms, char to[48])
{
	char span[32];

	to[0] = '\0';
	if (rate > 0 && b->total > b->done && spent_ms >= SETTLED_MS)
		(void)snprintf(to, 48, "  %s left", bar_span((int64_t)((b->total - b->done) * 1000 / rate), span));
	return to;
}

static void
draw(struct bar *b, int64_t spent_ms)
{
	uint64_t rate = rate_of(b, spent_ms), part = b->total == 0 ? 0 : b->done >= b->total ? 100 : b->done * 100 / b->total;
	char done[32], total[32], per[32], left[48], line[WIDTH + 1];

	for (unsigned i = 0; i < WIDTH; i++)
		line[i] = i < part * WIDTH / 100 ? '#' : '.';
	line[WIDTH] = '\0';
	(void)fprintf(stderr, "\r%-9s [%s] %3u %%  %s of %s  %s/s%s\033[K", b->phase, line, (unsigned)part,
	    bar_number(b->done, done), bar_number(b->total > b->done ? b->total : b->done, total), bar_number(rate, per),
	    left_of(b, rate, spent_ms, left));
	(void)fflush(stderr);
	b->drawn = true;
}

static void
tell_line(const struct bar *b, int64_t spent_ms)
{
	uint64_t rate = rate_of(b, spent_ms);
	char done[32], total[32], per[32], left[48];

	(void)fprintf(stderr, "%s: %s of %s, %s/s%s\n", b->phase, bar_number(b->done, done),
	    bar_number(b->total > b->done ? b->total : b->done, total), bar_number(rate, per),
	    left_of(b, rate, spent_ms, left));
	(void)fflush(stderr);
}

static void
tell_json(const struct bar *b, int64_t spent_ms, bool ended)
{
	(void)printf("{\"phase\": \"%s\", \"done\": %llu, \"total\": %llu, \"per_s\": %llu, \"spent_ms\": %lld, \"ended\": %s}\n",
	    b->phase, (unsigned long long)b->done, (unsigned long long)(b->total > b->done ? b->total : b->done),
	    (unsigned long long)rate_of(b, spent_ms), (long long)spent_ms, ended ? "true" : "false");
	(void)fflush(stdout);
}

void
bar_init(struct bar *b, const struct ctl *ctl)
{
	const char *term = getenv("TERM");

	*b = (struct bar){.ctl = ctl, .tty = !ctl->json && isatty(STDERR_FILENO) != 0 && term != NULL && strcmp(term, "dumb") != 0};
}

void
bar_clear(struct bar *b)
{
	if (b->drawn)
		(void)fprintf(stderr, "\r\033[K");
	b->drawn = false;
}

/* What a phase came to stays on the screen as one line. */
static void
end(struct bar *b)
{
	int64_t spent = now_ms() - b->started_ms;
	char done[32], span[32], per[32];

	if (b->phase == NULL)
		return;
	if (b->ctl->json) {
		tell_json(b, spent, true);
		return;
	}
	bar_clear(b);
	if (spent < SETTLED_MS)
		(void)fprintf(stderr, "%-9s %s\n", b->phase, bar_number(b->done, done));
	else
		(void)fprintf(stderr, "%-9s %s in %s, %s/s\n", b->phase, bar_number(b->done, done), bar_span(spent, span),
		    bar_number(rate_of(b, spent), per));
	(void)fflush(stderr);
}

void
bar_phase(struct bar *b, const char *phase, uint64_t done, uint64_t total)
{
	end(b);
	b->phase = phase;
	b->done = b->begun = done;
	b->total = total;
	b->started_ms = b->told_ms = now_ms();
}

void
bar_total(struct bar *b, uint64_t total)
{
	b->total = total;
}

void
bar_at(struct bar *b, uint64_t done)
{
	int64_t now = now_ms(), every = b->ctl->json ? JSON_EVERY_MS : b->tty ? DRAW_EVERY_MS : LINE_EVERY_MS;

	b->done = done;
	if (now - b->told_ms < every)
		return;
	b->told_ms = now;
	if (b->ctl->json)
		tell_json(b, now - b->started_ms, false);
	else if (b->tty)
		draw(b, now - b->started_ms);
	else
		tell_line(b, now - b->started_ms);
}

void
bar_note(struct bar *b, const char *format, ...)
{
	char line[512];
	struct bytes text;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	bar_clear(b);
	if (b->ctl->json) {
		struct json_writer w;

		bytes_init(&text, 8 * sizeof(line));
		w = json_to(&text.buf);
		json_object_begin(&w);
		json_member_str(&w, "note", view_str(line));
		json_object_end(&w);
		(void)printf("%.*s\n", (int)text.buf.len, (const char *)text.buf.data);
		(void)fflush(stdout);
	} else {
		bytes_init(&text, 8 * sizeof(line));
		text_escape(b->ctl, &text.buf, view_str(line));
		(void)fprintf(stderr, "%.*s\n", (int)text.buf.len, (const char *)text.buf.data);
		(void)fflush(stderr);
	}
	bytes_clear(&text);
}
