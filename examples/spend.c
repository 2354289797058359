/* SPDX-License-Identifier: Apache-2.0 */
/* Spends 20 yuan. cc spend.c $(pkg-config --cflags --libs libcountersign); ./a.out SOCKET SESSION PAYMENT-ID */
#include <countersign/client.h>
#include <stdio.h>

static enum cs_status
spend(struct cs *broker, const struct cs_payment *payment, struct cs_decision *decision, struct cs_error *error)
{
	enum cs_challenge_state end; /* done, refused, expired: whichever, the broker decides when asked the same again */
	enum cs_status status = cs_authorize(broker, payment, decision, error);

	if (status == CS_STATUS_OK && decision->outcome == CS_OUTCOME_STEP_UP) { /* the owner must countersign */
		printf("please confirm at %s\n", decision->challenge.url);
		status = cs_challenge_wait(broker, decision->challenge.id, 300 * 1000, &end, error);
		if (status == CS_STATUS_OK)
			status = cs_authorize(broker, payment, decision, error);
	}
	if (status == CS_STATUS_OK && decision->outcome == CS_OUTCOME_PERMIT) /* deliver here, then take the money */
		status = cs_capture(broker, decision->hold.id, payment->id, NULL, decision, error);
	return status;
}

int
main(int argc, char **argv)
{
	struct cs_payment payment = {.amount = "20.00", .currency = "CNY", .payee_id = "m-7", .payee_name = "Corner Shop"};
	struct cs_decision decision;
	struct cs_error error;
	struct cs *broker;

	if (argc != 4 || cs_open(argv[1], &broker) != CS_STATUS_OK)
		return fprintf(stderr, "usage: spend SOCKET SESSION PAYMENT-ID\n"), 2;
	payment.session = argv[2];
	payment.id = argv[3]; /* after a crash of this program: the same id, and nothing is spent twice */
	if (spend(broker, &payment, &decision, &error) != CS_STATUS_OK)
		return fprintf(stderr, "spend: %s\n", error.message), cs_close(broker), 1;
	printf("%s (%s)\n", decision.outcome == CS_OUTCOME_PERMIT ? "spent" : "not spent", decision.reason);
	return cs_close(broker), decision.outcome == CS_OUTCOME_PERMIT ? 0 : 1;
}
