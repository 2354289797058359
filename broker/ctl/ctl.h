/* SPDX-License-Identifier: Apache-2.0 */
/*
 * countersignctl: what its files share. main.c reads the command line and finds the command in the tables below; a
 * command calls the daemon (call.h) and prints the values that came back, as text or as JSON (print.h, table.h).
 */
#ifndef CS_CTL_CTL_H
#define CS_CTL_CTL_H

#include "broker/client/wire.h"

/* Exit codes, as the manual lists them. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_REFUSED = 1,     /* the daemon refused, or the answer is a deny or step_up */
	CTL_USAGE = 2,       /* the command line, or a value in it */
	CTL_NOT_FOUND = 3,
	CTL_UNREACHABLE = 4, /* no daemon, or it cannot answer now */
	CTL_BAD_CONFIG = 5,  /* the configuration or a plugin */
	CTL_FAILED = 6,      /* anything else: an answer that is none, a full disk */
};

/* One bit an option that only some commands take. */
enum ctl_option {
	OPTION_FOLLOW = 1 << 0,
	OPTION_ACCOUNT = 1 << 1,
	OPTION_AFTER = 1 << 2,
	OPTION_LIMIT = 1 << 3,
	OPTION_LIMITS = 1 << 4, /* --per-payment and its family */
	OPTION_SESSION = 1 << 5,
	OPTION_LINK = 1 << 6,
	OPTION_OPERATION = 1 << 7,
	OPTION_PAYMENT = 1 << 8,
	OPTION_PLUGINS = 1 << 9,
	OPTION_LIBEXEC = 1 << 10,
	OPTION_ISSUER = 1 << 11,
	OPTION_SUPPOSE = 1 << 12, /* --provider and its family, of explain --config */
	OPTION_RESULTS = 1 << 13,
	OPTION_REPLAY = 1 << 14,
	OPTION_STACK = 1 << 15,
	OPTION_DATABASE = 1 << 16,
	OPTION_KIND = 1 << 17,     /* of a plugin */
	OPTION_WITH = 1 << 18,     /* lines of a plugin's block */
	OPTION_NEW = 1 << 19,      /* --make and its family, of plugin new */
	OPTION_INSTALL = 1 << 20,  /* --pin and --untested, of plugin install */
	OPTION_KEY = 1 << 21,
	OPTION_UNDO = 1 << 22,
	OPTION_UNTIL = 1 << 23,
	OPTION_PROOF = 1 << 24,
	OPTION_MIGRATE = 1 << 25,  /* --from and --to */
	OPTION_REPAIR = 1 << 26,
	OPTION_BUCKET = 1 << 27,
	OPTION_OFFLINE = 1 << 28,
};

enum { CTL_WITH_MAX = 32, /* as many settings as a plugin may have */ CTL_LIMITS = 5, CTL_FACTORS_MAX = 6 /* as many kinds as there are */ };

struct ctl {
	const char *socket, *config, *plugins, *libexec;
	bool json;
	bool color;
	bool utf8;     /* the terminal shows UTF-8 */
	unsigned given; /* enum ctl_option */
	bool follow;
	bool quiet;    /* ctl_fail prints nothing */
	bool files;    /* --config was given */
	const char *account, *session, *link, *operation, *payment, *issuer, *stack;
	const char *provider, *allowance, *spent;
	const char *until, *proof;
	bool undo, repair, offline;
	const char *from, *to;
	int64_t bucket;
	const char *results;
	const char *database, *html;
	const char *factors[CTL_FACTORS_MAX];
	size_t factors_n;
	bool not_countersigned, payee_known;
	const char *kind, *skeleton, *pin, *key;
	const char *with[CTL_WITH_MAX];
	size_t with_n;
	bool make, autotools, untested;
	int64_t after, limit;
	const char *limits[CTL_LIMITS]; /* in the order of limit_names */

	/* The call in hand: see call.h. */
	int64_t patience_ms;   /* 0: as long as a reload may take */
	const char *no_answer; /* what to do where nobody answers, in words; NULL */
	struct wire *wire;
	struct buf out;
	char message[VARLINK_MESSAGE_MAX + 1];
	struct json doc;
	uint32_t reply; /* the reply's parameters */
	bool streaming; /* asked with `more`: the first reply, too, may take as long as it takes */
	bool continues;
};

/* The members of Admin.Limits but for currency; the options are called the same, with dashes. */
extern const char *const limit_names[CTL_LIMITS];

struct command {
	const char *noun, *verb;  /* verb NULL: the noun alone */
	const char *arguments;    /* "NAME [REASON]", as help shows them */
	int args_min, args_max;
	unsigned options;         /* enum ctl_option */
	const char *help;         /* one line */
	int (*run)(struct ctl *ctl, char **args, int count);
};

/* Ended by noun NULL. */
extern const struct command status_commands[], check_commands[], explain_commands[], provider_commands[],
    link_commands[], account_commands[], factor_commands[], plugin_commands[], events_commands[], getent_commands[],
    broker_commands[], stack_commands[], replay_commands[], signal_commands[], store_commands[];

/* Says on stderr what is wrong, with everything unprintable escaped, and returns `code`. */
int ctl_fail(struct ctl *ctl, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
