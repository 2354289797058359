/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts for people. */
#include "broker/gateway/html.h"

/*
 * A sign that names one currency alone, and what the currency is called in Chinese; in English its code stands beside the
 * amount. What is not here is shown with its code before it.
 */
static const struct {
	struct view code;
	const char *sign, *chinese;
} currencies[] = {
    {VIEW("CNY"), "¥", "人民币"},
    {VIEW("USD"), "US$", "美元"},
    {VIEW("EUR"), "€", "欧元"},
    {VIEW("GBP"), "£", "英镑"},
    {VIEW("JPY"), "JP¥", "日元"},
    {VIEW("HKD"), "HK$", "港元"},
    {VIEW("TWD"), "NT$", "新台币"},
    {VIEW("MOP"), "MOP$", "澳门元"},
    {VIEW("KRW"), "₩", "韩元"},
    {VIEW("SGD"), "S$", "新加坡元"},
    {VIEW("AUD"), "A$", "澳元"},
    {VIEW("CAD"), "CA$", "加元"},
    {VIEW("INR"), "₹", "印度卢比"},
};

/* Digits of the integral part of "1234.50", a sign aside; 0 where it is no amount. */
static size_t
digits_of(struct view amount)
{
	size_t n = 0, i;

	while (n < amount.len && amount.data[n] >= '0' && amount.data[n] <= '9')
		n++;
	for (i = n; i < amount.len; i++)
		if (i == n ? amount.data[i] != '.' : amount.data[i] < '0' || amount.data[i] > '9')
			return 0;
	return n + 1 == amount.len ? 0 : n;
}

static void
number_put(struct buf *out, struct view amount)
{
	size_t digits = digits_of(amount);

	for (size_t i = 0; i < digits; i++) {
		if (i > 0 && (digits - i) % 3 == 0)
			buf_put_u8(out, ',');
		buf_put_u8(out, (uint8_t)amount.data[i]);
	}
	html_text(out, view_of(amount.data + digits, amount.len - digits));
}

void
html_money(struct buf *out, enum language language, struct view amount, struct view currency)
{
	size_t i = 0, n = sizeof(currencies) / sizeof(currencies[0]);

	while (i < n && !view_equal(currencies[i].code, currency))
		i++;
	if (digits_of(amount) == 0 || i == n) {
		html_text(out, currency);
		html_put(out, currency.len > 0 ? "\xc2\xa0" : "");
		number_put(out, amount);
		return;
	}
	html_put(out, currencies[i].sign);
	number_put(out, amount);
	html_put(out, " <small>");
	if (language == LANGUAGE_ZH)
		html_put(out, currencies[i].chinese);
	else
		html_text(out, currency);
	html_put(out, "</small>");
}
