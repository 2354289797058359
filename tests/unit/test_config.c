/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: what is read, what is refused, where the error stands, and that the print parses to the same. */
#include "tests/unit/unit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/parent/config.h"

static char dir[] = "/tmp/csconf.XXXXXX";

static void
put(const char *name, const char *text, mode_t mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* Every case stands below these lines. */
static const char base[] =
    "realm \"test\"\n"
    "listen service \"/run/test/socket\"\n"
    "store sqlite { }\n"
    "provider \"sandbox\" { plugin \"oidc\" }\n";
enum { BASE_LINES = 4 };

static enum cs_err
load(const char *text, struct config **c, struct config_error *err)
{
	char whole[8192], path[256];

	snprintf(whole, sizeof(whole), "%s%s", base, text);
	put("test.conf", whole, 0600);
	snprintf(path, sizeof(path), "%s/test.conf", dir);
	return config_load(path, c, err);
}

static struct config *
load_good(const char *text)
{
	struct config_error err;
	struct config *c = NULL;

	if (load(text, &c, &err) != CS_OK)
		fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.message);
	return c;
}

static int
setup(void **state)
{
	char path[256];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/services", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put("services/other", "spend requisite deny\n", 0600);
	put("open.secret", "x", 0644);
	put("closed.secret", "x", 0600);
	put("tls.crt", "", 0644);
	return 0;
}

static int
teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void
test_values(void **state)
{
	struct config *c = load_good(
	    "run-directory \"/run/test\" state-directory \"state\"\n"
	    "timezone \"-03:30\"\n"
	    "cooling-off { link 0 factor 36h }\n"
	    "session { idle 5m }\n"
	    "policy-limits CNY { per-payment 0.5 per-day 3000 count-day 7 }\n"
	    "policy-limits JPY { per-payment 1000 }\n"
	    "trusted-factor-limit CNY 20\n"
	    "admin { uid 0 1000 }\n"
	    "profile \"cloud\" { title \"Cloud ID\" syncs-secrets yes controls phone \"+86\"\n"
	    "	controls aaguid \"FBFC3007-154e-4ecc-8c0b-6e020557d7bd\" \"Keys\" controls kind otp }\n"
	    "provider \"p\" {\n"
	    "	plugin \"/opt/x.so\" servers 3 deadline 1500ms queue 9\n"
	    "	cooling-off 0 syncs-secrets yes assume-independent totp pam\n"
	    "	profile cloud controls mail-domain \"Mail.Test\"\n"
	    "	limits CNY { per-day 100.00 }\n"
	    "	set issuer \"https://a\" \"https://b\" set client-secret file \"closed.secret\"\n"
	    "}\n"
	    "risk \"scores\" { plugin \"velocity\" deadline 300ms set window 5 }\n"
	    "notify \"hook\" { plugin \"webhook\" servers 2 set url \"https://a/\" set secret file \"closed.secret\" }\n"
	    "service \"s\" { uid 5 6 door unix rights spend lookup client-id \"p\" \"x\" \"sandbox\" \"y\"\n"
	    "	return-url \"http://127.0.0.1:8/done\" }\n");
	const struct config_provider *p = &c->providers[1];
	const struct config_service *s = &c->services[0];
	char path[256];

	(void)state;
	assert_string_equal(c->admin_socket, "/run/test/admin");
	snprintf(path, sizeof(path), "%s/state/countersign.db", dir);
	assert_string_equal(strrchr(c->store.path, '/'), "/countersign.db");
	assert_int_equal(c->timezone.offset_s, -(3 * 3600 + 1800));
	assert_int_equal(c->cooling_off.link_ms, 0);
	assert_int_equal(c->cooling_off.factor_ms, 36 * 3600 * 1000);
	assert_int_equal(c->session.idle_ms, 5 * 60 * 1000);
	assert_int_equal(c->session.max_ms, 24 * 3600 * 1000);
	assert_int_equal(c->policy_limits_count, 2);
	assert_int_equal(c->policy_limits[0].per_payment_minor, 50);
	assert_int_equal(c->policy_limits[0].per_month_minor, -1);
	assert_int_equal(c->policy_limits[0].count_day, 7);
	assert_int_equal(c->policy_limits[1].per_payment_minor, 1000);
	assert_int_equal(c->trusted_factor_limits[0].amount_minor, 2000);
	assert_int_equal(c->admin_uid_count, 2);
	assert_int_equal(p->servers, 3);
	assert_int_equal(p->deadline_ms, 1500);
	assert_int_equal(p->queue, 9);
	assert_true(p->syncs_secrets);
	assert_int_equal(p->assume_independent_count, 2);
	assert_string_equal(p->controls[0].value, "mail.test");
	assert_null(p->controls[0].title);
	assert_string_equal(config_provider_title(c, p), "Cloud ID");
	assert_string_equal(config_provider_title(c, &c->providers[0]), "sandbox");
	assert_int_equal(c->profile_count, 1);
	assert_ptr_equal(config_provider_profile(c, p), &c->profiles[0]);
	assert_int_equal(c->profiles[0].control_count, 3);
	assert_string_equal(c->profiles[0].controls[0].value, "+86");
	assert_string_equal(c->profiles[0].controls[1].value, "fbfc3007-154e-4ecc-8c0b-6e020557d7bd");
	assert_string_equal(c->profiles[0].controls[1].title, "Keys");
	assert_string_equal(c->profiles[0].controls[2].kind, "kind");
	assert_int_equal(c->cooling_off.recovery_ms, 72 * 3600 * 1000);
	assert_int_equal(p->limits[0].per_day_minor, 10000);
	assert_int_equal(c->risk_count, 1);
	assert_string_equal(c->risks[0].plugin, "velocity");
	assert_int_equal(c->risks[0].deadline_ms, 300);
	assert_int_equal(c->notify_count, 1);
	assert_int_equal(c->notifies[0].servers, 2);
	assert_true(c->notifies[0].settings[1].is_file);
	assert_int_equal(config_find_notify(c, VIEW("hook")), 0);
	assert_int_equal(config_find_risk(c, VIEW("hook")), -1);
	assert_int_equal(p->setting_count, 2);
	assert_int_equal(p->settings[0].value_count, 2);
	assert_true(p->settings[1].is_file);
	assert_int_equal(s->uid_count, 2);
	assert_int_equal(s->rights, CONFIG_RIGHT_SPEND | CONFIG_RIGHT_LOOKUP);
	assert_int_equal(s->doors, CONFIG_DOOR_UNIX);
	assert_int_equal(s->clients[0].provider_index, 1);
	assert_int_equal(s->clients[1].provider_index, 0);
	assert_string_equal(s->stack, "other");
	assert_int_equal(config_find_provider(c, VIEW("p")), 1);
	assert_int_equal(config_find_provider(c, VIEW("q")), -1);
	config_free(c);
}

#define HEX63 "123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
#define SERVICE "service \"s\" { uid 5 door unix "

/* line counts below the base; 0: no place. */
static const struct bad {
	const char *text;
	unsigned line, column;
	const char *message, *mend;
} bads[] = {
	/* profiles, and what a provider controls */
	{"provider \"p\" { plugin \"x\"\n  profile \"appel\" }\n", 2, 11, "the provider \"p\" names an unknown profile \"appel\"",
	    "include \"profiles/*.conf\""},
	{"profile \"a\" { }\nprofile \"a\" { }\n", 2, 9, "a profile of this name is written twice", "rename one"},
	{"profile \"a\" { controls aaguid \"fbfc3007-154e-4ecc-8c0b\" }\n", 1, 31, "\"fbfc3007-154e-4ecc-8c0b\" is no AAGUID",
	    "32 hexadecimal digits"},
	{"profile \"a\" { controls phone \"86\" }\n", 1, 30, "\"86\" is no beginning of a phone number", "\"+86\""},
	{"profile \"a\" { controls phone \"+86138\" }\n", 1, 30, "\"+86138\" is no beginning of a phone number",
	    "one to four digits"},
	{"profile \"a\" { controls mail-domain \"com\" }\n", 1, 36, "\"com\" is no mail domain", "icloud.com"},
	{"profile \"a\" { controls mail-domain \"a@b.com\" }\n", 1, 36, "\"a@b.com\" is no mail domain", "icloud.com"},
	{"profile \"a\" { controls mail-domain \"a..com\" }\n", 1, 36, "\"a..com\" is no mail domain", "icloud.com"},
	{"profile \"a\" { controls kind sms }\n", 1, 29, "\"sms\" is no kind of factor", "totp webauthn"},
	{"profile \"a\" { controls phone-prefix \"+86\" }\n", 1, 24, "unknown thing that a provider controls:", ""},
	{"profile \"a\" { controls kind otp \"\" }\n", 1, 33, "a title must have 1 to 64 bytes", "short"},
	{"profile \"a\" { assume-independent totp }\n", 1, 15, "unknown option \"assume-independent\"", ""},
	{"provider \"p\" { plugin \"x\" assume-independent sms }\n", 1, 46, "\"sms\" is no kind of factor", "totp webauthn"},
	{"provider \"p\" { plugin \"x\" signals { account-disabled ignore notify } }\n", 1, 54, "account-disabled is ignored and has an effect", "either ignore"},
	{"provider \"p\" { plugin \"x\" signals { account-disabled stop } }\n", 1, 54, "unknown account-disabled", "suspend-link"},
	{"provider \"p\" { plugin \"x\" signals { account-stolen notify } }\n", 1, 37, "unknown option \"account-stolen\"", ""},
	/* words */
	{"servise \"x\" {}\n", 1, 1, "unknown option \"servise\"", "did you mean \"service\"?"},
	{SERVICE "\n  colour red }\n", 2, 3, "unknown option \"colour\"", "write one of: uid certificate-sha256"},
	{"realm \"other\"\n", 1, 1, "realm is written twice", "remove one"},
	{"timezone \"+08:00\n", 1, 10, "quotes are not closed", "close the quotes"},
	{"timezone +08\"\n", 1, 13, "a word runs into a quote", "put a space"},
	{"timezone \"\\n\"\n", 1, 10, "a backslash in quotes", "\\\\"},
	{"timezone \"\xff\"\n", 1, 10, "not printable UTF-8", "UTF-8"},
	{"timezone \x01\n", 1, 10, "a byte outside printable ASCII", "quotes"},
	{"}\n", 1, 1, "a } closes nothing", "remove"},
	{SERVICE "\n", 1, 1, "the block of a service is not closed", "write }"},
	{"service \"s\"\n\n", 3, 1, "a service needs a block in braces", "write {"},
	{"service \"\" {}\n", 1, 9, "must have 1 to 32 bytes", "choose a name"},
	{"service \"../x\" {}\n", 1, 9, "is no name for a service", "choose a name"},
	{"timezone \"+08:00\" \"+09:00\"\n", 1, 19, "a value or brace stands where an option belongs", "begin with"},
	{"generation 3\n", 1, 1, "unknown option \"generation\"", ""},
	{"stack \"x\" {}\n", 1, 1, "unknown option \"stack\"", "did you mean \"stacks\"?"},
	/* values */
	{"timezone\n", 1, 9, "timezone needs a value", "write: timezone ZONE"},
	{"timezone \"8\"\n", 1, 10, "must be an offset from UTC", "+08:00"},
	{"timezone \"Asia/Nowhere\"\n", 1, 10, "the system does not know it", "Asia/Shanghai"},
	{"timezone \"A/../../etc/passwd\"\n", 1, 10, "no name of a zone", "Asia/Shanghai"},
	{"timezone \"+15:00\"\n", 1, 10, "no place on Earth", "-12:00 to +14:00"},
	{"session { idle 59s }\n", 1, 16, "idle must be from 1m to 15m", "within the bounds"},
	{"session { idle 16m }\n", 1, 16, "idle must be from 1m to 15m", "within the bounds"},
	{"session { max 25h }\n", 1, 15, "max must be from 1m to", "within the bounds"},
	{"session { max 0 }\n", 1, 15, "max must be from 1m to", "within the bounds"},
	{"cooling-off { link 5 }\n", 1, 20, "link needs a unit", "write it like 500ms"},
	{"cooling-off { link 5y }\n", 1, 20, "link needs a unit", "write it like 500ms"},
	{"cooling-off { link 91d }\n", 1, 20, "link must be from 0 to 90d", "within the bounds"},
	{"factor \"f\" { plugin \"x\" deadline 1ms }\n", 1, 34, "deadline must be from 100ms to 1m", "bounds"},
	{"factor \"f\" { plugin \"x\" servers 0 }\n", 1, 33, "servers must be from 1 to 16", "bounds"},
	{"factor \"f\" { plugin \"x\" servers two }\n", 1, 33, "servers must be a whole number", "digits alone"},
	{"factor \"f\" { plugin \"x\" servers 99999999999999999999 }\n", 1, 33, "servers must be from 1 to 16", "bounds"},
	{"factor \"f\" { }\n", 1, 1, "a factor has no \"plugin\"", "add: plugin PLUGIN"},
	{"factor \"f\" { plugin \"a/b\" }\n", 1, 21, "neither a name nor an absolute path", "bare name"},
	{"policy-limits XXQ { }\n", 1, 15, "unknown currency \"XXQ\"", "ISO 4217"},
	{"policy-limits CNY { per-day 20.005 }\n", 1, 29, "at most 2 digits after the point", "decimal number"},
	{"policy-limits JPY { per-day 1.5 }\n", 1, 29, "at most 0 digits after the point", "decimal number"},
	{"policy-limits CNY { per-day -1 }\n", 1, 29, "must be an amount", "without sign"},
	{"policy-limits CNY { per-day 1e3 }\n", 1, 29, "must be an amount", "without sign"},
	{"policy-limits CNY { per-day 99999999999999999999 }\n", 1, 29, "past the largest amount", "smaller"},
	{"policy-limits CNY { per-day 5 per-payment 6 }\n", 1, 43, "per-payment is more than per-day", "lower it"},
	{"policy-limits CNY { }\npolicy-limits CNY { }\n", 2, 15, "a currency's policy-limits is written twice", "remove"},
	{"trusted-factor-limit CNY\n", 1, 25, "needs an amount after the currency", "trusted-factor-limit CNY 0"},
	{"listen tcp 1\n", 1, 8, "unknown door \"tcp\"", "write one of: service admin https"},
	{"listen service \"/x\"\n", 1, 1, "listen service is written twice", "remove"},
	{"listen admin \"/run/test/socket\"\n", 1, 14, "have the same path", "path of its own"},
	{"listen https localhost port 1 { }\n", 1, 14, "needs a numeric address", "127.0.0.1"},
	{"listen https ::1 port 0 { }\n", 1, 23, "port must be from 1 to 65535", "bounds"},
	{"listen https ::1 port 1 { key \"k\" }\n", 1, 1, "listen https has no \"certificate\"", "add: certificate PATH"},
	{"public-url \"http://shop.example\"\n", 1, 12, "must be an https URL", "127.0.0.1"},
	{"public-url \"https://shop.example/\"\n", 1, 12, "ends with a slash", "remove the slash"},
	{"user engin \"root\"\n", 1, 6, "unknown role \"engin\"", "did you mean \"engine\"?"},
	{"user engine \"no-such-user-here\"\n", 1, 13, "there is no user", "make the user"},
	{"include \"absent.conf\"\n", 1, 9, "there is no file", "correct the path"},
	{"stacks \"absent\"\n", 1, 8, "there is no stack \"other\"", "make the file"},
	{"factor \"f\" { plugin \"x\" pin abc }\n", 1, 29, "must be sha256: and 64 hexadecimal digits", "sha256sum FILE"},
	{"factor \"f\" { plugin \"x\" pin sha256:" HEX63 "g }\n", 1, 29, "64 hexadecimal digits", "sha256sum"},
	{"factor \"f\" { plugin \"x\" pin sha256:" HEX63 "0 sha256:1 }\n", 1, 101, "64 hexadecimal digits", "sha256sum"},
	{"plugins { require pins }\n", 1, 19, "unknown require \"pins\"", "did you mean \"pin\"?"},
	{"plugins { require pin none }\n", 1, 11, "both none and something", "none alone"},
	/* settings */
	{"factor \"f\" { plugin \"x\" set client-secret \"hunter2\" }\n", 1, 43, "the secret \"client-secret\" is written in",
	    "set client-secret file"},
	{"factor \"f\" { plugin \"x\" set client-secret file \"absent\" }\n", 1, 29, "is no readable file", "make the file"},
	{"factor \"f\" { plugin \"x\" set client-secret file \"open.secret\" }\n", 1, 29, "is open to others", "chmod 600"},
	{"factor \"f\" { plugin \"x\" set ca-file \"absent.pem\" }\n", 1, 29, "is no readable file", "make the file"},
	{"factor \"f\" { plugin \"x\" set a 1 set a 2 }\n", 1, 37, "a setting is written twice", "remove"},
	{"factor \"f\" { plugin \"x\" set a }\n", 1, 31, "set a needs a value", "set NAME VALUE"},
	/* the whole */
	{"provider \"sandbox\" { plugin \"y\" }\n", 1, 10, "a provider of this name is written twice", "rename"},
	{"factor \"sandbox\" { plugin \"y\" }\n", 1, 8, "a provider and a factor are both called", "rename"},
	{"risk \"sandbox\" { plugin \"y\" }\n", 1, 6, "a provider and a risk are both called", "rename"},
	{"factor \"f\" { plugin \"x\" }\nnotify \"f\" { plugin \"y\" }\n", 2, 8, "a factor and a notify are both called", "rename"},
	{"risk \"r\" { plugin \"y\" } risk \"r\" { plugin \"y\" }\n", 1, 30, "a risk of this name is written twice", "rename"},
	{"notify \"n\" { plugin \"x\" set secret file \"open.secret\" }\n", 1, 29, "is open to others", "chmod 600"},
	{"notify \"n\" { }\n", 1, 1, "a notify plugin has no \"plugin\"", "add: plugin"},
	{"risk \"r\" { plugin \"y\" cooling-off 0 }\n", 1, 23, "unknown option \"cooling-off\"", ""},
	{"service \"s\" { uid 5 }\n", 1, 1, "a service has no \"door\"", "add: door unix|https"},
	{"service \"s\" { door unix }\n", 1, 20, "has the door unix but no uid", "add: uid"},
	{"service \"s\" { door https }\n", 1, 20, "has the door https but no certificate and no client", "add: certificate-sha256 HEX, or: token-client"},
	{"service \"s\" { uid 5 door carrier-pigeon }\n", 1, 26, "unknown door \"carrier-pigeon\"", "unix https"},
	{SERVICE "rights spent }\n", 1, 38, "unknown rights \"spent\"", "did you mean \"spend\"?"},
	{SERVICE "rights spend spend }\n", 1, 44, "rights \"spend\" is written twice", "remove"},
	{SERVICE "}\nservice \"t\" { uid 6 5 door unix }\n", 2, 21, "the uid 5 is already the service \"s\"", "of its own"},
	{SERVICE "client-id \"apple\" \"x\" }\n", 1, 41, "unknown provider \"apple\"", "add that block"},
	{SERVICE "token-client \"corp\" \"x\" }\n", 1, 44, "unknown token \"corp\"", "add that block"},
	{SERVICE "token-client \"corp\" }\n", 1, 51, "needs the id after a token", "token-client \"corp\""},
	{SERVICE "client-id \"sandbox\" }\n", 1, 51, "needs the id after a provider", "client-id \"google\""},
	{SERVICE "return-url \"http://shop.example\" }\n", 1, 42, "must be an https URL", "https://"},
	{SERVICE "return-url \"http://127.0.0.1.evil.example/\" }\n", 1, 42, "must be an https URL", "https://"},
	{SERVICE "return-url \"https://a@b/\" }\n", 1, 42, "no URL that a browser can be sent to", "without user"},
	{SERVICE "stack \"absent\" }\n", 1, 37, "there is no stack \"absent\"", "make the file"},
	{SERVICE "certificate-sha256 \"abc\" }\n", 1, 50, "must be 64 hexadecimal digits", "openssl"},
};

static void
test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		const struct bad *b = &bads[i];
		struct config_error err;
		struct config *c = NULL;

		assert_int_not_equal(load(b->text, &c, &err), CS_OK);
		assert_null(c);
		if (strstr(err.message, b->message) == NULL || strstr(err.mend, b->mend) == NULL ||
		    err.line != BASE_LINES + b->line || err.column != b->column)
			fail_msg("case %zu: %s%u:%u: %s; %s", i, b->text, err.line - BASE_LINES, err.column, err.message, err.mend);
		assert_non_null(strstr(err.file, "test.conf"));
		assert_null(strstr(err.word, "hunter2"));
		assert_null(strstr(err.message, "hunter2"));
	}
}

static const struct bad stacks[] = {
	{"spend requisite\n", 1, 1, "the line has no rule", "operation control rule"},
	{"spend [success=okay] deny\n", 1, 16, "unknown action: \"okay\"", "ok, done"},
	{"spend include common extra\n", 1, 22, "include has more than one file", "a line of its own"},
	{"spend requird deny\n", 1, 7, "unknown control", "did you mean \"required\"?"},
	{"# a comment\n\nspned required deny\n", 3, 1, "unknown operation", "did you mean \"spend\"?"},
	{"spend required \\\n  denny\n", 2, 3, "unknown rule", "did you mean \"deny\"?"},
	{"spend required provider apple\n", 1, 25, "no such provider", "name a provider"},
	{"spend required session max-age=30\n", 1, 24, "not a duration", "30d"},
	{"spend required debug result=success\n", 1, 16, "debug is not for a configuration", "stack run"},
	{"spend [success=1] permit\n", 1, 7, "past the end", "skip fewer"},
	{"spend required deny#x\n", 1, 20, "a comment runs into a word", "space"},
	{"spend required deny \x01\n", 1, 21, "not printable", "UTF-8"},
	{"@include\n", 1, 9, "@include needs the name of a stack file", "@include NAME"},
	{"@include ../test.conf\n", 1, 10, "@include needs the name of a stack file", "@include NAME"},
	{"@include a b\n", 1, 12, "more than one file", "a line of its own"},
	{"@include absent\n", 1, 10, "cannot read", "readable"},
	{"@include s\n", 1, 10, "the file includes itself: s -> s", "remove one"},
};

/* Loads, prints, parses, prints: the same text twice. */
static void
check_identity(const struct config *c)
{
	struct bytes first, second;
	struct config_error err;
	struct config *again;

	bytes_init(&first, CONFIG_CANONICAL_MAX);
	bytes_init(&second, CONFIG_CANONICAL_MAX);
	config_print(c, &first.buf);
	assert_false(first.buf.full);
	if (config_parse((const char *)first.buf.data, first.buf.len, &again, &err) != CS_OK)
		fail_msg("%u:%u: %s", err.line, err.column, err.message);
	config_print(again, &second.buf);
	assert_int_equal(first.buf.len, second.buf.len);
	assert_memory_equal(first.buf.data, second.buf.data, first.buf.len);
	assert_int_equal(again->generation, c->generation);
	assert_int_equal(again->line_count, c->line_count);
	for (uint32_t i = 0; i < c->line_count; i++) {
		assert_int_equal(again->lines[i].level, c->lines[i].level);
		assert_int_equal(again->lines[i].file_index, c->lines[i].file_index);
		assert_string_equal(again->lines[i].note, c->lines[i].note);
		assert_string_equal(again->lines[i].control.text, c->lines[i].control.text);
	}
	config_free(again);
	bytes_clear(&first);
	bytes_clear(&second);
}

/* The same in the place of the base's store; columns count from the brace. */
#define REDIS(options) "realm \"test\"\nlisten service \"/run/test/socket\"\nstore redis {\n" options " }\n"

static enum cs_err
load_redis(const char *text, struct config **c, struct config_error *err)
{
	char path[256];

	put("redis.conf", text, 0600);
	snprintf(path, sizeof(path), "%s/redis.conf", dir);
	return config_load(path, c, err);
}

static const struct bad bad_stores[] = {
	{REDIS(""), 3, 7, "store redis names no servers", "add: server ADDRESS"},
	{REDIS("server \"a:1\" cluster \"a:1\""), 4, 22, "both a server and a cluster", "keep the one"},
	{REDIS("server \"a\""), 4, 8, "\"a\" is no address of a server", "unix:/run"},
	{REDIS("server \"a:0\""), 4, 8, "no address", "10.0.0.1:6379"},
	{REDIS("server \"a:65536\""), 4, 8, "no address", "10.0.0.1:6379"},
	{REDIS("server \"a b:1\""), 4, 8, "no address", "10.0.0.1:6379"},
	{REDIS("server \"redis://a:1\""), 4, 8, "no address", "10.0.0.1:6379"},
	{REDIS("server \"[::g]:1\""), 4, 8, "no address", "10.0.0.1:6379"},
	{REDIS("server \"unix:redis.sock\""), 4, 8, "begins at the root", "unix:/run"},
	{REDIS("cluster \"a:1\" \"unix:/x\""), 4, 15, "which are of TCP", "[2001:db8::1]:6379"},
	{REDIS("sentinel \"m\""), 4, 14, "needs addresses after the master's name", "sentinel \"payments\""},
	{REDIS("sentinel \"m\" \"a\""), 4, 14, "no address", "redis-1.example:6379"},
	{REDIS("cluster \"a:1\" replicas 0"), 4, 24, "a failover loses what no replica has heard", "weaker no-replicas"},
	{REDIS("cluster \"a:1\" weaker no-replicas"), 4, 22, "replicas are waited for", "remove the word"},
	{REDIS("server \"a:1\" weaker no-replicas"), 4, 21, "one server has no failovers", "remove the word"},
	{REDIS("server \"a:1\" weaker everysecs"), 4, 21, "unknown weaker", "did you mean \"everysec\"?"},
	{REDIS("server \"a:1\" replicas 9"), 4, 23, "replicas must be from 0 to 8", "bounds"},
	{REDIS("server \"a:1\" lease 100ms"), 4, 20, "lease must be from 200ms to 10s", "bounds"},
	{REDIS("server \"a:1\" timeout 1m"), 4, 22, "timeout must be from 50ms to 30s", "bounds"},
	{REDIS("server \"a:1\" prefix \"{x}\""), 4, 21, "no name", "letters"},
	{REDIS("server \"a:1\" password \"hunter2\""), 4, 14, "unknown option \"password\"", ""},
	{REDIS("server \"a:1\" password-file \"open.secret\""), 4, 28, "is open to others", "chmod 600"},
	{REDIS("server \"a:1\" password-file \"absent\""), 4, 28, "is no readable file", "make the file"},
	{REDIS("server \"a:1\" user \"u\""), 4, 19, "the store's user has no password", "password-file"},
	{REDIS("server \"a:1\" sentinel-password-file \"closed.secret\""), 4, 37, "there is no sentinel", "remove"},
	{REDIS("server \"a:1\" tls"), 4, 18, "tls needs a block in braces", "write {"},
	{REDIS("server \"a:1\" tls { ca \"absent\" }"), 4, 23, "is no readable file", "make the file"},
	{REDIS("sentinel \"m\" \"a:1\" sentinel-user \"u\""), 4, 34, "user has no password", "sentinel-password-file"},
	{REDIS("server \"a:1\" tls { ca \"tls.crt\" key \"closed.secret\" }"), 4, 37, "has no certificate", "both, or neither"},
	{REDIS("server \"a:1\" tls { ca \"tls.crt\" certificate \"tls.crt\" key \"open.secret\" }"), 4, 59, "is open to others", "chmod"},
	{"realm \"test\"\nlisten service \"/s\"\nstore reddis\n", 3, 7, "unknown store \"reddis\"", "did you mean \"redis\"?"},
};

static void
test_store_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_stores) / sizeof(bad_stores[0]); i++) {
		const struct bad *b = &bad_stores[i];
		struct config_error err;
		struct config *c = NULL;

		assert_int_not_equal(load_redis(b->text, &c, &err), CS_OK);
		assert_null(c);
		if (strstr(err.message, b->message) == NULL || strstr(err.mend, b->mend) == NULL || err.line != b->line ||
		    err.column != b->column)
			fail_msg("case %zu: %s%u:%u: %s; %s", i, b->text, err.line, err.column, err.message, err.mend);
		assert_null(strstr(err.message, "hunter2"));
	}
}

static struct config *
load_redis_good(const char *text)
{
	struct config_error err;
	struct config *c = NULL;

	if (load_redis(text, &c, &err) != CS_OK)
		fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.message);
	check_identity(c);
	return c;
}

static void
test_store_redis(void **state)
{
	struct config *c = load_redis_good(REDIS("server \"unix:/run/redis/redis.sock\"")), *other;
	const struct config_redis *redis = &c->store.redis;

	(void)state;
	assert_int_equal(c->store.kind, CONFIG_STORE_REDIS);
	assert_string_equal(redis->server, "unix:/run/redis/redis.sock");
	assert_int_equal(redis->replicas, 0);
	assert_int_equal(redis->lease_ms, 1000);
	assert_string_equal(redis->prefix, "cs");
	assert_string_equal(redis->journal, "/var/lib/countersign/journal.db");
	assert_true(strlen(redis->name) > 0);
	assert_false(redis->tls.on);
	assert_null(config_weaker_name(c, 0));
	other = load_redis_good(REDIS("server \"unix:/run/redis/redis.sock\""));
	assert_true(config_store_same(c, other));
	config_free(other);
	other = load_redis_good(REDIS("server \"unix:/run/redis/redis.sock\" lease 900ms"));
	assert_false(config_store_same(c, other));
	config_free(other);
	config_free(c);

	c = load_redis_good(REDIS("cluster \"10.0.0.1:6379\" \"[::1]:6379\"\n cluster redis-3:6379\n name \"b-2\" prefix \"pay\"\n"
	    "user \"countersign\" password-file \"closed.secret\" timeout 2s lease 500ms cache 1GiB journal-kept 7d journal-size 64GiB\n"
	    "tls { ca \"tls.crt\" certificate \"tls.crt\" key \"closed.secret\" name \"redis.example\" }\n"
	    "replicas 0 weaker everysec no-replicas"));
	redis = &c->store.redis;
	assert_int_equal(redis->cluster_count, 3);
	assert_string_equal(redis->clusters[1], "[::1]:6379");
	assert_string_equal(redis->clusters[2], "redis-3:6379");
	assert_string_equal(redis->name, "b-2");
	assert_true(redis->tls.on);
	assert_string_equal(redis->tls.name, "redis.example");
	assert_int_equal(redis->weaker, CONFIG_WEAKER_EVERYSEC | CONFIG_WEAKER_NO_REPLICAS);
	assert_string_equal(config_weaker_name(c, 1), "no-replicas");
	assert_null(config_weaker_name(c, 2));
	config_free(c);

	c = load_redis_good(REDIS("sentinel \"payments\" \"a:26379\" \"b:26379\"\n sentinel-password-file \"closed.secret\""));
	redis = &c->store.redis;
	assert_string_equal(redis->sentinel_master, "payments");
	assert_int_equal(redis->sentinel_count, 2);
	assert_string_equal(redis->sentinels[1], "b:26379");
	assert_int_equal(redis->replicas, 1);
	config_free(c);
}

static void
test_stack_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		const struct bad *b = &stacks[i];
		struct config_error err;
		struct config *c;

		put("services/a", "", 0600);
		put("services/s", b->text, 0600);
		if (load(SERVICE "}\n", &c, &err) == CS_OK)
			fail_msg("case %zu was accepted: %s", i, b->text);
		if (strstr(err.message, b->message) == NULL || strstr(err.mend, b->mend) == NULL || err.line != b->line ||
		    err.column != b->column)
			fail_msg("case %zu: %s%u:%u: %s; %s", i, b->text, err.line, err.column, err.message, err.mend);
		assert_non_null(strstr(err.file, "services/s"));
	}
	put("services/s", "spend requisite deny\n", 0600);
}

static void
test_stack_lines(void **state)
{
	const struct config_line *line;
	struct config *c;

	(void)state;
	put("services/common", "link required \\\n\tstepup any=totp\nfactor required stepup\n", 0600);
	put("services/s",
	    "# first\n\nspend  sufficient allowance # why\nlink include common\n#: Art. 1\n#: of the law\n"
	    "-Factor [ success=ok\tdefault=1 ] permit #: and more\nfactor substack common\n", 0600);
	c = load_good(SERVICE "}\n");
	assert_string_equal(c->stacks[c->services[0].stack_index].name, "s");
	assert_int_equal(c->stacks[c->services[0].stack_index].line_count, 5);
	assert_int_equal(c->stacks[c->services[0].stack_index].file_count, 2);
	line = &c->lines[c->stacks[c->services[0].stack_index].first_line];
	assert_string_equal(line->operation.text, "spend");
	assert_int_equal(line->operation.line, 3);
	assert_string_equal(line->rule.text, "allowance");
	assert_int_equal(line->rule.column, 19);
	assert_int_equal(line->argument_count, 0);
	line++;
	assert_non_null(strstr(line->file, "services/common"));
	assert_int_equal(line->rule.line, 2);
	assert_string_equal(line->arguments[0].text, "any=totp");
	assert_int_equal(line->arguments[0].column, 9);
	line++;
	assert_string_equal(line->operation.text, "-Factor");
	assert_string_equal(line->control.text, "[success=ok default=1]");
	assert_string_equal(line->note, "Art. 1 of the law and more");
	line++;
	assert_string_equal(line->control.text, "substack");
	assert_string_equal(line->rule.text, "common");
	assert_int_equal(line->level, 0);
	line++;
	assert_string_equal(line->rule.text, "stepup");
	assert_int_equal(line->level, 1);
	assert_int_equal(line->file_index, 1);
	assert_string_equal(line->note, "");
	check_identity(c);
	config_free(c);
}

static void
test_print_parses_to_the_same(void **state)
{
	struct config *c = load_good(
	    "timezone \"Europe/Berlin\"\n"
	    "listen https \"::1\" port 8443 { certificate \"tls.crt\" key \"closed.secret\" }\n"
	    "public-url \"https://[::1]:8443\"\n"
	    "policy-limits CNY { per-payment 1.05 }\n"
	    "trusted-factor-limit CNY 0.01 KWD 1.001\n"
	    "risk \"scores\" { plugin \"velocity\" deadline 300ms queue 9 set window 5 }\n"
	    "notify \"hook\" { plugin \"/opt/hook.so\" servers 2 set url \"https://a/\" set secret file \"closed.secret\" }\n"
	    "provider \"s\" { plugin \"x\" signals { other ignore session-revoked pause-allowances notify silent-after 3d } }\n"
	    "user engine \"root\" worker \"root\"\n"
	    "provider \"p\" { plugin \"x\" set quoted \"a \\\"b\\\" \\\\c\" set plain 7 \"set\"\n"
	    "	set client-secret file \"closed.secret\" }\n"
	    SERVICE "certificate-sha256 \"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\" }\n");

	(void)state;
	c->generation = 7;
	c->providers[1].socket = config_keep(c, "/run/test/worker-p.7.sock");
	check_identity(c);
	config_free(c);
}

static void
test_examples_load(void **state)
{
	const char *source = getenv("srcdir");
	struct config_error err;
	struct config *c = NULL;
	char path[512];

	(void)state;
	snprintf(path, sizeof(path), "%s/packaging/examples/countersign.conf", source == NULL ? "." : source);
	if (config_load(path, &c, &err) != CS_OK)
		fail_msg("%s:%u:%u: %s; %s", err.file, err.line, err.column, err.message, err.mend);
	assert_int_equal(c->service_count, 0);
	check_identity(c);
	/* What is shipped as `other` permits nothing; the other files are read in tests/policy. */
	assert_string_equal(c->stacks[0].name, "other");
	for (uint32_t i = 0; i < c->stacks[0].line_count; i++)
		assert_string_equal(c->lines[c->stacks[0].first_line + i].rule.text, "deny");
	config_free(c);
}

/* Each shipped profile by itself, and all of them as the manual says to include them. */
static void
test_profiles_load(void **state)
{
	static const struct {
		const char *name, *title;
		bool syncs;
		uint16_t controls;
	} shipped[] = {{"alipay", "Alipay", false, 1}, {"apple", "Apple ID", true, 6}, {"google", "Google Account", true, 3},
	    {"microsoft", "Microsoft account", true, 5}, {"phone-cn", "Phone number", false, 2}, {"wechat", "WeChat", false, 1}};
	const char *source = getenv("srcdir");
	char text[PATH_MAX + 512], root[PATH_MAX], pattern[PATH_MAX + 32];
	struct config *c;

	(void)state;
	assert_non_null(realpath(source == NULL ? "." : source, root));
	snprintf(pattern, sizeof(pattern), "%s/packaging/profiles", root);
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		snprintf(text, sizeof(text), "include \"%s/%s.conf\"\nprovider \"p\" { plugin \"x\" profile \"%s\" }\n", pattern,
		    shipped[i].name, shipped[i].name);
		c = load_good(text);
		assert_string_equal(config_provider_title(c, &c->providers[1]), shipped[i].title);
		assert_int_equal(c->profiles[0].syncs_secrets, shipped[i].syncs);
		assert_int_equal(c->profiles[0].control_count, shipped[i].controls);
		check_identity(c);
		config_free(c);
	}
	snprintf(text, sizeof(text), "include \"%s/*.conf\"\n", pattern);
	c = load_good(text);
	assert_int_equal(c->profile_count, sizeof(shipped) / sizeof(shipped[0]));
	config_free(c);
}

static void
test_includes(void **state)
{
	struct config_error err;
	struct config *c;

	(void)state;
	put("b.inc", "provider \"b\" { plugin \"x\" }\n", 0600);
	put("a.inc", "provider \"a\" { plugin \"x\" }\n", 0600);
	c = load_good("include \"*.inc\"\ninclude \"none-*.inc\"\n");
	assert_string_equal(c->providers[1].name, "a");
	assert_string_equal(c->providers[2].name, "b");
	config_free(c);
	put("a.inc", "\nrealm \"x\"\n", 0600);
	assert_int_equal(load("include \"a.inc\"\n", &c, &err), CS_ERR_SYNTAX);
	assert_string_equal(err.message, "realm is written twice");
	assert_non_null(strstr(err.file, "a.inc"));
	assert_int_equal(err.line, 2);
	put("a.inc", "include \"a.inc\"\n", 0600);
	assert_int_equal(load("include \"a.inc\"\n", &c, &err), CS_ERR_SYNTAX);
	assert_non_null(strstr(err.message, "nested more than 8 deep"));
}

/* A candidate is a whole configuration inside of another; what it names as its own is not read. */
static void
test_candidate(void **state)
{
	static const char next[] = "realm \"test\"\nlisten service \"/run/test/socket\"\nstore mem\n"
	    "policy-limits CNY { per-payment 7 }\nprovider \"sandbox\" { plugin \"oidc\" }\nshadow-config \"none.conf\"\n";
	struct config_error err;
	struct config *c = NULL;

	(void)state;
	put("next.conf", next, 0600);
	c = load_good("shadow-config \"next.conf\"\n");
	assert_non_null(c->shadow);
	assert_null(c->shadow->shadow);
	assert_int_equal(c->shadow->policy_limits[0].per_payment_minor, 700);
	assert_int_equal(c->policy_limits_count, 0);
	check_identity(c);
	config_free(c);
	c = NULL;
	put("next.conf", "realm \"test\"\nrelm \"x\"\n", 0600);
	assert_int_equal(load("shadow-config \"next.conf\"\n", &c, &err), CS_ERR_SYNTAX);
	assert_non_null(strstr(err.file, "next.conf"));
	assert_int_equal(err.line, 2);
	put("next.conf", "realm \"other\"\nlisten service \"/run/test/socket\"\nstore mem\n", 0600);
	assert_int_equal(load("shadow-config \"next.conf\"\n", &c, &err), CS_ERR_SYNTAX);
	assert_non_null(strstr(err.message, "next.conf is of another realm"));
	assert_int_equal(err.line, BASE_LINES + 1);
	assert_int_equal(load("shadow-config \"none.conf\"\n", &c, &err), CS_ERR_SYNTAX);
	assert_non_null(strstr(err.message, "cannot open the candidate: No such file"));
	assert_int_equal(err.line, BASE_LINES + 1);
	assert_null(c);
}

static void
test_canonical_text_reads_no_files(void **state)
{
	static const char text[] = "realm \"x\"\nlisten service \"/s\"\nstore mem\ninclude \"/etc/passwd\"\n";
	static const char relative[] = "realm \"x\"\nlisten service \"s\"\nstore mem\n";
	struct config_error err;
	struct config *c = NULL;

	(void)state;
	assert_int_equal(config_parse(text, sizeof(text) - 1, &c, &err), CS_ERR_SYNTAX);
	assert_string_equal(err.message, "unknown option \"include\"");
	assert_int_equal(config_parse(relative, sizeof(relative) - 1, &c, &err), CS_ERR_SYNTAX);
	assert_non_null(strstr(err.message, "is relative"));
	assert_null(c);
}

static void
test_required(void **state)
{
	struct config_error err;
	struct config *c;
	char path[256], text[512];

	(void)state;
	put("empty.conf", "", 0600);
	snprintf(path, sizeof(path), "%s/empty.conf", dir);
	assert_int_equal(config_load(path, &c, &err), CS_ERR_SYNTAX);
	assert_string_equal(err.message, "the configuration has no \"realm\"");
	config_error_text(&err, text, sizeof(text));
	assert_non_null(strstr(text, "empty.conf:1:1: the configuration has no \"realm\"; to mend it: add: realm NAME"));
	snprintf(path, sizeof(path), "%s/absent.conf", dir);
	assert_int_equal(config_load(path, &c, &err), CS_ERR_SYSTEM);
	assert_non_null(strstr(err.message, "No such file"));
}

/* The manual holds what the table says. */
static void
test_manual(void **state)
{
	const char *source = getenv("srcdir");
	static char manual[64 * 1024];
	struct bytes b;
	char path[512];
	size_t n;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/broker/parent/countersign.conf.5", source == NULL ? "." : source);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(manual, 1, sizeof(manual) - 1, f);
	manual[n] = '\0';
	fclose(f);
	bytes_init(&b, sizeof(manual));
	config_manual(&b.buf);
	buf_put_u8(&b.buf, '\0');
	if (strstr(manual, (const char *)b.buf.data) == NULL)
		fail_msg("countersign.conf.5 differs from the table of options; it should hold:\n%s", (const char *)b.buf.data);
	bytes_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_store_refused),
		cmocka_unit_test(test_store_redis),
		cmocka_unit_test(test_stack_refused),
		cmocka_unit_test(test_stack_lines),
		cmocka_unit_test(test_print_parses_to_the_same),
		cmocka_unit_test(test_examples_load),
		cmocka_unit_test(test_profiles_load),
		cmocka_unit_test(test_includes),
		cmocka_unit_test(test_candidate),
		cmocka_unit_test(test_canonical_text_reads_no_files),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
