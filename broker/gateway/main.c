/* SPDX-License-Identifier: Apache-2.0 */
/* countersign-gateway: HTTPS on one side, the engine's socket on the other. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/base/sandbox.h"
#include "broker/gateway/engine.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/server.h"
#include "broker/gateway/tls.h"
#include "broker/parent/role.h"

enum {
	OPEN_FILES_MAX = SERVER_CONNECTIONS_MAX +
			 128, /* and the engine's connections, and what libraries need */
	DRAIN_MS = 10 * 1000, /* requests in flight may take this long after SIGTERM */
};

struct main {
	struct event_base *base;
	struct gateway gateway;
	struct server *server;
	int64_t drain_until_ms; /* 0: not draining */
};

static int64_t
now_ms(void)
{
	struct clock_now now;

	clock_read(&now);
	return now.boot_ms;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct main *m = arg;

	(void)fd;
	(void)what;
	engine_tick(m->gateway.engine);
	server_tick(m->server);
	if (m->drain_until_ms != 0 &&
	    (server_count(m->server) == 0 || now_ms() > m->drain_until_ms))
		event_base_loopbreak(m->base);
}

static void
on_terminate(evutil_socket_t fd, short what, void *arg)
{
	struct main *m = arg;

	(void)fd;
	(void)what;
	if (m->drain_until_ms != 0)
		return;
	log_info("stopping msg=\"finishing what is in flight\"");
	m->drain_until_ms = now_ms() + DRAIN_MS;
	server_drain(m->server);
}

/* The parent says nothing to a gateway; that it can be read means that the parent is gone. */
static void
on_control(evutil_socket_t fd, short what, void *arg)
{
	struct main *m = arg;
	struct control_message message;
	int passed;
	enum cs_err e = control_receive(fd, &message, &passed);

	(void)what;
	if (e == CS_ERR_NOT_FOUND)
		return;
	if (e == CS_OK) {
		if (passed >= 0)
			close(passed);
		return;
	}
	log_warn("the parent is gone");
	event_base_loopbreak(m->base);
}

/*
 * Scheme and authority of a URL as browsers write them in Origin: in lower case, without the
 * scheme's own port. The configuration has checked that it begins with http:// or https://.
 */
static char *
origin_of(const char *url)
{
	const char *authority = strstr(url, "://");
	const char *port = strncmp(url, "https", 5) == 0 ? ":443" : ":80";
	char *origin;
	size_t len;

	CHECK(authority != NULL);
	authority += strlen("://");
	len = (size_t)(authority - url) + strcspn(authority, "/?#");
	origin = strndup(url, len);
	CHECK(origin != NULL);
	for (char *p = origin; *p != '\0'; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	if (len > strlen(port) && strcmp(origin + len - strlen(port), port) == 0)
		origin[len - strlen(port)] = '\0';
	return origin;
}

static struct event_base *
loop_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	CHECK(config != NULL);
	/* One thread: no locks. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	CHECK(base != NULL);
	return base;
}

static void
loop_run(struct main *m, int control_fd)
{
	struct timeval tick = {0, SERVER_TICK_MS * 1000};
	struct event *events[] = {
	    event_new(m->base, -1, EV_PERSIST, on_tick, m),
	    evsignal_new(m->base, SIGTERM, on_terminate, m),
	    evsignal_new(m->base, SIGINT, on_terminate, m),
	    event_new(m->base, control_fd, EV_READ | EV_PERSIST, on_control, m),
	};
	const size_t n = sizeof(events) / sizeof(events[0]);

	for (size_t i = 0; i < n; i++) {
		CHECK(events[i] != NULL);
		event_add(events[i], i == 0 ? &tick : NULL);
	}
	event_base_dispatch(m->base);
	for (size_t i = 0; i < n; i++)
		event_free(events[i]);
}

/* One that waits must not hold up those behind it on the same connection. */
static enum engine_lane
decisions_lane(const struct config *c)
{
	for (uint32_t i = 0; i < c->line_count; i++)
		if (strcasecmp(c->lines[i].rule.text, "risk") == 0)
			return ENGINE_SLOW;
	return ENGINE_FAST;
}

int
main(int argc, char **argv)
{
	static struct main m;
	static char engine_path[CONFIG_SOCKET_PATH_MAX + 1];
	struct role role;
	SSL_CTX *tls;
	char *public_url, *origin;

	role_start("gateway", argc, argv, &role);
	if (role_listener(&role, "https") < 0 || role.config->https.address == NULL) {
		log_error("start msg=\"the configuration has no 'listen https', or the parent gave "
			  "no socket\"");
		return ROLE_EXIT_USAGE;
	}
	tls = tls_context(
	    role.config->https.certificate, role.config->https.key, role.config->https.client_ca);
	if (tls == NULL)
		return ROLE_EXIT_FAILED;
	role_drop(&role, CONFIG_GATEWAY);
	if (sandbox_limits(OPEN_FILES_MAX) != CS_OK) {
		log_error("start msg=\"cannot set the limits of this process\"");
		return ROLE_EXIT_FAILED;
	}

	snprintf(engine_path, sizeof(engine_path), "%s/gateway.sock", role.config->run_directory);
	public_url = strdup(role.config->public_url);
	CHECK(public_url != NULL);
	origin = origin_of(public_url);
	m.gateway.public_url = view_str(public_url);
	m.gateway.origin = view_str(origin);
	m.gateway.takes_certificates = role.config->https.client_ca != NULL;
	m.gateway.takes_tokens = role.config->token_count > 0;
	m.gateway.decisions = decisions_lane(role.config);
	config_free(role.config);
	role.config = NULL;

	m.base = loop_new();
	m.gateway.engine = engine_new(m.base, engine_path);
	m.server = server_new(m.base, role_listener(&role, "https"), tls, &m.gateway);
	role_ready(&role);
	loop_run(&m, role.control_fd);

	server_free(m.server);
	engine_free(m.gateway.engine);
	event_base_free(m.base);
	SSL_CTX_free(tls);
	free(public_url);
	free(origin);
	return EXIT_SUCCESS;
}
