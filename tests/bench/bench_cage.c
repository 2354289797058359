/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of the cage: round trips of 400 bytes with a process that answers at once, as it is and in a worker's cage. A
 * plugin's own work is not in it, so this is the most that the cage can add to a call.
 *
 *   bench_cage [ROUND-TRIPS]   prints JSON: the best of three of each, in microseconds, their ratio, and what closing costs
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/worker/cage.h"

enum { MESSAGE_BYTES = 400, ROUNDS = 3, TRIPS = 50000, PLAIN = 0, CAGED = 1 };

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
enter_cage(int fd)
{
	static const struct config_cage config = {.network = CONFIG_NETWORK_NO, .memory_bytes = UINT64_C(1) << 30};
	static const struct settings settings = {.name = "bench", .cage = &config};
	char problem[SETTINGS_PROBLEM_MAX];
	int pair[2], plugin_fd = dup(STDERR_FILENO), keep[] = {fd, -1, -1};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		err(1, "socketpair");
	keep[1] = pair[0];
	keep[2] = pair[1];
	if (cage_main(&settings, plugin_fd, false, problem) != CS_OK ||
	    cage_first(&settings, pair[1], keep, 3, problem) != CS_OK || cage_second(&settings, 0, problem) != CS_OK)
		errx(1, "%s", problem);
}

static void
serve(int fd, int caged)
{
	char message[MESSAGE_BYTES];
	double closing = now_us();
	ssize_t n;

	if (caged)
		enter_cage(fd);
	closing = now_us() - closing;
	memcpy(message, &closing, sizeof(closing));
	if (send(fd, message, sizeof(message), 0) < 0)
		_exit(1);
	while ((n = recv(fd, message, sizeof(message), 0)) > 0)
		if (send(fd, message, (size_t)n, 0) != n)
			break;
	_exit(0);
}

/* Microseconds a round trip; *closing_us: what the cage took to close. */
static double
measure(int caged, long trips, double *closing_us)
{
	char message[MESSAGE_BYTES] = {0};
	double begun;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		err(1, "socketpair");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		serve(pair[1], caged);
	}
	close(pair[1]);
	if (pid < 0 || recv(pair[0], message, sizeof(message), 0) != MESSAGE_BYTES)
		errx(1, "the server did not start");
	memcpy(closing_us, message, sizeof(*closing_us));
	begun = now_us();
	for (long i = 0; i < trips; i++)
		if (send(pair[0], message, sizeof(message), 0) != MESSAGE_BYTES ||
		    recv(pair[0], message, sizeof(message), 0) != MESSAGE_BYTES)
			errx(1, "the server ended");
	begun = now_us() - begun;
	close(pair[0]);
	waitpid(pid, NULL, 0);
	return begun / (double)trips;
}

int
main(int argc, char **argv)
{
	long trips = argc > 1 ? strtol(argv[1], NULL, 10) : TRIPS;
	double best[2] = {1e9, 1e9}, closing_us = 0, us;

	if (trips <= 0)
		errx(2, "usage: bench_cage [ROUND-TRIPS]");
	/* In turn, so that other work on the machine is beside both. */
	for (int i = 0; i < ROUNDS; i++) {
		for (int caged = PLAIN; caged <= CAGED; caged++) {
			us = measure(caged, trips, &closing_us);
			best[caged] = us < best[caged] ? us : best[caged];
		}
	}
	printf("{\"plain_us\": %.2f, \"caged_us\": %.2f, \"ratio\": %.3f, \"closing_us\": %.0f}\n", best[PLAIN], best[CAGED],
	    best[PLAIN] / best[CAGED], closing_us);
	return 0;
}
