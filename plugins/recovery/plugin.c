/* SPDX-License-Identifier: Apache-2.0 */
/* The factor `recovery`: ten printed codes, each good once. See README.md. */
#include <stdlib.h>

#include "plugins/recovery/codes.h"

struct recovery {
	const struct countersign_host_v1 *host;
};

enum { STATE_TYPO = 't' };  /* the state that a mistyped code leaves: it says nothing */

/* What people are told, in English and Chinese. */
struct words {
	const char *keep;      /* above the codes */
	const char *prove;     /* asks for one of them when they are enrolled */
	const char *ask;
	const char *mistyped;
};

static const struct words words[] = {
    {"Write these codes down or print them, and keep them where nobody else finds them. Each works once.",
	"Type one of the codes, to show that you have them. It stays good.", "Recovery code",
	"There is a typing error in this code. It was not used; please look again."},
    {"请抄写或打印这些恢复码，妥善保管，不要让他人看到。每个只能使用一次。", "请输入其中一个恢复码，以确认您已保存（不会消耗该码）。",
	"恢复码", "恢复码输入有误，未被使用，请核对后重新输入。"},
};

static const struct words *
words_of(struct countersign_view language)
{
	return &words[language.len >= 2 && memcmp(language.data, "zh", 2) == 0];
}

/* A code, its check letter and its digest, which were computed with another library; and one wrong letter in it. */
static int
recovery_self_test(const struct countersign_host_v1 *host)
{
	static const char code[] = "0123-4567-89AB-CDE4";
	static const uint8_t digest[RECOVERY_DIGEST_BYTES] = {0x61, 0x3b, 0xd6, 0xd0, 0x23, 0xa9, 0xcb, 0x18,
	    0x98, 0xd8, 0xc1, 0x7a, 0x6a, 0xdc, 0xb0, 0x78};
	uint8_t secret[RECOVERY_SECRET_BYTES] = {1, RECOVERY_COUNT}, letters[RECOVERY_LETTERS];
	char wrong[sizeof(code)];
	int index = -1;

	(void)host;
	memcpy(secret + 2, "salt-of-the-test", RECOVERY_SALT_BYTES);
	memcpy(secret + 2 + RECOVERY_SALT_BYTES + 7 * RECOVERY_DIGEST_BYTES, digest, sizeof(digest));
	memcpy(wrong, code, sizeof(code));
	wrong[0] = 'Z';
	if (recovery_read(countersign_view_of(wrong), letters) != RECOVERY_MISTYPED ||
	    recovery_read(countersign_view_of(code), letters) != RECOVERY_READ ||
	    recovery_find((struct countersign_view){(const char *)secret, sizeof(secret)}, letters, &index) != COUNTERSIGN_OK)
		return COUNTERSIGN_INTERNAL;
	return index == 7 ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

static int
recovery_init(const struct countersign_host_v1 *host, void **instance)
{
	struct recovery *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return COUNTERSIGN_INTERNAL;
	r->host = host;
	*instance = r;
	return COUNTERSIGN_OK;
}

static void
recovery_fini(void *instance)
{
	free(instance);
}

static int
recovery_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = 0;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

/* Two codes alike would be one code: with 75 bits that is a broken generator. */
static bool
all_differ(uint8_t codes[RECOVERY_COUNT][RECOVERY_LETTERS])
{
	for (size_t i = 0; i < RECOVERY_COUNT; i++)
		for (size_t k = 0; k < i; k++)
			if (memcmp(codes[i], codes[k], RECOVERY_LETTERS) == 0)
				return false;
	return true;
}

static bool
make_codes(const struct recovery *r, uint8_t codes[RECOVERY_COUNT][RECOVERY_LETTERS])
{
	uint8_t random[RECOVERY_RANDOM_BYTES];

	for (size_t i = 0; i < RECOVERY_COUNT; i++) {
		r->host->random(r->host->context, random, sizeof(random));
		recovery_make(random, codes[i]);
	}
	explicit_bzero(random, sizeof(random));
	return all_differ(codes);
}

/* A line of explanation, then a line for each code. */
static int
put_codes(uint8_t codes[RECOVERY_COUNT][RECOVERY_LETTERS], const char *keep, struct countersign_buffer *to)
{
	size_t need = strlen(keep) + RECOVERY_COUNT * (1 + RECOVERY_PRINTED);

	if (to->cap < need)
		return COUNTERSIGN_FULL;
	memcpy(to->data, keep, strlen(keep));
	to->len = strlen(keep);
	for (size_t i = 0; i < RECOVERY_COUNT; i++) {
		to->data[to->len++] = '\n';
		recovery_print(codes[i], to->data + to->len);
		to->len += RECOVERY_PRINTED;
	}
	return COUNTERSIGN_OK;
}

static int
put_text(struct countersign_step *step, uint32_t kind, const char *text)
{
	step->kind = kind;
	step->digits = 0;
	return countersign_put(&step->value, text, strlen(text));
}

static int
recovery_enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	const struct recovery *r = instance;
	const struct words *w = &words[0];
	uint8_t codes[RECOVERY_COUNT][RECOVERY_LETTERS], salt[RECOVERY_SALT_BYTES], secret[RECOVERY_SECRET_BYTES];
	int rc;

	if (COUNTERSIGN_HAS(in, struct countersign_enrol, language))
		w = words_of(in->language);
	if (!make_codes(r, codes))
		return COUNTERSIGN_INTERNAL;
	r->host->random(r->host->context, salt, sizeof(salt));
	rc = recovery_seal(salt, codes, secret);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->secret, secret, sizeof(secret));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc == COUNTERSIGN_OK)
		rc = put_codes(codes, w->keep, &out->steps[0].value);
	if (rc == COUNTERSIGN_OK)
		rc = put_text(&out->steps[1], COUNTERSIGN_STEP_TEXT, w->prove);
	explicit_bzero(codes, sizeof(codes));
	explicit_bzero(secret, sizeof(secret));
	if (rc != COUNTERSIGN_OK)
		return rc;
	out->steps[0].kind = COUNTERSIGN_STEP_SHOW;
	out->steps[0].digits = 0;
	out->steps_count = 2;
	return COUNTERSIGN_OK;
}

/*
 * A typing error, told as such. It helps nobody to guess: whoever guesses can work out check letters without asking, and
 * an answer with a wrong one could never have been right.
 */
static int
ask_again(struct countersign_verify_answer *out)
{
	int rc;

	rc = put_text(&out->steps[0], COUNTERSIGN_STEP_SHOW, words[0].mistyped);
	if (rc == COUNTERSIGN_OK)
		rc = put_text(&out->steps[1], COUNTERSIGN_STEP_TEXT, words[0].ask);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->state, &(char){STATE_TYPO}, 1);
	if (rc != COUNTERSIGN_OK)
		return rc;
	out->steps_count = 2;
	out->verdict = COUNTERSIGN_MORE;
	out->step = -1;
	return COUNTERSIGN_OK;
}

/* last_step is a bit for each code that was used; below 0: none was. */
static bool
was_used(int64_t last_step, int index)
{
	return last_step > 0 && (last_step >> index & 1) != 0;
}

static int
recovery_verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	uint8_t letters[RECOVERY_LETTERS] = {0};
	enum recovery_reading reading = recovery_read(in->answer, letters);
	bool enrolling = in->challenge.len == 0;
	int index = -1, rc;

	(void)instance;
	if (!recovery_is_secret(in->secret))
		return COUNTERSIGN_INVALID;
	rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	/* Once for each challenge: who gets a code wrong on purpose, and again, is not humoured. */
	if (rc == COUNTERSIGN_OK && reading == RECOVERY_MISTYPED && !enrolling &&
	    COUNTERSIGN_HAS(in, struct countersign_verify, state) && in->state.len == 0 &&
	    COUNTERSIGN_HAS(out, struct countersign_verify_answer, steps_count))
		return ask_again(out);
	/* What is no code is looked for too: how long an answer takes tells nothing. */
	if (rc == COUNTERSIGN_OK)
		rc = recovery_find(in->secret, letters, &index);
	explicit_bzero(letters, sizeof(letters));
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (reading != RECOVERY_READ || (!enrolling && index >= 0 && was_used(in->last_step, index)))
		index = -1;
	out->verdict = index >= 0 ? COUNTERSIGN_RIGHT : COUNTERSIGN_WRONG;
	/* An enrolment proves that the codes were kept and uses none of them up. */
	out->step = index >= 0 && enrolling ? 0 : index;
	return COUNTERSIGN_OK;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_factor_v1 factor = {
	    .size = sizeof(factor),
	    .kind = "recovery",
	    .enrol = recovery_enrol,
	    .verify = recovery_verify,
	};
	static const struct countersign_plugin_v1 plugin = {
	    .size = sizeof(plugin),
	    .abi = COUNTERSIGN_PLUGIN_ABI,
	    .kinds = COUNTERSIGN_KIND_FACTOR,
	    .name = "recovery",
	    .version = "1",
	    .help = "Ten printed codes, each good once, to replace a factor that was lost.",
	    .self_test = recovery_self_test,
	    .init = recovery_init,
	    .fini = recovery_fini,
	    .profile = recovery_profile,
	    .factor = &factor,
	};

	return &plugin;
}
