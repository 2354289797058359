/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes point to. Each is told apart by its file. */
#ifndef CS_GATEWAY_HANDLERS_H
#define CS_GATEWAY_HANDLERS_H

struct exchange;

/* api.c: any call of the public interfaces, by the route's row. */
void api_forward(struct exchange *x);
/* Is the engine ready? */
void api_health(struct exchange *x);
/* The receipts' public keys, a few seconds old at most. */
void api_keys(struct exchange *x);

/* authzen.c, authzen_batch.c: OpenID AuthZEN Authorization API 1.0. */
void authzen_evaluation(struct exchange *x);
void authzen_evaluations(struct exchange *x);
void authzen_configuration(struct exchange *x);

/* events.c: the state of a challenge, as it changes. */
void stepup_events(struct exchange *x);

/* html.c */
void page_script(struct exchange *x);

/* ssf.c: a provider's security events. */
void ssf_push(struct exchange *x);

/* receiver.c: the broker as a transmitter. */
void receiver_configuration(struct exchange *x);
void receiver_streams(struct exchange *x);

/* page_step.c: /c/{token}. */
void page_probe(struct exchange *x);
void page_post(struct exchange *x);
void page_poll(struct exchange *x);
/* page_enrol.c: /e/{token}. */
void enrol_probe(struct exchange *x);
void enrol_post(struct exchange *x);
/* device.c: /d. */
void device_probe(struct exchange *x);
void device_post(struct exchange *x);
void device_poll(struct exchange *x);
/* page_signin.c */
void browser_start(struct exchange *x);
void browser_callback(struct exchange *x);
/* view.c: /l/{token}, and the pages below it. */
void view_show(struct exchange *x);
void view_post(struct exchange *x);
/* pages.c: an error for people, before a page's handler ran or instead of it. */
void page_error(struct exchange *x, unsigned status);

#endif
