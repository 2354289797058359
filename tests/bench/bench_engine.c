/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a decision costs in the engine alone: spends covered by an allowance, 64 in a turn, over the store in memory, without
 * sockets and disk. Prints microseconds of CPU time; for profiles, run it under perf.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/check.h"
#include "tests/sim/accounts.h"

enum { PEOPLE = 1000, EACH = 55, BATCH = 64 };

static double
cpu_us(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
ask(struct world *w, const struct person *p, int payment)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "{\"method\":\"org.countersign.Payments.Authorize\",\"parameters\":{"
	    "\"session\":\"%.*s\",\"payment\":{\"id\":\"order-%08d\",\"amount\":\"1.00\",\"currency\":\"CNY\","
	    "\"payee\":{\"id\":\"m-7\",\"name\":\"Corner Shop\"}},\"capture\":true}}", (int)p->session_text.len,
	    p->session_text.data, payment);

	buf_put(&w->clients[0]->in.buf, text, (size_t)n + 1);
}

int
main(int argc, char **argv)
{
	static struct world w;
	static struct person people[PEOPLE];
	struct store_mem_options honest = {.seed = 1};
	int each = argc > 1 ? (int)strtol(argv[1], NULL, 10) : EACH;
	double spent = 0;
	uint64_t asked = 0;

	world_open(&w, 1);
	for (int i = 0; i < PEOPLE; i++)
		person_make(&w, i, &people[i]);
	store_mem_misbehave(w.store, &honest);
	for (int k = 0; k < each; k++) {
		for (int i = 0; i < PEOPLE; i += BATCH) {
			double before;

			for (int j = i; j < i + BATCH && j < PEOPLE; j++, asked++)
				ask(&w, &people[j], k);
			before = cpu_us();
			engine_turn_begin(w.engine, &w.now);
			engine_ready(w.engine, w.clients[0]);
			engine_turn_end(w.engine);
			spent += cpu_us() - before;
			CHECK(w.clients[0]->unsettled == 0);
			w.clients[0]->out.buf.len = 0;
		}
	}
	printf("%" PRIu64 " decisions, %" PRIu64 " permits: %.2f us each\n", asked, w.engine->outcomes[OUTCOME_PERMIT],
	    spent / (double)asked);
	world_close(&w);
	return 0;
}
