/* SPDX-License-Identifier: Apache-2.0 */
/* What people read on the pages: every text in every language, the choice of a language, amounts. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "broker/gateway/html.h"

static void
every_text_has_its_words(void **state)
{
	(void)state;
	for (const struct text_table *const *t = text_tables; *t != NULL; t++) {
		assert_true((*t)->base % TEXTS_EACH_MAX == 0 && (*t)->base < (*t)->end);
		assert_true((*t)->end - (*t)->base <= TEXTS_EACH_MAX);
		for (unsigned i = (*t)->base; i < (*t)->end; i++) {
			for (int l = 0; l < LANGUAGE_COUNT; l++) {
				const char *words = (*t)->texts[i - (*t)->base].words[l];

				if (words == NULL || *words == '\0')
					fail_msg("table %s, text %u: no words in %s", (*t)->name, i - (*t)->base,
					    language_tag((enum language)l).data);
			}
			assert_string_equal((*t)->texts[i - (*t)->base].words[LANGUAGE_EN],
			    text_get(i, LANGUAGE_EN).data);
		}
	}
}

/* Chinese has Chinese in it, unless it is a name. */
static void
chinese_is_chinese(void **state)
{
	(void)state;
	for (const struct text_table *const *t = text_tables; *t != NULL; t++) {
		for (unsigned i = (*t)->base; i < (*t)->end; i++) {
			struct view en = text_get(i, LANGUAGE_EN), zh = text_get(i, LANGUAGE_ZH);

			if (i != TEXT_BRAND && view_equal(en, zh))
				fail_msg("table %s: \"%.*s\" is the same in both", (*t)->name, (int)en.len, en.data);
		}
	}
}

static void
a_language_is_chosen(void **state)
{
	static const struct {
		const char *accept;
		enum language language;
	} cases[] = {
		{"", LANGUAGE_EN}, {"fr, de;q=0.5", LANGUAGE_EN}, {"zh-CN,zh;q=0.9,en;q=0.8", LANGUAGE_ZH},
		{"en;q=0.5, zh;q=0.7", LANGUAGE_ZH}, {"zh;q=0, en;q=0.1", LANGUAGE_EN}, {"*", LANGUAGE_EN},
		{"zhx", LANGUAGE_EN}, {"ZH-hans", LANGUAGE_ZH}, {";;,,;q=", LANGUAGE_EN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(language_choose(view_str(cases[i].accept)), cases[i].language);
}

static void
amounts_are_written_as_people_write_them(void **state)
{
	static const struct {
		const char *amount, *currency, *en, *zh;
	} cases[] = {
		{"20.00", "CNY", "¥20.00 <small>CNY</small>", "¥20.00 <small>人民币</small>"},
		{"1234567.5", "USD", "US$1,234,567.5 <small>USD</small>", "US$1,234,567.5 <small>美元</small>"},
		{"123", "JPY", "JP¥123 <small>JPY</small>", "JP¥123 <small>日元</small>"},
		{"1000", "JPY", "JP¥1,000 <small>JPY</small>", "JP¥1,000 <small>日元</small>"},
		{"5.000", "KWD", "KWD\xc2\xa0""5.000", "KWD\xc2\xa0""5.000"},
		{"7", "", "7", "7"},
		/* What is no amount is text, and text is escaped. */
		{"1<b>", "CNY", "CNY\xc2\xa0""1&lt;b&gt;", "CNY\xc2\xa0""1&lt;b&gt;"},
		{"1.", "CNY", "CNY\xc2\xa0""1.", "CNY\xc2\xa0""1."},
		{"1.2.3", "<i>", "&lt;i&gt;\xc2\xa0""1.2.3", "&lt;i&gt;\xc2\xa0""1.2.3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int l = 0; l < LANGUAGE_COUNT; l++) {
			char text[128];
			struct buf out = buf_over(text, sizeof(text) - 1);

			html_money(&out, (enum language)l, view_str(cases[i].amount), view_str(cases[i].currency));
			text[out.len] = '\0';
			assert_string_equal(text, l == LANGUAGE_EN ? cases[i].en : cases[i].zh);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_has_its_words),
		cmocka_unit_test(chinese_is_chinese),
		cmocka_unit_test(a_language_is_chosen),
		cmocka_unit_test(amounts_are_written_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
