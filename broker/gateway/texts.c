/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of texts, those of the frame, and the choice of a language. */
#include "broker/gateway/texts.h"

#include <strings.h>

#include "broker/base/check.h"

#define T(id, en, zh) [id - TEXTS_FRAME] = {{en, zh}}

/* clang-format off */
static const struct text words[TEXT_FRAME_END - TEXTS_FRAME] = {
	T(TEXT_BRAND, "Countersign",
	    "Countersign"),
	T(TEXT_LANGUAGE, "Language",
	    "语言"),
	T(TEXT_PROBLEM, "Something is not right",
	    "出现问题"),
	T(TEXT_PROBLEM_PREFIX, "Problem:",
	    "出错："),
	T(TEXT_BACK, "Back to the service",
	    "返回服务"),
	T(TEXT_START_AGAIN, "Nothing was done. Please begin again in the app or shop that sent you here.",
	    "未进行任何操作。请从引导您来此的应用或商店重新开始。"),
	T(TEXT_GO_BACK, "You can go back to where you came from.",
	    "您可以返回原来的页面。"),
	T(TEXT_SIGNED_IN, "Done.",
	    "已完成。"),
	T(TEXT_SIGN_IN_FAILED, "The sign-in did not work.",
	    "登录未成功。"),
	T(TEXT_UNKNOWN_PAGE, "There is nothing at this address, or no longer.",
	    "此地址没有内容，或已失效。"),
	T(TEXT_MALFORMED_PAGE, "This link is not complete. It may have been cut off when it was copied.",
	    "此链接不完整，可能在复制时被截断。"),
	T(TEXT_EXPIRED_PAGE, "This link has expired.",
	    "此链接已过期。"),
	T(TEXT_USED_PAGE, "This link has been used. Each link works once.",
	    "此链接已被使用。每个链接只能使用一次。"),
	T(TEXT_OTHER_BROWSER, "This page was opened in another browser, and shows itself there alone. If that was not you, refuse it in the app or shop that sent you here.",
	    "此页面已在其他浏览器中打开，且只在那里显示。如果那不是您本人，请在引导您来此的应用或商店中拒绝。"),
	T(TEXT_FOREIGN_FORM, "That form did not come from this page. Please open the page again.",
	    "该表单并非来自本页面，请重新打开页面。"),
	T(TEXT_BAD_REQUEST, "That request could not be understood.",
	    "无法理解该请求。"),
	T(TEXT_TOO_MANY, "Too many attempts. Please wait a little and try again.",
	    "尝试次数过多，请稍后再试。"),
	T(TEXT_UNAVAILABLE, "This does not work at the moment. Please try again in a minute.",
	    "暂时无法使用，请稍后再试。"),
};
/* clang-format on */

const struct text_table frame_texts = {"frame", TEXTS_FRAME, TEXT_FRAME_END, words};

const struct text_table *const text_tables[] = {
    &frame_texts,
    &step_texts,
    &enrol_texts,
    &view_texts,
    &device_texts,
    NULL,
};

static const struct {
	struct view tag, name;
} languages[LANGUAGE_COUNT] = {
    [LANGUAGE_EN] = {VIEW("en"), VIEW("English")},
    [LANGUAGE_ZH] = {VIEW("zh-Hans"), VIEW("简体中文")},
};

struct view
text_get(unsigned text, enum language language)
{
	const struct text_table *const *t = text_tables;

	while (*t != NULL && (text < (*t)->base || text >= (*t)->end))
		t++;
	CHECK(*t != NULL && language < LANGUAGE_COUNT && (*t)->texts[text - (*t)->base].words[language] != NULL);
	return view_str((*t)->texts[text - (*t)->base].words[language]);
}

struct view
language_tag(enum language language)
{
	return languages[language].tag;
}

struct view
language_name(enum language language)
{
	return languages[language].name;
}

bool
language_find(struct view tag, enum language *language)
{
	for (int i = 0; i < LANGUAGE_COUNT; i++) {
		if (tag.len < 2 || strncasecmp(tag.data, languages[i].tag.data, 2) != 0 ||
		    (tag.len > 2 && tag.data[2] != '-'))
			continue;
		*language = (enum language)i;
		return true;
	}
	return false;
}

/* Thousandths of a weight in ";q=0.8"; 1000 without. */
static int
weight_of(struct view item)
{
	const char *q = memmem(item.data, item.len, "q=", 2);
	const char *end = item.data + item.len;
	int weight = 0, unit = 100;

	if (q == NULL)
		return 1000;
	q += 2;
	if (q == end || *q == '1')
		return q == end ? 0 : 1000;
	for (q += 1; q < end; q++) {
		if (*q >= '0' && *q <= '9') {
			weight += (*q - '0') * unit;
			unit /= 10;
		}
	}
	return weight;
}

enum language
language_choose(struct view accept)
{
	enum language best = LANGUAGE_EN;
	int best_weight = 0;

	while (accept.len > 0) {
		const char *comma = memchr(accept.data, ',', accept.len);
		size_t len = comma == NULL ? accept.len : (size_t)(comma - accept.data);
		struct view item = view_of(accept.data, len);
		enum language language;
		size_t tag = 0;

		while (item.len > 0 && (item.data[0] == ' ' || item.data[0] == '\t'))
			item = view_of(item.data + 1, item.len - 1);
		while (tag < item.len && item.data[tag] != ';' && item.data[tag] != ' ')
			tag++;
		if (language_find(view_of(item.data, tag), &language) &&
		    weight_of(item) > best_weight) {
			best = language;
			best_weight = weight_of(item);
		}
		accept =
		    comma == NULL ? view_of(NULL, 0) : view_of(comma + 1, accept.len - len - 1);
	}
	return best;
}
