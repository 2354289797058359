/* SPDX-License-Identifier: Apache-2.0 */
/* replay --html: one file that needs nothing else, no script, font or picture from elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/ctl/replay_html.h"

enum { HTML_BYTES_MAX = 8 * 1024 * 1024 };

static const char style[] =
    ":root{color-scheme:light dark;--page:#f6f5f1;--card:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d8d6cf;"
    "--permit:#1a7f4e;--ask:#9a5b00;--deny:#b42318;--accent:#2f5bd0}"
    "@media (prefers-color-scheme:dark){:root{--page:#121417;--card:#1b1e23;--ink:#e9ebee;--soft:#a3abb6;--line:#343a42;"
    "--permit:#58c98f;--ask:#efb54d;--deny:#ff8b7e;--accent:#8fb0ff}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}"
    "main,header,footer{max-width:60rem;margin:0 auto;padding:0 1.25rem}header{padding-top:2.5rem}"
    "h1{font-size:1.9rem;line-height:1.2;margin:0 0 .5rem;letter-spacing:-.01em}h2{font-size:1.2rem;margin:0 0 .25rem}"
    "p{margin:.25rem 0 .75rem}.soft{color:var(--soft)}.lead{font-size:1.15rem;max-width:46rem}"
    "section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.25rem 1.4rem;margin:1.1rem 0}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem;padding:0;margin:1.2rem 0;"
    "list-style:none}.tiles li{background:var(--card);border:1px solid var(--line);border-left:.35rem solid var(--line);"
    "border-radius:.6rem;padding:.7rem .9rem}.tiles b{display:block;font-size:1.7rem;line-height:1.2;"
    "font-variant-numeric:tabular-nums}.tiles .deny{border-left-color:var(--deny)}.tiles .ask{border-left-color:var(--ask)}"
    ".tiles .permit{border-left-color:var(--permit)}figure{margin:0}svg{display:block;width:100%;height:auto;margin:.5rem 0}"
    "svg text{fill:var(--ink);font-size:14px}svg .small{font-size:12px;fill:var(--soft)}svg .strong{font-weight:600}"
    ".f-permit{fill:var(--permit)}.f-ask{fill:var(--ask)}.f-deny{fill:var(--deny)}.axis{stroke:var(--line);stroke-width:1}"
    ".same{opacity:.22}.other{opacity:.72}.track{fill:var(--line);opacity:.5}table{border-collapse:collapse;width:100%;"
    "font-size:.92rem;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.3rem .6rem .3rem 0;"
    "border-bottom:1px solid var(--line);vertical-align:top}.n{text-align:right}caption{text-align:left;color:var(--soft);"
    "padding:.3rem 0}details{margin-top:.4rem}summary{cursor:pointer;color:var(--accent)}"
    "summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}.scroll{overflow-x:auto}"
    "code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.92em;overflow-wrap:anywhere}"
    "footer{padding-bottom:3rem}@media (max-width:36rem){svg text{font-size:19px}svg .small{font-size:18px}}@media print{body{background:#fff}section{break-inside:avoid}}";

static void
put_tile(struct page *p, enum outcome then, enum outcome now)
{
	uint64_t n = p->r->tally->kinds[OP_SPEND][then][now];

	page_put(p, "<li class=\"%s\"><b>", n == 0 ? "none" : outcome_classes[now]);
	page_number(p, n);
	page_put(p, "</b>%s, would be %s</li>\n", outcome_words[then], outcome_words[now]);
}

static void
put_head(struct page *p)
{
	const struct replay_tally *t = p->r->tally;
	const uint64_t (*m)[3] = t->kinds[OP_SPEND];
	char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX], percent[16];
	uint64_t all = replay_sum(m), other = replay_differ(m);

	clock_text(t->from_ms, from);
	clock_text(t->to_ms, to);
	(void)snprintf(percent, sizeof(percent), "%.1f", all == 0 ? 0 : 100.0 * (double)other / (double)all);
	page_put(p, "<header><h1>What this policy would have decided</h1>\n<p class=\"lead\">Of ");
	page_number(p, all);
	page_put(p, " recorded decisions about payments, <strong>");
	page_number(p, other);
	page_put(p, " (%s %%)</strong> would have been others under ", percent);
	page_name(p, p->r->config);
	page_put(p, ".</p>\n<p class=\"soft\">");
	page_number(p, t->events);
	page_put(p, " events of ");
	page_number(p, t->accounts);
	page_put(p, " accounts");
	if (t->events > 0)
		page_put(p, ", from %.10s %.5s to %.10s %.5s UTC", from, from + 11, to, to + 11);
	page_put(p, "; ");
	page_number(p, t->by_candidate);
	page_put(p, " of ");
	page_number(p, t->decisions);
	page_put(p, " decisions were made by this very policy.</p></header>\n<main>\n<ul class=\"tiles\">\n");
	put_tile(p, OUTCOME_PERMIT, OUTCOME_DENY);
	put_tile(p, OUTCOME_PERMIT, OUTCOME_STEP_UP);
	put_tile(p, OUTCOME_STEP_UP, OUTCOME_DENY);
	put_tile(p, OUTCOME_STEP_UP, OUTCOME_PERMIT);
	put_tile(p, OUTCOME_DENY, OUTCOME_STEP_UP);
	put_tile(p, OUTCOME_DENY, OUTCOME_PERMIT);
	page_put(p, "</ul>\n");
}

static void
put_page(struct page *p)
{
	char digest[REPLAY_NAME_MAX];
	struct replay_account policy = {.key = p->r->rules->policy->digest};

	page_put(p, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta charset=\"utf-8\"/>"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
	    "<title>What this policy would have decided</title>\n<style>");
	buf_put_view(p->out, view_str(style));
	page_put(p, "</style></head><body>\n");
	put_head(p);
	page_flow(p);
	page_days(p);
	page_sums(p);
	page_reasons(p);
	page_services(p);
	page_accounts(p);
	page_put(p, "</main>\n<footer class=\"soft\"><p>Policy <code>%s</code>. A decision is replayed on the account as it was, and "
	    "what was recorded then happens: a payment that the candidate denies is spent all the same, so later payments meet "
	    "the sums that were really spent. countersignctl(8) says what a replay cannot know.</p></footer>\n</body></html>\n",
	    replay_account_text(&policy, digest));
}

int
replay_write_html(struct ctl *ctl, const struct replay_report *r, const char *path)
{
	struct bytes b;
	struct page p = {&b.buf, r};
	size_t done = 0;
	int fd;

	bytes_init(&b, HTML_BYTES_MAX);
	put_page(&p);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	while (fd >= 0 && !b.buf.full && done < b.buf.len) {
		ssize_t n = write(fd, b.buf.data + done, b.buf.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (b.buf.full || fd < 0 || done < b.buf.len)
		(void)ctl_fail(ctl, CTL_FAILED, "cannot write the report to %s: %s", path,
		    b.buf.full ? "it would be too long" : strerror(errno));
	else
		done = SIZE_MAX;
	if (fd >= 0 && close(fd) != 0 && done == SIZE_MAX)
		done = 0;
	bytes_clear(&b);
	return done == SIZE_MAX ? CTL_OK : CTL_FAILED;
}
