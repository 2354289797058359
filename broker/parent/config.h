/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: read from the admin's files once, by the parent, and checked as a whole; every role reads the
 * canonical text that the parent made of it (all paths absolute, all defaults written out, the stacks inside), which
 * parses to the same value. Unknown words are refused. The grammar is in countersign.conf(5); the options are the
 * table in config_table.c.
 */
#ifndef CS_PARENT_CONFIG_H
#define CS_PARENT_CONFIG_H

#include "broker/base/buf.h"
#include "broker/base/err.h"
#include "broker/core/signal.h"

enum {
	CONFIG_PROVIDERS_MAX = 64,
	CONFIG_PROFILES_MAX = 32,
	CONFIG_CONTROLS_MAX = 32,          /* of one profile, and as many of a provider's own: POLICY_CONTROLS_MAX */
	CONFIG_FACTORS_MAX = 32,
	CONFIG_RISKS_MAX = 8,              /* each may be asked for one payment, all at once */
	CONFIG_NOTIFIES_MAX = 8,
	CONFIG_TOKENS_MAX = 8,             /* authorization servers of services */
	CONFIG_SERVICES_MAX = 256,
	CONFIG_CURRENCIES_MAX = 16,        /* with a policy limit, of one realm */
	CONFIG_TRANSITIONS_MAX = 96,       /* of a time zone: as POLICY_TRANSITIONS_MAX */
	CONFIG_ITEMS_MAX = 16,             /* of any list: uids, certificates, client ids, return URLs */
	CONFIG_VALUES_MAX = 8,             /* of one `set` */
	CONFIG_SETTINGS_MAX = 32,          /* of one plugin */
	CONFIG_CAGE_PATHS_MAX = 16,        /* that one plugin may read, and as many that it may write */
	CONFIG_PINS_MAX = 4,               /* of one plugin: the present file, the next, and those of other machines */
	CONFIG_STACKS_MAX = CONFIG_SERVICES_MAX + 1,  /* one a service, and `other` */
	CONFIG_LINES_MAX = 4096,           /* of all stacks together */
	CONFIG_ARGUMENTS_MAX = 16,         /* of one line of a stack */
	CONFIG_STACK_FILES_MAX = 64,       /* that one stack is made of */
	CONFIG_NOTE_MAX = 512,             /* bytes of a "#:" comment */
	CONFIG_NAME_MAX = 32,              /* bytes: a process is called "worker:NAME" in 40 */
	CONFIG_SOCKET_PATH_MAX = 107,      /* sun_path, with its NUL */
	CONFIG_FILE_MAX = 256 * 1024,      /* bytes of one file */
	CONFIG_TEXT_MAX = 1024 * 1024,     /* bytes of all strings together */
	CONFIG_CANONICAL_MAX = 4 * 1024 * 1024,
	CONFIG_INCLUDE_DEPTH_MAX = 8,      /* deeper is a loop, not a plan */
};

/* Where it went wrong. file is empty where no file is to blame. All NUL-terminated. */
struct config_error {
	char file[256];
	unsigned line, column;  /* from 1; 0 where unknown; columns count bytes */
	char word[64];          /* the offending word, cut where longer */
	char message[256];      /* what is wrong */
	char mend[256];         /* how to mend it */
};

/* Roles that may have a user of their own when the parent is started as root. */
enum config_role { CONFIG_ENGINE, CONFIG_GATEWAY, CONFIG_WORKER, CONFIG_ROLE_COUNT };

enum config_door { CONFIG_DOOR_UNIX = 1 << 0, CONFIG_DOOR_HTTPS = 1 << 1 };

enum config_right {
	CONFIG_RIGHT_SPEND = 1 << 0,
	CONFIG_RIGHT_REFUND = 1 << 1,
	CONFIG_RIGHT_LINK = 1 << 2,
	CONFIG_RIGHT_ENROL = 1 << 3,
	CONFIG_RIGHT_RESPOND = 1 << 4,
	CONFIG_RIGHT_LOOKUP = 1 << 5,
	CONFIG_RIGHT_ENUMERATE = 1 << 6,
	CONFIG_RIGHT_EXPLAIN = 1 << 7,
	CONFIG_RIGHT_SIGNALS = 1 << 8,
};

/* What a plugin's file must have, as the words of `require` in `plugins`. */
enum config_require { CONFIG_REQUIRE_NONE = 1 << 0, CONFIG_REQUIRE_PIN = 1 << 1, CONFIG_REQUIRE_SIGNATURE = 1 << 2 };

enum config_store_kind { CONFIG_STORE_SQLITE = 1, CONFIG_STORE_REDIS, CONFIG_STORE_MEM };

/* What of the promise that nothing acknowledged is lost is given up, as the words of `weaker`. */
enum config_weaker {
	CONFIG_WEAKER_EVERYSEC = 1 << 0,       /* servers may write their file once a second */
	CONFIG_WEAKER_NO_PERSISTENCE = 1 << 1, /* or have none */
	CONFIG_WEAKER_NO_REPLICAS = 1 << 2,    /* where a failover can be, it may find a replica that has not heard */
};

/* Every `const char *` below points into config.text: it lives and dies with the config. NULL: not given. */

struct config_limits {
	uint16_t currency;          /* as of core/money.h */
	int64_t per_payment_minor;  /* -1: not set, so too for the next four */
	int64_t per_day_minor;
	int64_t per_month_minor;
	int64_t count_day;
	int64_t count_month;
};

struct config_amount {
	uint16_t currency;
	int64_t amount_minor;
};

/* One `set NAME VALUE...` of a plugin. When is_file, values[0] is the absolute path of a file that holds the value. */
struct config_setting {
	const char *name;
	bool is_file;
	uint16_t value_count;
	const char *values[CONFIG_VALUES_MAX];
};

/* What a provider controls, for rule 11. */
struct config_control {
	const char *kind;   /* mail-domain, phone, aaguid; or kind, of a kind of factor */
	const char *value;  /* in lower case; a phone's is + and its first digits */
	const char *title;  /* what people call it, such as "iCloud Keychain"; NULL: not said */
};

/* What is known of an identity provider that many have: named by their blocks. */
struct config_profile {
	const char *name;
	const char *title;         /* what people call it, such as "Apple ID"; NULL: not said */
	bool syncs_secrets;
	uint16_t control_count;
	struct config_control controls[CONFIG_CONTROLS_MAX];
};

/* What the processes of one plugin may do; see broker/worker/cage.h. */
enum config_network {
	CONFIG_NETWORK_DEFAULT,    /* as the plugin says: hosts where it uses HTTP, else no */
	CONFIG_NETWORK_NO,
	CONFIG_NETWORK_HOSTS,      /* TCP to the ports of its settings' URLs */
	CONFIG_NETWORK_ANY,
};

struct config_cage {
	uint32_t network;          /* enum config_network */
	bool processes;
	uint64_t memory_bytes;     /* of address space, a process */
	uint16_t read_count, write_count;
	const char *reads[CONFIG_CAGE_PATHS_MAX], *writes[CONFIG_CAGE_PATHS_MAX];
};

/* What a provider's security events do, and how they come; see core/signal.h. */
struct config_signals {
	/* Of each kind, as words: bits of enum signal_effect, and the bit after them for "ignore"; 0: not written. */
	unsigned effects[SIGNAL_KIND__COUNT];
	int64_t silent_after_ms;   /* -1: not written */
	int64_t poll_ms;           /* -1: events are pushed */
};

struct config_provider {
	const char *name;
	const char *title;         /* as its profile's, which it takes the place of */
	const char *profile;       /* NULL: none */
	const char *plugin;        /* name ("oidc": oidc.so in the plugin directory) or absolute path */
	uint32_t servers;
	int64_t deadline_ms;
	uint32_t queue;
	const char *user;          /* that its worker becomes; NULL: the role's */
	struct config_cage cage;
	int64_t cooling_off_ms;    /* of links; resolved: cooling-off.link where not given */
	bool syncs_secrets;
	uint16_t control_count;
	struct config_control controls[CONFIG_CONTROLS_MAX]; /* beside its profile's */
	uint16_t assume_independent_count;
	const char *assume_independent[CONFIG_ITEMS_MAX];  /* kinds of factors */
	uint16_t limits_count;
	struct config_limits limits[CONFIG_CURRENCIES_MAX];
	struct config_signals signals;
	uint16_t setting_count;
	struct config_setting settings[CONFIG_SETTINGS_MAX];
	uint16_t pin_count;
	uint8_t pins[CONFIG_PINS_MAX][32]; /* SHA-256 of the plugin's file, one of them; none in canonical text */
	const char *socket;        /* where its worker answers; set by the parent, differs when the worker was replaced */
};

struct config_factor {
	const char *name;
	const char *plugin;
	uint32_t servers;
	int64_t deadline_ms;
	uint32_t queue;
	const char *user;          /* that its worker becomes; NULL: the role's */
	struct config_cage cage;
	int64_t cooling_off_ms;    /* after enrolment; resolved: cooling-off.factor where not given */
	uint16_t setting_count;
	struct config_setting settings[CONFIG_SETTINGS_MAX];
	uint16_t pin_count;
	uint8_t pins[CONFIG_PINS_MAX][32]; /* SHA-256 of the plugin's file, one of them; none in canonical text */
	const char *socket;        /* where its worker answers; set by the parent, differs when the worker was replaced */
};

/* Offsets from UTC, east positive; resolved when a zone is named. */
struct config_timezone {
	const char *name;          /* NULL: an offset that never changes */
	int32_t offset_s;          /* before the first transition */
	uint16_t transition_count;
	struct {
		int64_t at_s;
		int32_t offset_s;
	} transitions[CONFIG_TRANSITIONS_MAX]; /* ascending */
};

/* A risk, a notify or a token block: a plugin and no more. */
struct config_plugin {
	const char *name;
	const char *plugin;
	uint32_t servers;
	int64_t deadline_ms;
	uint32_t queue;
	const char *user;          /* that its worker becomes; NULL: the role's */
	struct config_cage cage;
	uint16_t setting_count;
	struct config_setting settings[CONFIG_SETTINGS_MAX];
	uint16_t pin_count;
	uint8_t pins[CONFIG_PINS_MAX][32]; /* SHA-256 of the plugin's file, one of them; none in canonical text */
	const char *socket;        /* where its worker answers; set by the parent, differs when the worker was replaced */
};

struct config_client {
	const char *provider;      /* of a token-client: the token block */
	const char *id;
	uint16_t provider_index;   /* in config.providers, or config.tokens */
};

struct config_service {
	const char *name;
	uint16_t uid_count;
	uint32_t uids[CONFIG_ITEMS_MAX];
	uint16_t certificate_count;
	uint8_t certificates[CONFIG_ITEMS_MAX][32];  /* SHA-256 of the DER */
	uint16_t token_client_count;
	struct config_client token_clients[CONFIG_ITEMS_MAX];
	unsigned doors;                              /* enum config_door */
	unsigned rights;                             /* enum config_right */
	uint16_t client_count;
	struct config_client clients[CONFIG_ITEMS_MAX];
	uint16_t return_url_count;
	const char *return_urls[CONFIG_ITEMS_MAX];
	const char *push;          /* notify block that pushes its security events, or NULL */
	const char *stack;         /* resolved: its own name where such a file is, else "other" */
	uint16_t stack_index;      /* in config.stacks */
};

struct config_https {
	const char *address;       /* numeric; NULL: no HTTPS, and then no gateway is started */
	uint32_t port;
	const char *certificate, *key;
	const char *client_ca;     /* may be NULL */
};

struct config_tls {
	bool on;
	const char *ca;            /* NULL: the system's */
	const char *certificate, *key; /* both or neither */
	const char *name;          /* in the servers' certificates; NULL: the host of each address */
};

/* The shared store. One of server, sentinel_count, cluster_count is given. Addresses: "unix:/path", "host:port", "[v6]:port". */
struct config_redis {
	const char *server;
	const char *sentinel_master;
	uint16_t sentinel_count, cluster_count;
	const char *sentinels[CONFIG_ITEMS_MAX], *clusters[CONFIG_ITEMS_MAX];
	const char *user;          /* NULL: the servers' default user */
	const char *password_file; /* may be NULL; read by the engine, as its user */
	const char *sentinel_user, *sentinel_password_file;
	struct config_tls tls;
	const char *prefix;        /* of all keys */
	const char *name;          /* this broker's among those that share the store */
	const char *journal;       /* path */
	int64_t journal_kept_ms;
	uint64_t journal_bytes;
	int64_t replicas;          /* that must have a write before it is acknowledged */
	int64_t lease_ms, timeout_ms;
	unsigned weaker;           /* enum config_weaker */
	uint64_t cache_bytes;
};

/* A word of a stack's line and where it stands. Words of one line may stand on several after a backslash. */
struct config_word {
	const char *text;
	uint32_t line, column;
};

/*
 * A line of a stack. What `include` and `@include` name stands in their place; `substack` leaves a line of its own, whose
 * rule is the file's name, and the lines of that file follow one level deeper. The operation has its leading "-".
 */
struct config_line {
	const char *file;          /* as shown to people; files[file_index] of its stack */
	uint8_t file_index;
	uint8_t level;             /* of substacks, 0 outside */
	const char *note;          /* its "#:" comment, or "" */
	struct config_word operation, control, rule;
	uint16_t argument_count;
	struct config_word arguments[CONFIG_ARGUMENTS_MAX];
};

struct config_stack {
	const char *name;
	uint32_t first_line, line_count;  /* in config.lines; with what is included */
	uint16_t file_count;
	const char *files[CONFIG_STACK_FILES_MAX];  /* that its lines stand in, in their order */
};

struct config {
	uint64_t generation;       /* set by the parent; 0 before */
	bool under_test;           /* of config_stack_load() */
	const char *realm;
	const char *run_directory, *state_directory;
	const char *service_socket, *admin_socket;
	struct config_https https;
	const char *public_url;    /* without a slash at its end; NULL without HTTPS */
	struct {
		enum config_store_kind kind;
		const char *path;      /* of sqlite, as the next */
		uint64_t cache_bytes;
		struct config_redis redis;
	} store;
	const char *key_file;      /* the master key */
	const char *users[CONFIG_ROLE_COUNT];
	struct {
		unsigned require;      /* enum config_require; 0 in canonical text: the parent alone looks at files */
		const char *keys;      /* directory of the keys that sign plugins */
	} plugins;
	uint16_t admin_uid_count;
	uint32_t admin_uids[CONFIG_ITEMS_MAX];  /* none: the broker's own uid and root */
	struct config_timezone timezone; /* of day, month and year windows, and of the rule `time` */
	struct {
		int64_t link_ms, factor_ms, limit_ms, recovery_ms;
	} cooling_off;
	struct {
		int64_t idle_ms, max_ms;
	} session;
	uint16_t policy_limits_count;
	struct config_limits policy_limits[CONFIG_CURRENCIES_MAX];
	uint16_t trusted_factor_limit_count;
	struct config_amount trusted_factor_limits[CONFIG_CURRENCIES_MAX];
	const char *stacks_directory;  /* NULL after config_parse of canonical text */
	uint16_t service_count;
	struct config_service services[CONFIG_SERVICES_MAX];
	uint16_t profile_count;
	struct config_profile profiles[CONFIG_PROFILES_MAX];
	uint16_t provider_count;
	struct config_provider providers[CONFIG_PROVIDERS_MAX];
	uint16_t factor_count;
	struct config_factor factors[CONFIG_FACTORS_MAX];
	uint16_t risk_count;
	struct config_plugin risks[CONFIG_RISKS_MAX];
	uint16_t notify_count;
	struct config_plugin notifies[CONFIG_NOTIFIES_MAX];
	uint16_t token_count;
	struct config_plugin tokens[CONFIG_TOKENS_MAX];
	uint16_t stack_count;
	struct config_stack stacks[CONFIG_STACKS_MAX];
	uint32_t line_count;
	struct config_line lines[CONFIG_LINES_MAX];
	const char *shadow_config; /* the file of a candidate that is asked beside this one, or NULL */
	struct config *shadow;     /* the candidate, owned; its services, providers and stacks are asked, no more of it */
	size_t text_len;
	char text[CONFIG_TEXT_MAX];
};

/*
 * Reads the admin's file with its includes and stacks and checks everything, the files that it names too. *out is to be
 * given to config_free(). Errors: CS_ERR_SYNTAX (see *err), CS_ERR_SYSTEM (the file itself cannot be read; *err too).
 */
enum cs_err config_load(const char *path, struct config **out, struct config_error *err);

/* Reads canonical text, as config_print wrote it: no includes, no look at the file system. CS_ERR_SYNTAX with *err. */
enum cs_err config_parse(const char *text, size_t len, struct config **out, struct config_error *err);

/* Writes the canonical text, with the generation in its first line. out->full is set where it does not fit. */
void config_print(const struct config *c, struct buf *out);
/* The same of one block with a plugin alone, to tell whether a worker changed. */
void config_print_worker(const struct config *c, const char *name, struct buf *out);

void config_free(struct config *c);

/*
 * One file of a stack by itself, with what it includes from its own directory: a config that is empty but for stacks[0].
 * Nothing else is known, so names of providers and the like are taken as they come, and the rule `debug` is allowed.
 * Errors as of config_load().
 */
enum cs_err config_stack_load(const char *path, struct config **out, struct config_error *err);

struct stack;

/*
 * Compiles a stack for decisions into *to, which is all zero. tag makes the number of a configured thing's name, never 0.
 * CS_ERR_SYNTAX with *err; a configuration that was loaded has none. Jumps are not checked under test.
 */
enum cs_err config_stack_compile(const struct config *c, const struct config_stack *from,
    uint64_t (*tag)(struct view name), struct stack *to, struct config_error *err);
/* False with *err where a jump goes past the end of its stack: it denies then, as in Linux-PAM. */
bool config_stack_jumps(const struct config *c, const struct config_stack *from, const struct stack *compiled,
    struct config_error *err);

/* Do both name the same store, with the same options? */
bool config_store_same(const struct config *a, const struct config *b);
/* "weaker" words that hold, in their order: "everysec", ...; NULL beyond the last. */
const char *config_weaker_name(const struct config *c, size_t i);

/* Keeps a text in config.text, for who sets a value afterwards; NULL where there is no room. */
const char *config_keep(struct config *c, const char *text);

/* "file:line:column: message (mend)", in one line, for logs and terminals. Returns the length that snprintf would. */
size_t config_error_text(const struct config_error *err, char *to, size_t size);

/* Of a provider: its own title, its profile's, or its name. */
const char *config_provider_title(const struct config *c, const struct config_provider *p);
/* The profile that it names, or NULL. */
const struct config_profile *config_provider_profile(const struct config *c, const struct config_provider *p);

/* Index of the thing of that name, or -1. */
int config_find_service(const struct config *c, struct view name);
int config_find_profile(const struct config *c, struct view name);
/* What an event of this kind does at this provider: mask of enum signal_effect. */
uint32_t config_signal_effects(const struct config_provider *p, enum signal_kind kind);
int config_find_provider(const struct config *c, struct view name);
int config_find_factor(const struct config *c, struct view name);
int config_find_risk(const struct config *c, struct view name);
int config_find_notify(const struct config *c, struct view name);
int config_find_token(const struct config *c, struct view name);

/* Bit number `kind` is the kind of plugin that such a block needs, as of countersign/plugin.h. */
enum config_kind { CONFIG_PROVIDER, CONFIG_FACTOR, CONFIG_RISK, CONFIG_NOTIFY, CONFIG_TOKEN, CONFIG_KINDS };

/* "provider", as the configuration writes it. */
const char *config_kind_name(enum config_kind kind);

/* What all blocks with a plugin have in common. Their names differ, whatever their kinds are. */
struct config_instance {
	enum config_kind kind;
	const char *name, *plugin;
	uint32_t servers, queue;
	int64_t deadline_ms;
	const char *user;          /* NULL: that of the role worker */
	const struct config_cage *cage;
	const struct config_setting *settings;
	size_t setting_count;
	const uint8_t (*pins)[32];
	size_t pin_count;
	const char *socket;
	const void *block;         /* it begins with the name */
};

enum {
	CONFIG_INSTANCES_MAX = CONFIG_PROVIDERS_MAX + CONFIG_FACTORS_MAX + CONFIG_RISKS_MAX + CONFIG_NOTIFIES_MAX +
	    CONFIG_TOKENS_MAX
};

/* The i-th of providers, factors, risk, notify and token blocks, in this order; false beyond. */
bool config_instance_at(const struct config *c, size_t i, struct config_instance *out);
bool config_instance_find(const struct config *c, struct view name, struct config_instance *out);
/* Where the parent notes the i-th one's socket. i must be one of them. */
const char **config_instance_socket(struct config *c, size_t i);

/* Every option as mdoc items, from the table; countersign.conf(5) holds this text, and a test compares. */
void config_manual(struct buf *out);

#endif
