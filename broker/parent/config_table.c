/* SPDX-License-Identifier: Apache-2.0 */
/* Every option there is. */
#include "broker/parent/config_option.h"

#include <arpa/inet.h>
#include <glob.h>
#include <stdio.h>

static const char *const door_words[] = {"unix", "https", NULL};
static const char *const right_words[] = {
	"spend", "refund", "link", "enrol", "respond", "lookup", "enumerate", "explain", "signals", NULL};

static const struct option limits_options[] = {
	{.name = "per-payment", .type = &type_amount, ONE(config_limits, per_payment_minor),
	 .help = "The most that one payment may be."},
	{.name = "per-day", .type = &type_amount, ONE(config_limits, per_day_minor),
	 .help = "The most in a day, open holds included."},
	{.name = "per-month", .type = &type_amount, ONE(config_limits, per_month_minor),
	 .help = "The most in a calendar month, open holds included."},
	{.name = "count-day", .type = &type_count, ONE(config_limits, count_day), .max = 1000000,
	 .help = "How many payments a day."},
	{.name = "count-month", .type = &type_count, ONE(config_limits, count_month), .max = 1000000,
	 .help = "How many payments a calendar month."},
	{.name = NULL},
};
static const struct block limits_block = {"limits", limits_options};

static const char *const network_words[] = {"no", "hosts", "any", NULL};

static const struct option cage_options[] = {
	{.name = "network", .type = &type_word, ONE(config_cage, network), .words = network_words, .argument = "no|hosts|any",
	 .help = "Whether its processes may open sockets. With hosts: the Internet's, and TCP to the ports of the URLs in this"
	         " block alone, where the kernel can bind that; with any: to every port, and the sockets of this machine."
	         " Default: hosts where the plugin says that it asks servers, else no."},
	{.name = "processes", .type = &type_bool, ONE(config_cage, processes), .preset = "no",
	 .help = "Whether it may start other programs, which share its cage: for pam, and plugins that are executables."},
	{.name = "read", .type = &type_path, MANY(config_cage, reads, read_count, CONFIG_CAGE_PATHS_MAX),
	 .argument = "PATH ...", .help = "Files, or directories with all in them, that it may read beside its libraries' own; with processes, also run."},
	{.name = "write", .type = &type_path, MANY(config_cage, writes, write_count, CONFIG_CAGE_PATHS_MAX),
	 .argument = "PATH ...", .help = "The same for reading and writing."},
	{.name = "memory", .type = &type_size, ONE(config_cage, memory_bytes), .min = 64 << 20, .max = INT64_C(64) << 30,
	 .preset = "1 GiB", .help = "The most address space that each of its processes may have."},
	{.name = NULL},
};
static const struct block cage_block = {"a cage", cage_options};

/* What all blocks with a plugin have in common. */
#define PLUGIN_OPTIONS(type_, servers_)                                                                     \
	{.name = "plugin", .type = &type_plugin, ONE(type_, plugin), .flags = OPTION_REQUIRED,                  \
	 .help = "The plugin: a name, which is a file NAME.so in the plugin directory, or an absolute path."},  \
	{.name = "pin", .type = &type_pin, MANY(type_, pins, pin_count, CONFIG_PINS_MAX), .flags = OPTION_ADMIN, \
	 .argument = "sha256:HEX ...",                                                                          \
	 .help = "SHA-256 digests of files, one of which the plugin's must have; it is then loaded from a copy in memory" \
	         " that was checked. Two are written before an upgrade, and the old one removed after it."},     \
	{.name = "servers", .type = &type_number, ONE(type_, servers), .min = 1, .max = 16, .preset = servers_, \
	 .help = "How many processes answer for this plugin at the same time."},                                \
	{.name = "deadline", .type = &type_duration, ONE(type_, deadline_ms), .min = 100, .max = 60 * SECOND,   \
	 .preset = "5s",                                                                                        \
	 .help = "How long one call may take, from the moment of queueing. A late server is killed and replaced."}, \
	{.name = "queue", .type = &type_number, ONE(type_, queue), .min = 1, .max = 4096, .preset = "64",       \
	 .help = "How many calls may wait; one more is refused as unavailable."},                               \
	{.name = "user", .type = &type_name, ONE(type_, user),                                                  \
	 .help = "The user that its processes become when the broker is started as root. Default: that of the role worker."}, \
	{.name = "cage", .type = &type_block, ONE(type_, cage), .block = &cage_block, .preset = "{ }",          \
	 .help = "What its processes may do beside answering; all else ends them."}

#define SOCKET_OPTION(type_)                                                                                \
	{.name = "socket", .type = &type_path, ONE(type_, socket), .flags = OPTION_CANONICAL,                   \
	 .max = CONFIG_SOCKET_PATH_MAX, .help = "Where the worker answers."}

#define SETTING_OPTION(type_)                                                                               \
	{.name = "set", .type = &type_setting, MANY(type_, settings, setting_count, CONFIG_SETTINGS_MAX),       \
	 .help = "A setting of the plugin; the plugin's own manual names them. After the word file comes the path of a file" \
	         " of mode 0600 that holds the value; secrets are given in no other way. The value of a setting whose name" \
	         " ends in -file is a path."}

/* A provider's own words add to its profile's. */
#define CONTROL_OPTIONS(type_)                                                                              \
	{.name = "title", .type = &type_text, ONE(type_, title), .argument = "TEXT", .max = 64,                 \
	 .help = "What people call it: pages and explanations say so."},                                        \
	{.name = "controls", .type = &type_control, MANY(type_, controls, control_count, CONFIG_CONTROLS_MAX),  \
	 .help = "What falls when this provider falls: a mail domain with its subdomains, phone numbers that begin so," \
	         " an authenticator model whose passkeys it syncs, or a whole kind of factor. A factor that rests on it" \
	         " countersigns nothing for this provider's links, whatever is assumed. A title may follow, for people."}, \
	{.name = "syncs-secrets", .type = &type_bool, ONE(type_, syncs_secrets), .preset = "no",                \
	 .help = "Whether an account here may hold copies of the owner's secrets (passwords, authenticator seeds). When yes," \
	         " a factor that is not known to be independent does not countersign."}

static const struct option profile_options[] = {
	CONTROL_OPTIONS(config_profile),
	{.name = NULL},
};
static const struct block profile_block = {"a profile", profile_options};

static const char *const effect_words[] = {
#define X(id, name, help) name,
	SIGNAL_EFFECTS(X)
#undef X
	"ignore", NULL};

static const struct option signals_options[] = {
	{.name = "silent-after", .type = &type_duration, ONE(config_signals, silent_after_ms), .min = MINUTE, .max = YEAR,
	 .help = "How long nothing may be heard of this provider's stream before that is reported. Default: 7d since the last" \
	         " message, once there was one; written here, it is counted from the broker's start too."},
	{.name = "poll", .type = &type_duration, ONE(config_signals, poll_ms), .min = SECOND, .max = DAY,
	 .help = "Asks the provider for events this often (RFC 8936), for a stream that is not pushed. Default: nothing is asked for."},
#define X(id, name_, effects_, words_, good, help_) \
	{.name = name_, .type = &type_words, .offset = offsetof(struct config_signals, effects) + \
	 SIGNAL_KIND_##id * sizeof(unsigned), .words = effect_words, .argument = "EFFECT ...", \
	 .help = help_ " Default: " words_ "."},
	SIGNAL_KINDS(X)
#undef X
	{.name = NULL},
};
static const struct block signals_block = {"signals", signals_options};

static const struct option provider_options[] = {
	PLUGIN_OPTIONS(config_provider, "2"),
	{.name = "cooling-off", .type = &type_duration, ONE(config_provider, cooling_off_ms), .max = 90 * DAY,
	 .help = "How long a new link at this provider must wait before it can spend. Default: cooling-off link."},
	{.name = "profile", .type = &type_name, ONE(config_provider, profile),
	 .help = "The profile that says what this provider controls; what is written here adds to it."},
	CONTROL_OPTIONS(config_provider),
	{.name = "assume-independent", .type = &type_text,
	 MANY(config_provider, assume_independent, assume_independent_count, CONFIG_ITEMS_MAX), .argument = "KIND ...",
	 .help = "Kinds of factors that you vouch for as independent of this provider; every event that rests on it says so."},
	{.name = "limits", .type = &type_currency_block, MANY(config_provider, limits, limits_count, CONFIG_CURRENCIES_MAX),
	 .block = &limits_block, .help = "Limits for what each link of this provider spends."},
	{.name = "signals", .type = &type_block, ONE(config_provider, signals), .block = &signals_block, .preset = "{ }",
	 .help = "What the provider's security events do here, by the event's name. The effects are suspend-link, void-sessions," \
	         " void-challenges, pause-allowances, void-allowances, lower-evidence, notify and ignore."},
	SETTING_OPTION(config_provider),
	SOCKET_OPTION(config_provider),
	{.name = NULL},
};
static const struct block provider_block = {"a provider", provider_options};

static const struct option factor_options[] = {
	PLUGIN_OPTIONS(config_factor, "1"),
	{.name = "cooling-off", .type = &type_duration, ONE(config_factor, cooling_off_ms), .max = 90 * DAY,
	 .help = "How long a new factor of this kind must wait before it countersigns. Default: cooling-off factor."},
	SETTING_OPTION(config_factor),
	SOCKET_OPTION(config_factor),
	{.name = NULL},
};
static const struct block factor_block = {"a factor", factor_options};

static const struct option plugin_options[] = {
	PLUGIN_OPTIONS(config_plugin, "1"),
	SETTING_OPTION(config_plugin),
	SOCKET_OPTION(config_plugin),
	{.name = NULL},
};
static const struct block risk_block = {"a risk plugin", plugin_options};
static const struct block notify_block = {"a notify plugin", plugin_options};
static const struct block token_block = {"a token plugin", plugin_options};

static const struct option service_options[] = {
	{.name = "uid", .type = &type_number, MANY(config_service, uids, uid_count, CONFIG_ITEMS_MAX), .max = UINT32_MAX - 1,
	 .help = "Users that are this service on the Unix socket."},
	{.name = "certificate-sha256", .type = &type_certificate,
	 MANY(config_service, certificates, certificate_count, CONFIG_ITEMS_MAX),
	 .help = "Client certificates that are this service over HTTPS, by the SHA-256 of their DER form."},
	{.name = "door", .type = &type_words, ONE(config_service, doors), .words = door_words, .flags = OPTION_REQUIRED,
	 .argument = "unix|https ...", .help = "The doors that it may come through."},
	{.name = "rights", .type = &type_words, ONE(config_service, rights), .words = right_words,
	 .argument = "spend|refund|link|enrol|respond|lookup|enumerate|explain|signals ...",
	 .help = "What it may ask for. None: nothing but the broker's description."},
	{.name = "client-id", .type = &type_client, MANY(config_service, clients, client_count, CONFIG_ITEMS_MAX),
	 .help = "Its client ids at a provider: an assertion made for another client id is refused."},
	{.name = "token-client", .type = &type_token_client,
	 MANY(config_service, token_clients, token_client_count, CONFIG_ITEMS_MAX),
	 .help = "Its client ids at an authorization server: who shows such a client's access token over HTTPS is this service."},
	{.name = "return-url", .type = &type_url, MANY(config_service, return_urls, return_url_count, CONFIG_ITEMS_MAX),
	 .help = "Where a browser may be sent back to; compared byte by byte."},
	{.name = "push", .type = &type_name, ONE(config_service, push),
	 .help = "The notify block, of plugin push, by which its security events are pushed to it. None: it polls them."},
	{.name = "stack", .type = &type_name, ONE(config_service, stack),
	 .help = "The stack that decides for it. Default: the one of its own name, else other."},
	{.name = NULL},
};
static const struct block service_block = {"a service", service_options};

static const struct option admin_options[] = {
	{.name = "uid", .type = &type_number, MANY(config, admin_uids, admin_uid_count, CONFIG_ITEMS_MAX),
	 .max = UINT32_MAX - 1, .help = "Users that may use the admin socket. Default: root and the broker's own."},
	{.name = NULL},
};
static const struct block admin_block = {"admin", admin_options};

static const char *const require_words[] = {"none", "pin", "signature", NULL};

static const struct option plugins_options[] = {
	{.name = "require", .type = &type_words_or_none, ONE(config, plugins.require), .words = require_words,
	 .argument = "none | pin|signature ...", .preset = "none",
	 .help = "What each plugin's file must have besides the right owner and mode: a pin in its block, a signature beside it."
	         " A file that has not keeps the broker from starting, and a reload from happening."},
	{.name = "keys", .type = &type_path, ONE(config, plugins.keys), .preset = "\"trusted-plugins\"",
	 .help = "The directory with the public keys that plugins may be signed by: Ed25519, PEM, one a file, named *.pub."},
	{.name = NULL},
};
static const struct block plugins_block = {"plugins", plugins_options};

static const struct option keys_options[] = {
	{.name = "file", .type = &type_path, ONE(config, key_file),
	 .help = "The master key; made with mode 0600 where absent. Default: master.key in the state directory."},
	{.name = NULL},
};
static const struct block keys_block = {"keys", keys_options};

static const struct option cooling_off_options[] = {
	{.name = "link", .type = &type_duration, ONE(config, cooling_off.link_ms), .max = 90 * DAY, .preset = "24h",
	 .help = "How long a new link must wait before it can spend."},
	{.name = "factor", .type = &type_duration, ONE(config, cooling_off.factor_ms), .max = 90 * DAY, .preset = "24h",
	 .help = "How long a new factor must wait before it countersigns."},
	{.name = "limit", .type = &type_duration, ONE(config, cooling_off.limit_ms), .max = 90 * DAY, .preset = "24h",
	 .help = "How long the raise of a limit must wait; until then the smaller limit binds."},
	{.name = "recovery", .type = &type_duration, ONE(config, cooling_off.recovery_ms), .max = 90 * DAY, .preset = "72h",
	 .help = "How long a factor that a recovery code countersigned must wait; never less than its kind waits. Until then"
	         " what it replaces stands, and anybody may remove it."},
	{.name = NULL},
};
static const struct block cooling_off_block = {"cooling-off", cooling_off_options};

/* Both may be made shorter than what a session is said to be, and never longer. */
static const struct option session_options[] = {
	{.name = "idle", .type = &type_duration, ONE(config, session.idle_ms), .min = MINUTE, .max = 15 * MINUTE, .preset = "15m",
	 .help = "How long a session may be left unused before the user must sign in again."},
	{.name = "max", .type = &type_duration, ONE(config, session.max_ms), .min = MINUTE, .max = DAY, .preset = "24h",
	 .help = "How long a session may last, however much it is used."},
	{.name = NULL},
};
static const struct block session_block = {"session", session_options};

static const struct option https_options[] = {
	{.name = "certificate", .type = &type_path, ONE(config_https, certificate), .flags = OPTION_REQUIRED,
	 .help = "The server's certificate with its chain, PEM."},
	{.name = "key", .type = &type_path, ONE(config_https, key), .flags = OPTION_REQUIRED,
	 .help = "Its private key, PEM, mode 0600."},
	{.name = "client-ca", .type = &type_path, ONE(config_https, client_ca),
	 .help = "The authorities of services' client certificates. Without it no service can come through https."},
	{.name = NULL},
};
static const struct block https_block = {"listen https", https_options};

static const struct option stack_options[] = {
	{.name = "line", .type = &type_line, .flags = OPTION_REPEATS, .help = "A line of a stack."},
	{.name = NULL},
};
static const struct block stack_block = {"a stack", stack_options};

static const struct option top_options[] = {
	{.name = "generation", .type = &type_generation, ONE(config, generation), .max = INT64_MAX,
	 .flags = OPTION_CANONICAL, .help = "Counts the reloads of one running broker."},
	{.name = "realm", .type = &type_name, ONE(config, realm), .flags = OPTION_REQUIRED,
	 .help = "The operator's name space: part of every account, link and payment key. Never change it."},
	{.name = "run-directory", .type = &type_path, ONE(config, run_directory), .preset = "\"/run/countersign\"", .max = 64,
	 .help = "Where the broker's processes meet. Made when absent."},
	{.name = "state-directory", .type = &type_path, ONE(config, state_directory), .preset = "\"/var/lib/countersign\"",
	 .help = "Where the store and the master key are. Made when absent."},
	{.name = "listen", .type = &type_listen, .block = &https_block, .flags = OPTION_REPEATS,
	 .argument = "service PATH | admin PATH | https ADDRESS port NUMBER { ... }",
	 .help = "A door. Services come through service (required) and https, admins through admin (default: admin in the"
	         " run directory). Changing it needs a restart."},
	{.name = "public-url", .type = &type_url, ONE(config, public_url),
	 .help = "Where browsers find the HTTPS door; required with it. Without a slash at its end."},
	{.name = "store", .type = &type_store, ONE(config, store), .block = &store_block, .flags = OPTION_REQUIRED,
	 .argument = "sqlite { ... } | redis { ... } | mem",
	 .help = "Where accounts and the log are kept; mem forgets everything and is for trials. Changing it needs a restart."},
	{.name = "keys", .type = &type_block, .block = &keys_block, .preset = "{ }", .help = "The broker's keys."},
	{.name = "user", .type = &type_user, ONE(config, users), .flags = OPTION_REPEATS,
	 .argument = "engine|gateway|worker NAME",
	 .help = "The user that a role becomes when the broker is started as root. Changing it needs a restart."},
	{.name = "plugins", .type = &type_block, .block = &plugins_block, .preset = "{ }", .flags = OPTION_ADMIN,
	 .help = "Which plugins' files are loaded."},
	{.name = "admin", .type = &type_block, .block = &admin_block, .preset = "{ }",
	 .help = "Who may use the admin socket."},
	{.name = "timezone", .type = &type_timezone, ONE(config, timezone), .preset = "\"+00:00\"",
	 .help = "Where days, months and years begin: an offset from UTC like \"+08:00\", or a zone like \"Asia/Shanghai\", whose changes of the clocks until 2050 are read from the system's files (package tzdata) with the configuration."},
	{.name = "cooling-off", .type = &type_block, .block = &cooling_off_block, .preset = "{ }",
	 .help = "What is new cannot spend at once. Zero must be written."},
	{.name = "session", .type = &type_block, .block = &session_block, .preset = "{ }",
	 .help = "How long an ID that was signed in with once speaks for its user."},
	{.name = "policy-limits", .type = &type_currency_block,
	 MANY(config, policy_limits, policy_limits_count, CONFIG_CURRENCIES_MAX), .block = &limits_block,
	 .help = "Limits for every account. A currency without them is denied."},
	{.name = "trusted-factor-limit", .type = &type_currency_amount,
	 MANY(config, trusted_factor_limits, trusted_factor_limit_count, CONFIG_CURRENCIES_MAX),
	 .help = "Up to this amount a factor countersigns whose answer the engine cannot check itself. Default: 0."},
	{.name = "profile", .type = &type_named, MANY(config, profiles, profile_count, CONFIG_PROFILES_MAX),
	 .block = &profile_block,
	 .help = "What is known of an identity provider that many have, for the provider blocks that name it. Shipped, in"
	         " the directory profiles: apple, google, microsoft, wechat, alipay and phone-cn."},
	{.name = "provider", .type = &type_named, MANY(config, providers, provider_count, CONFIG_PROVIDERS_MAX),
	 .block = &provider_block, .help = "An identity provider."},
	{.name = "factor", .type = &type_named, MANY(config, factors, factor_count, CONFIG_FACTORS_MAX),
	 .block = &factor_block,
	 .help = "A kind of factor, whose name it has: totp, webauthn, otp (codes by text message or mail), pam, recovery or approve."},
	{.name = "risk", .type = &type_named, MANY(config, risks, risk_count, CONFIG_RISKS_MAX), .block = &risk_block,
	 .help = "A plugin that says how risky a request looks. The rule risk of a stack names it."},
	{.name = "token", .type = &type_named, MANY(config, tokens, token_count, CONFIG_TOKENS_MAX), .block = &token_block,
	 .help = "An authorization server whose access tokens services may show over HTTPS, instead of a client certificate or"
	         " bound to one. The token-client of a service names it."},
	{.name = "notify", .type = &type_named, MANY(config, notifies, notify_count, CONFIG_NOTIFIES_MAX),
	 .block = &notify_block,
	 .help = "A plugin that tells somebody what was decided. The rule notify of a stack names it. What it cannot deliver in"
	         " time is lost there, and stays in the broker's log."},
	{.name = "service", .type = &type_named, MANY(config, services, service_count, CONFIG_SERVICES_MAX),
	 .block = &service_block, .help = "A payment service."},
	{.name = "stacks", .type = &type_path, ONE(config, stacks_directory), .preset = "\"services\"", .flags = OPTION_ADMIN,
	 .help = "The directory of the stack files, one a service, and other."},
	{.name = "shadow-config", .type = &type_path, ONE(config, shadow_config), .flags = OPTION_ADMIN,
	 .help = "A candidate: another whole configuration that is asked beside this one about whatever is decided, and whose"
	         " answers change nothing. Where it would have decided otherwise is counted in events of the type"
	         " shadow_differs, at most one a second, and shown by countersignctl shadow. A mistake in it refuses this"
	         " configuration, too."},
	{.name = "include", .type = &type_include, .flags = OPTION_ADMIN | OPTION_REPEATS, .argument = "PATTERN",
	 .help = "Reads other files as if they stood here, in the order of their names."},
	{.name = "shadow", .type = &type_shadow, ONE(config, shadow), .flags = OPTION_CANONICAL, .help = "The candidate."},
	{.name = "stack", .type = &type_stack, MANY(config, stacks, stack_count, CONFIG_STACKS_MAX), .block = &stack_block,
	 .flags = OPTION_CANONICAL, .help = "A stack with its lines."},
	{.name = NULL},
};
const struct block block_top = {"the configuration", top_options};

/* listen: three forms */

static bool
listen_socket(struct reader *r, const char *kind, const char **to)
{
	static const struct option path = {.name = "the path of the socket", .max = CONFIG_SOCKET_PATH_MAX};

	if (*to != NULL)
		return config_fail(r->err, r->option_place, "listen", "remove one of them", "listen %s is written twice", kind);
	if (!reader_next(r))
		return false;
	if (!words_at_value(&r->words))
		return reader_fail(r, "write it like: listen service \"/run/countersign/socket\"", "listen %s needs a path", kind);
	reader_mark(r, to, r->words.place);
	return type_path.read(r, &path, NULL, to);
}

static bool
address_check(struct reader *r)
{
	unsigned char bytes[16];

	if (words_at_value(&r->words) &&
	    (inet_pton(AF_INET, r->words.text, bytes) == 1 || inet_pton(AF_INET6, r->words.text, bytes) == 1))
		return true;
	return reader_fail(r, "write an address in digits, like 127.0.0.1, 0.0.0.0 or ::", "listen https needs a numeric address");
}

static bool
listen_https(struct reader *r, struct config_https *https)
{
	static const struct option port = {.name = "port", .min = 1, .max = 65535};

	if (https->address != NULL)
		return config_fail(r->err, r->option_place, "listen", "remove one of them", "listen https is written twice");
	if (!reader_next(r) || !address_check(r))
		return false;
	reader_mark(r, https, r->words.place);
	if (!reader_take_text(r, &https->address))
		return false;
	if (r->words.type != WORD_BARE || strcmp(r->words.text, "port") != 0)
		return reader_fail(r, "write it like: listen https 127.0.0.1 port 8443 { ... }", "listen https needs a port");
	if (!reader_next(r))
		return false;
	return type_number.read(r, &port, NULL, &https->port) && block_read_braces(r, &https_block, https);
}

static bool
listen_read(struct reader *r, const struct option *o, void *base, void *at)
{
	static const char *const kinds[] = {"service", "admin", "https", NULL};
	struct config *c = base;

	(void)o;
	(void)at;
	if (strcmp(r->words.text, "service") == 0)
		return listen_socket(r, "service", &c->service_socket);
	if (strcmp(r->words.text, "admin") == 0)
		return listen_socket(r, "admin", &c->admin_socket);
	if (strcmp(r->words.text, "https") == 0)
		return listen_https(r, &c->https);
	return reader_fail_unknown(r, "door", kinds);
}

static bool
listen_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config *c = base;

	(void)o;
	(void)at;
	print_text(b, " service");
	print_quoted(b, c->service_socket);
	print_text(b, "\nlisten admin");
	print_quoted(b, c->admin_socket);
	if (c->https.address != NULL) {
		print_text(b, "\nlisten https");
		print_quoted(b, c->https.address);
		print_text(b, " port");
		print_number(b, c->https.port);
		print_text(b, " ");
		block_print(b, &https_block, &c->https);
	}
	return true;
}

const struct option_type type_listen = {"DOOR", listen_read, listen_print, NULL};

static bool
nothing_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	(void)b;
	(void)o;
	(void)base;
	(void)at;
	return false;
}

static bool
include_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config_place place = r->words.place;
	const char *pattern = reader_keep_path(r, r->words.text);
	bool ok = true;
	glob_t found;

	(void)base;
	(void)at;
	if (pattern == NULL)
		return false;
	if (glob(pattern, 0, NULL, &found) != 0) {
		if (strpbrk(pattern, "*?[") == NULL)
			return reader_fail(r, "correct the path, or remove the line", "there is no file \"%.160s\" to %s",
			    pattern, o->name);
		return reader_next(r);
	}
	for (size_t i = 0; ok && i < found.gl_pathc; i++)
		ok = reader_include(r, found.gl_pathv[i], place);
	globfree(&found);
	return ok && reader_next(r);
}

const struct option_type type_include = {"PATTERN", include_read, nothing_print, NULL};

/* shadow FILE { a whole configuration } */

static bool
shadow_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config *c = base;

	(void)o;
	(void)at;
	return reader_take_text(r, &c->shadow_config) && config_read_shadow(r);
}

static bool
shadow_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config *c = base;

	(void)o;
	(void)at;
	if (c->shadow == NULL)
		return false;
	print_quoted(b, c->shadow_config);
	print_text(b, " ");
	block_print(b, &block_top, c->shadow);
	return true;
}

const struct option_type type_shadow = {"FILE { ... }", shadow_read, shadow_print, NULL};

/* stack NAME { line FILE LEVEL NOTE OPERATION LINE COLUMN CONTROL LINE COLUMN RULE LINE COLUMN [ARGUMENT LINE COLUMN ...] } */

static bool
line_word_read(struct reader *r, struct config_word *word)
{
	static const struct option number = {.name = "a place", .max = UINT32_MAX};
	uint32_t *places[] = {&word->line, &word->column};

	if (!words_at_value(&r->words))
		return reader_fail(r, "", "a line of a stack is cut short");
	if (!reader_take_text(r, &word->text))
		return false;
	for (size_t i = 0; i < 2; i++) {
		if (!type_number.read(r, &number, NULL, places[i]))
			return false;
	}
	return true;
}

static bool
line_level_read(struct reader *r, struct config_line *line)
{
	static const struct option number = {.name = "a level", .max = UINT8_MAX};
	uint32_t level;

	if (!words_at_value(&r->words) || !type_number.read(r, &number, NULL, &level))
		return false;
	line->level = (uint8_t)level;
	if (!words_at_value(&r->words))
		return reader_fail(r, "", "a line of a stack is cut short");
	return reader_take_text(r, &line->note);
}

static bool
line_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config_stack *stack = base;
	struct config_line *line = &r->c->lines[r->c->line_count];

	(void)o;
	(void)at;
	if (r->c->line_count == CONFIG_LINES_MAX)
		return reader_fail(r, "", "the stacks have more than %d lines together", CONFIG_LINES_MAX);
	memset(line, 0, sizeof(*line));
	if (!reader_take_text(r, &line->file) || !stack_file_note(r, stack, line, r->words.place) ||
	    !line_level_read(r, line) || !line_word_read(r, &line->operation) || !line_word_read(r, &line->control) ||
	    !line_word_read(r, &line->rule))
		return false;
	while (words_at_value(&r->words)) {
		if (line->argument_count == CONFIG_ARGUMENTS_MAX)
			return reader_fail(r, "", "a line has more than %d arguments", CONFIG_ARGUMENTS_MAX);
		if (!line_word_read(r, &line->arguments[line->argument_count]))
			return false;
		line->argument_count++;
	}
	r->c->line_count++;
	stack->line_count++;
	return true;
}

const struct option_type type_line = {"WORDS", line_read, nothing_print, NULL};

static void
line_word_print(struct buf *b, const struct config_word *word)
{
	print_quoted(b, word->text);
	print_number(b, word->line);
	print_number(b, word->column);
}

static bool
stack_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config_stack *stack = at;

	stack->first_line = r->c->line_count;
	return type_named.read(r, o, base, at);
}

static bool
stack_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config *c = base;
	const struct config_stack *stack = at;

	(void)o;
	print_quoted(b, stack->name);
	print_text(b, " {\n");
	for (uint32_t i = 0; i < stack->line_count; i++) {
		const struct config_line *line = &c->lines[stack->first_line + i];

		print_text(b, "\tline");
		print_quoted(b, line->file);
		print_number(b, line->level);
		print_quoted(b, line->note);
		line_word_print(b, &line->operation);
		line_word_print(b, &line->control);
		line_word_print(b, &line->rule);
		for (uint16_t k = 0; k < line->argument_count; k++)
			line_word_print(b, &line->arguments[k]);
		print_text(b, "\n");
	}
	print_text(b, "}");
	return true;
}

const struct option_type type_stack = {"NAME { ... }", stack_read, stack_print, NULL};
