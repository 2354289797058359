/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and names. */
#include "broker/store/redis/address.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "broker/base/check.h"

enum { PORT_MAX = 65535 };

static enum cs_err
local_read(const char *path, struct address *out)
{
	if (path[0] != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return CS_ERR_SYNTAX;
	*out = (struct address){.local = true};
	snprintf(out->host, sizeof(out->host), "%s", path);
	return CS_OK;
}

enum cs_err
address_read(const char *text, struct address *out)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t n;
	unsigned long port;
	char *end;

	if (strlen(text) >= FLEET_ADDRESS_TEXT)
		return CS_ERR_SYNTAX;
	if (strncmp(text, "unix:", 5) == 0)
		return local_read(text + 5, out);
	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return CS_ERR_SYNTAX;
	port = strtoul(colon + 1, &end, 10);
	n = (size_t)(colon - host);
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	} else if (memchr(host, ':', n) != NULL)
		return CS_ERR_SYNTAX;
	if (*end != '\0' || port < 1 || port > PORT_MAX || n == 0)
		return CS_ERR_SYNTAX;
	*out = (struct address){.local = false};
	memcpy(out->host, host, n);
	snprintf(out->port, sizeof(out->port), "%lu", port);
	return CS_OK;
}

static void
result_copy(const struct addrinfo *ai, struct socket_address *out)
{
	memset(out, 0, sizeof(*out));
	CHECK(ai->ai_addrlen <= sizeof(out->to));
	memcpy(&out->to, ai->ai_addr, ai->ai_addrlen);
	out->len = ai->ai_addrlen;
}

bool
address_numeric(const struct address *a, struct socket_address *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *ai = NULL;

	if (a->local) {
		struct sockaddr_un un = {.sun_family = AF_UNIX};

		memcpy(un.sun_path, a->host, strlen(a->host) + 1);
		memset(out, 0, sizeof(*out));
		memcpy(&out->to, &un, sizeof(un));
		out->len = sizeof(un);
		return true;
	}
	if (getaddrinfo(a->host, a->port, &hints, &ai) != 0)
		return false;
	result_copy(ai, out);
	freeaddrinfo(ai);
	return true;
}

struct lookup {
	struct gaicb ask;
	struct addrinfo hints;
	struct address address;
	struct lookup *next; /* of those that were given up while the resolver was at them */
};

/* The resolver writes into its question until it is done: what nobody waits for any more is freed later. */
static struct lookup *abandoned;

static void
lookup_discard(struct lookup *l)
{
	if (l->ask.ar_result != NULL)
		freeaddrinfo(l->ask.ar_result);
	free(l);
}

static void
abandoned_sweep(void)
{
	for (struct lookup **at = &abandoned; *at != NULL;) {
		struct lookup *l = *at;

		if (gai_error(&l->ask) == EAI_INPROGRESS) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		lookup_discard(l);
	}
}

struct lookup *
lookup_new(const struct address *a)
{
	struct lookup *l = calloc(1, sizeof(*l));
	struct gaicb *list[1];

	CHECK(l != NULL);
	abandoned_sweep();
	l->address = *a;
	l->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	l->ask = (struct gaicb){.ar_name = l->address.host, .ar_service = l->address.port, .ar_request = &l->hints};
	list[0] = &l->ask;
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
		free(l);
		return NULL;
	}
	return l;
}

enum cs_err
lookup_result(const struct lookup *l, unsigned turn, struct socket_address *out, const char **why)
{
	int rc = gai_error((struct gaicb *)&l->ask);
	const struct addrinfo *ai = l->ask.ar_result;
	unsigned n = 0;

	if (rc == EAI_INPROGRESS)
		return CS_ERR_NOT_FOUND;
	if (rc != 0 || ai == NULL) {
		*why = rc == 0 ? "no address" : gai_strerror(rc);
		return CS_ERR_UNAVAILABLE;
	}
	for (const struct addrinfo *a = ai; a != NULL; a = a->ai_next)
		n++;
	for (turn %= n; turn > 0; turn--)
		ai = ai->ai_next;
	result_copy(ai, out);
	return CS_OK;
}

void
lookup_free(struct lookup *l)
{
	if (l == NULL)
		return;
	if (gai_cancel(&l->ask) == EAI_NOTCANCELED) {
		l->next = abandoned;
		abandoned = l;
	} else
		lookup_discard(l);
}
