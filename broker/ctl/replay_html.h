/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as a page, part by part; private to replay_html*.c. It is XML as well as HTML. Every chart has a sentence for who
 * does not see it, and its numbers in a table; no meaning hangs on colour alone.
 */
#ifndef CS_CTL_REPLAY_HTML_H
#define CS_CTL_REPLAY_HTML_H

#include "broker/base/buf.h"
#include "broker/ctl/replay.h"

struct page {
	struct buf *out;
	const struct replay_report *r;
};

/* By outcome; outcome_order is the order in which they are shown. */
extern const enum outcome outcome_order[3];
extern const char *const outcome_words[3];
extern const char *const outcome_classes[3];

/* For our own words and numbers: nothing is escaped. */
void page_put(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For names of others: whatever they are, they stay text, and turn nothing around that stands beside them. */
void page_name(struct page *p, const char *name);
/* "12,345", and the same in a cell of a table. */
void page_number(struct page *p, uint64_t n);
void page_cell(struct page *p, uint64_t n);
/* The currency's letters. */
const char *page_code(uint16_t currency);

void page_section_begin(struct page *p, const char *title, const char *what);
void page_section_end(struct page *p);
/* A table that opens on demand, for the numbers of a chart. */
void page_table_begin(struct page *p, const char *caption);
void page_table_end(struct page *p);

/* The parts. */
void page_flow(struct page *p);
void page_days(struct page *p);
void page_sums(struct page *p);
void page_reasons(struct page *p);
void page_services(struct page *p);
void page_accounts(struct page *p);

#endif
