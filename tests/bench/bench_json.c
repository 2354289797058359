/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one Authorize costs in JSON: reading call and parameters into structs, and writing the
 * reply. Budget: 1.5 µs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/base/varlink.h"

enum { ROUNDS = 5, CALLS_DEFAULT = 1000000, TOKENS = 128 };

static const char message[] =
    "{\"method\":\"org.countersign.Payments.Authorize\",\"parameters\":{"
    "\"session\":\"sess_4kq2m7xw3n5r6t8v9y2a4c6e8g\",\"payment\":{\"id\":\"order-20261122-000123\","
    "\"amount\":\"20.00\",\"currency\":\"CNY\",\"payee\":{"
    "\"id\":\"m-7\",\"name\":\"Corner Shop\"}},"
    "\"context\":{\"ip\":\"203.0.113.77\",\"device\":\"device-5d41402abc4b2a76\",\"agent\":"
    "\"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\"},"
    "\"return_url\":\"https://shop.example.test/r\","
    "\"capture\":true,\"receipt\":false}}";

struct parameters {
	struct view session, return_url;
	uint32_t payment, context;
	bool capture, receipt, explain;
};

struct payment {
	struct view id, amount, currency;
	uint32_t payee;
};

struct payee {
	struct view id, name;
};

static const struct json_field parameters_fields[] = {
	{"session", JSON_F_ID, true, offsetof(struct parameters, session), 1, 128},
	{"payment", JSON_F_OBJECT, true, offsetof(struct parameters, payment), 0, 0},
	{"context", JSON_F_OBJECT, false, offsetof(struct parameters, context), 0, 0},
	{"return_url", JSON_F_ID, false, offsetof(struct parameters, return_url), 1, 512},
	{"capture", JSON_F_BOOL, false, offsetof(struct parameters, capture), 0, 0},
	{"receipt", JSON_F_BOOL, false, offsetof(struct parameters, receipt), 0, 0},
	{"explain", JSON_F_BOOL, false, offsetof(struct parameters, explain), 0, 0},
	{.name = NULL},
};

static const struct json_field payment_fields[] = {
	{"id", JSON_F_ID, true, offsetof(struct payment, id), 1, 128},
	{"amount", JSON_F_ID, true, offsetof(struct payment, amount), 1, 32},
	{"currency", JSON_F_ID, true, offsetof(struct payment, currency), 3, 3},
	{"payee", JSON_F_OBJECT, true, offsetof(struct payment, payee), 0, 0},
	{.name = NULL},
};

static const struct json_field payee_fields[] = {
	{"id", JSON_F_ID, true, offsetof(struct payee, id), 1, 128},
	{"name", JSON_F_ID, false, offsetof(struct payee, name), 1, 128},
	{.name = NULL},
};

static void
call_read(char *text, struct json_token *tokens, struct payment *payment)
{
	struct parameters p = {.payment = 0};
	struct payee payee = {.id = {NULL, 0}};
	struct json_problem problem;
	struct varlink_call call;
	struct json doc;

	CHECK(varlink_read_call(
		  text, sizeof(message) - 1, tokens, TOKENS, &doc, &call, NULL) == CS_OK);
	CHECK(json_bind(&doc, call.parameters, parameters_fields, false, &p, &problem) == CS_OK);
	CHECK(json_bind(&doc, p.payment, payment_fields, false, payment, &problem) == CS_OK);
	CHECK(json_bind(&doc, payment->payee, payee_fields, false, &payee, &problem) == CS_OK);
	CHECK(payee.id.len == 3 && p.capture);
}

static void
reply_write(struct buf *out)
{
	struct json_writer w = varlink_reply_begin(out, false);

	json_member_str(&w, "outcome", VIEW("permit"));
	json_member_str(&w, "reason", VIEW("allowance"));
	json_key(&w, VIEW("hold"));
	json_object_begin(&w);
	json_member_str(&w, "id", VIEW("hold_4kq2m7xw3n5r6t8v9y2a4c6e8g"));
	json_member_str(&w, "expires_at", VIEW("2026-11-29T09:46:28.123Z"));
	json_member_str(&w, "state", VIEW("captured"));
	json_object_end(&w);
	json_member_bool(&w, "replayed", false);
	varlink_end(&w);
	CHECK(!out->full);
}

static double
now_us(void)
{
	struct timespec ts;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

int
main(int argc, char **argv)
{
	static char text[sizeof(message)], reply[1024];
	static struct json_token tokens[TOKENS];
	long calls = argc > 1 ? strtol(argv[1], NULL, 10) : CALLS_DEFAULT;
	double best[3] = {1e9, 1e9, 1e9};
	struct buf out = buf_over(reply, sizeof(reply));
	uint8_t random[32];

	CHECK(calls > 0);
	for (int round = 0; round < ROUNDS; round++) {
		double t[4];

		t[0] = now_us();
		for (long i = 0; i < calls; i++) {
			struct payment payment = {.payee = 0};

			memcpy(text, message, sizeof(message) - 1);
			call_read(text, tokens, &payment);
		}
		t[1] = now_us();
		for (long i = 0; i < calls; i++) {
			out = buf_over(reply, sizeof(reply));
			reply_write(&out);
		}
		t[2] = now_us();
		for (long i = 0; i < calls; i++)
			secret_random(random, sizeof(random));
		t[3] = now_us();
		for (int k = 0; k < 3; k++)
			if ((t[k + 1] - t[k]) / (double)calls < best[k])
				best[k] = (t[k + 1] - t[k]) / (double)calls;
	}
	printf("read a call of %zu bytes into structs  %.3f us\n", sizeof(message) - 1, best[0]);
	printf("write a reply of %zu bytes            %.3f us\n", out.len, best[1]);
	printf("both                                   %.3f us (budget 1.5)\n", best[0] + best[1]);
	printf("draw 32 random bytes                   %.3f us\n", best[2]);
	return 0;
}
