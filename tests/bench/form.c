/* SPDX-License-Identifier: Apache-2.0 */
/* Cut at the start, then only copied: the client must not be what is measured. */
#include "tests/bench/form.h"

#include <err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SERIAL_DIGITS = 10, LENGTH_DIGITS = 5 };

void
form_init(struct form *f, const char *text, const char *param)
{
	struct timespec ts;
	size_t n = 0;

	*f = (struct form){.param = param != NULL ? param : ""};
	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(f->now, sizeof(f->now), "%010lld", (long long)ts.tv_sec);
	f->prefix_len = (size_t)snprintf(f->payment, sizeof(f->payment), "p%08lx%05x",
	    (unsigned long)ts.tv_sec & 0xffffffff,
	    ((unsigned)getpid() ^ (unsigned)ts.tv_nsec) & 0xfffff);
	for (const char *p = text;; n++) {
		const char *mark = strchr(p, '%');

		if (n == FORM_PARTS)
			errx(1, "more than %d parts in a message", FORM_PARTS);
		f->parts[n].text = p;
		f->parts[n].len = mark != NULL ? (size_t)(mark - p) : strlen(p);
		f->parts[n].field = mark != NULL ? mark[1] : '\0';
		if (mark == NULL)
			return;
		p = mark + 2;
	}
}

static struct word
next_payment(struct form *f)
{
	unsigned long long serial = f->serial++;
	size_t len = f->prefix_len + SERIAL_DIGITS;

	for (size_t i = len; i-- > f->prefix_len; serial /= 10)
		f->payment[i] = (char)('0' + serial % 10);
	return (struct word){f->payment, len};
}

static struct word
field_text(struct form *f, char field, const struct person *who)
{
	switch (field) {
	case '1':
		return who->first;
	case '2':
		return who->second;
	case 'n':
		return next_payment(f);
	case 'p':
		return (struct word){f->param, strlen(f->param)};
	case 't':
		return (struct word){f->now, strlen(f->now)};
	case '0':
		return (struct word){"", 1};
	case 'l':
		return (struct word){"    0", LENGTH_DIGITS};
	case '\0':
		return (struct word){"", 0};
	default:
		errx(1, "%%%c is not a field of a message", field);
	}
}

size_t
form_fill(struct form *f, const struct person *who, char *out, size_t cap)
{
	size_t at = 0, length_at = 0;
	char *body;

	for (size_t i = 0;; i++) {
		struct word word = field_text(f, f->parts[i].field, who);

		if (at + f->parts[i].len + word.len > cap)
			errx(1, "a request of more than %zu bytes", cap);
		memcpy(out + at, f->parts[i].text, f->parts[i].len);
		at += f->parts[i].len;
		memcpy(out + at, word.text, word.len);
		if (f->parts[i].field == 'l')
			length_at = at;
		at += word.len;
		if (f->parts[i].field == '\0')
			break;
	}
	if (length_at > 0) {
		body = memmem(out, at, "\r\n\r\n", 4);
		if (body == NULL)
			errx(1, "a request without the end of its header");
		for (size_t n = at - (size_t)(body + 4 - out), i = LENGTH_DIGITS; i-- > 0; n /= 10)
			out[length_at + i] = (char)('0' + n % 10);
	}
	return at;
}
