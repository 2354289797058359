/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load over HTTPS with client certificates: one POST after another on connections kept alive. The
 * same client asks the gateway and the nginx that answers with a fixed text.
 *
 *   https_load HOST:PORT --people FILE --ca FILE [--cert FILE --key FILE] [--path PATH] [--expect
 * TEXT]
 *       [--action spend|can_spend] [--connections N ...]
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/driver.h"
#include "tests/bench/form.h"

static const char message[] =
    "POST %p HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    "%l\r\n\r\n"
    "{\"subject\":{\"type\":\"account\",\"id\":\"%2\",\"properties\":{\"session\":\"%1\"}},"
    "\"action\":{\"name\":\"%a\"},\"resource\":{\"type\":\"payment\",\"id\":\"%n\",\"properties\":"
    "{\"amount\":\"0.01\",\"currency\":\"CNY\",\"payee\":{\"id\":\"m-7\",\"name\":\"Corner "
    "Shop\"}}}}";

struct client {
	struct sockaddr_in addr;
	SSL_CTX *tls;
	struct people people;
	struct form form;
	const char *expect;
	size_t expect_len;
};

static int
tls_open(void *ctx, void **io)
{
	struct client *client = ctx;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	SSL *ssl = SSL_new(client->tls);

	if (fd < 0 || ssl == NULL ||
	    connect(fd, (struct sockaddr *)&client->addr, sizeof(client->addr)) < 0) {
		warn("cannot connect");
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	SSL_set_fd(ssl, fd);
	SSL_set1_host(ssl, "localhost");
	SSL_set_tlsext_host_name(ssl, "localhost");
	if (SSL_connect(ssl) != 1) {
		ERR_print_errors_fp(stderr);
		warnx("the TLS handshake failed");
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	*io = ssl;
	return fd;
}

/* OpenSSL's results as those of read(2) and write(2). */
static ssize_t
tls_result(SSL *ssl, int n)
{
	int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, n);

	if (error == SSL_ERROR_NONE)
		return n;
	ERR_clear_error();
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

static ssize_t
tls_read(int fd, void *io, void *buf, size_t len)
{
	(void)fd;
	return tls_result(io, SSL_read(io, buf, (int)len));
}

static ssize_t
tls_write(int fd, void *io, const void *buf, size_t len)
{
	(void)fd;
	return tls_result(io, SSL_write(io, buf, (int)len));
}

static size_t
ask(void *ctx, char *out)
{
	struct client *client = ctx;

	return form_fill(
	    &client->form, people_pick(&client->people, false), out, DRIVER_REQUEST_MAX);
}

/* The value of Content-Length in a header, or 0. */
static size_t
content_length(const char *header, size_t len)
{
	static const char name[] = "\ncontent-length:";
	const char *end = header + len - (sizeof(name) - 1);

	for (const char *p = header; p < end; p++)
		if (*p == '\n' && strncasecmp(p, name, sizeof(name) - 1) == 0)
			return strtoul(p + sizeof(name) - 1, NULL, 10);
	return 0;
}

static size_t
hear(void *ctx, const char *data, size_t have, enum heard *heard)
{
	struct client *client = ctx;
	const char *blank = memmem(data, have, "\r\n\r\n", 4);
	size_t header, body;

	if (blank == NULL)
		return 0;
	header = (size_t)(blank - data) + 4;
	body = content_length(data, header);
	if (have - header < body)
		return 0;
	if (memcmp(data, "HTTP/1.1 200", 12) != 0 ||
	    memmem(data + header, body, client->expect, client->expect_len) == NULL)
		*heard = HEARD_OTHER;
	return header + body;
}

static struct sockaddr_in
address(const char *text)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	char host[64];
	const char *colon = strrchr(text, ':');
	unsigned long port = colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host) || port < 1 || port > 65535)
		errx(2, "HOST:PORT expected, not %s", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	addr.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		errx(2, "%s is not an IPv4 address", host);
	return addr;
}

static SSL_CTX *
tls_new(const char *ca, const char *cert, const char *key)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (tls == NULL || SSL_CTX_load_verify_locations(tls, ca, NULL) != 1 ||
	    (cert != NULL && (SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
				 SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1))) {
		ERR_print_errors_fp(stderr);
		errx(1, "cannot read the certificates");
	}
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return tls;
}

/* The message with the action's name in it. */
static const char *
message_for(const char *action)
{
	static char text[2048];
	const char *mark = strstr(message, "%a");

	snprintf(text, sizeof(text), "%.*s%s%s", (int)(mark - message), message, action, mark + 2);
	return text;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {DRIVER_LONG_OPTIONS,
	    {"people", required_argument, NULL, 'f'}, {"ca", required_argument, NULL, 'a'},
	    {"cert", required_argument, NULL, 'e'}, {"key", required_argument, NULL, 'k'},
	    {"path", required_argument, NULL, 'p'}, {"expect", required_argument, NULL, 'x'},
	    {"action", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
	static struct client client;
	struct driver_options options = DRIVER_DEFAULTS;
	struct transport transport = {tls_open, tls_read, tls_write, true, &client};
	const char *people = NULL, *ca = NULL, *cert = NULL, *key = NULL,
		   *path = "/access/v1/evaluation", *action = "spend";
	int c;

	client.expect = "\"decision\":true";
	while ((c = getopt_long(argc, argv, DRIVER_SHORT_OPTIONS "f:a:e:k:p:x:t:", longs, NULL)) !=
	       -1) {
		switch (c) {
		case 'f':
			people = optarg;
			break;
		case 'a':
			ca = optarg;
			break;
		case 'e':
			cert = optarg;
			break;
		case 'k':
			key = optarg;
			break;
		case 'p':
			path = optarg;
			break;
		case 'x':
			client.expect = optarg;
			break;
		case 't':
			action = optarg;
			break;
		default:
			if (!driver_option(&options, c, optarg))
				errx(2, "a bad option or value");
		}
	}
	if (argc - optind != 1 || people == NULL || ca == NULL || (cert != NULL) != (key != NULL))
		errx(2, "usage: https_load HOST:PORT --people FILE --ca FILE [--cert FILE --key "
			"FILE] [options]");
	client.addr = address(argv[optind]);
	client.expect_len = strlen(client.expect);
	client.tls = tls_new(ca, cert, key);
	people_read(&client.people, people);
	form_init(&client.form, message_for(action), path);
	return driver_run(&options, &transport, &(struct traffic){"https", ask, hear, &client});
}
