/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages cannot do without a script: passkeys, waiting without asking again, times in the reader's own clock. */
/* Everything else works without it. It makes no markup, and talks to nobody but the page's own server. */
"use strict";
(() => {
	const find = (id) => document.getElementById(id);

	/* ---- base64url, where the browser cannot turn passkey options into and out of JSON itself ---- */

	const bytes = (text) => {
		const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));

		return Uint8Array.from(plain, (c) => c.charCodeAt(0)).buffer;
	};
	const text = (buffer) => {
		let plain = "";

		for (const b of new Uint8Array(buffer))
			plain += String.fromCharCode(b);
		return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
	};
	const withIds = (list) => (list || []).map((c) => ({...c, id: bytes(c.id)}));

	/* PublicKeyCredential.parseRequestOptionsFromJSON, parseCreationOptionsFromJSON. */
	const requestOptions = (json) => ({...json, challenge: bytes(json.challenge), allowCredentials: withIds(json.allowCredentials)});
	const creationOptions = (json) => ({
		...json, challenge: bytes(json.challenge), user: {...json.user, id: bytes(json.user.id)},
		excludeCredentials: withIds(json.excludeCredentials),
	});

	/* PublicKeyCredential.toJSON. */
	const credentialJson = (c) => {
		if (typeof c.toJSON === "function")
			return c.toJSON();
		const r = c.response;
		const response = {clientDataJSON: text(r.clientDataJSON)};

		if (r.attestationObject) {
			response.attestationObject = text(r.attestationObject);
			response.transports = r.getTransports ? r.getTransports() : [];
		} else {
			response.authenticatorData = text(r.authenticatorData);
			response.signature = text(r.signature);
			if (r.userHandle)
				response.userHandle = text(r.userHandle);
		}
		return {
			id: c.id, rawId: text(c.rawId), type: c.type, response,
			authenticatorAttachment: c.authenticatorAttachment || undefined,
			clientExtensionResults: c.getClientExtensionResults(),
		};
	};

	const havePasskeys = () => window.isSecureContext && "PublicKeyCredential" in window && "credentials" in navigator;

	/* ---- a payment that the browser shows itself: Secure Payment Confirmation ---- */

	/* A picture is demanded where none is needed: one clear pixel. */
	const CLEAR = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=";

	/* The credential, or null where the browser cannot: then it is asked the usual way. */
	const payByBrowser = async (d, ids) => {
		if (!d.amount || !d.payee || !("PaymentRequest" in window))
			return null;
		const request = (() => {
			try {
				return new PaymentRequest([{
					supportedMethods: "secure-payment-confirmation",
					data: {
						rpId: d.rpId, challenge: bytes(d.challenge), credentialIds: ids.map(bytes), payeeName: d.payee,
						instrument: {displayName: document.title, icon: CLEAR, iconMustBeShown: false}, timeout: 300000,
					},
				}], {total: {label: d.payee, amount: {currency: d.currency, value: d.amount}}});
			} catch {
				return null;
			}
		})();

		if (!request || !(await request.canMakePayment().catch(() => false)))
			return null;
		/* Refused, or a passkey from before such dialogues: the next press asks for it the usual way. */
		const shown = await request.show().catch((why) => {
			delete d.payee;
			throw why;
		});

		await shown.complete("success");
		return shown.details;
	};

	const askPasskey = async (d) => {
		const pairs = d.credentials.split(" ").map((p) => p.split("="));
		const ids = pairs.map((p) => p[1]).filter((id) => id);
		const options = {
			challenge: d.challenge, rpId: d.rpId, userVerification: "required", timeout: 300000,
			allowCredentials: ids.map((id) => ({type: "public-key", id})),
		};
		const credential = await payByBrowser(d, ids) || await navigator.credentials.get({publicKey: requestOptions(options)});
		const step = (pairs.find((p) => p[1] === credential.id) || pairs[0])[0];

		return {step, value: JSON.stringify(credentialJson(credential))};
	};

	const makePasskey = async (d) => {
		const credential = await navigator.credentials.create({publicKey: creationOptions(JSON.parse(d.options))});

		return {step: d.step, value: JSON.stringify(credentialJson(credential))};
	};

	/* The form goes only when the passkey has spoken; whatever goes wrong, the user may try again or go another way. */
	const passkey = (box, ask) => {
		const form = find("answer");
		const step = form.querySelector(box.dataset.into ? `[name=${box.dataset.into}]` : "[name=step1]");
		const value = form.elements[step.name.replace("step", "value")];

		find("passkey-needs").hidden = true;
		form.addEventListener("submit", async (event) => {
			const button = event.submitter;

			if (!button || button.value !== "answer" || value.value)
				return;
			event.preventDefault();
			find("passkey-failed").hidden = true;
			button.disabled = true;
			try {
				const answer = await ask(box.dataset);

				step.value = answer.step;
				value.value = answer.value;
				button.disabled = false;
				form.requestSubmit(button);
			} catch {
				button.disabled = false;
				find("passkey-failed").hidden = false;
				button.focus();
			}
		});
	};

	/* ---- a device that approves ---- */

	let asking = false;

	/* Pressing a number has the passkey sign what that number stands for; then the form goes. */
	const approve = (form) => {
		form.querySelector(".needs").hidden = true;
		form.querySelector(".numbers").hidden = false;
		form.addEventListener("submit", async (event) => {
			const button = event.submitter, value = form.elements.value1;

			if (!button || button.name !== "number" || value.value)
				return;
			event.preventDefault();
			form.querySelector(".failed").hidden = true;
			asking = true;
			try {
				value.value = (await askPasskey({...form.dataset, challenge: button.dataset.challenge})).value;
				form.requestSubmit(button);
			} catch {
				asking = false;
				form.querySelector(".failed").hidden = false;
				button.focus();
			}
		});
	};

	/* Looks whether there is something else to show; not while somebody decides about what is there. */
	const look = async (form) => {
		for (;;) {
			await new Promise((done) => setTimeout(done, POLL_MS));
			const answer = document.hidden || asking ? null : await fetch("/d/state", {cache: "no-store"}).catch(() => null);
			const now = answer && await answer.json().catch(() => ({}));

			if (now && !asking && (answer.status === 403 || (now.seen && now.seen !== form.dataset.seen))) {
				form.submit();
				return;
			}
		}
	};

	/* ---- waiting ---- */

	const POLL_MS = 2000;

	/* Asks how it stands until it stands differently from what the page says, then for the page. */
	const wait = async () => {
		const round = find("answer").elements.round;

		for (;;) {
			await new Promise((done) => setTimeout(done, POLL_MS));
			const answer = await fetch(location.pathname + "/state", {cache: "no-store"}).catch(() => null);
			const now = answer && await answer.json().catch(() => ({}));

			if (now && (now.state !== "open" || (round && String(now.round) !== round.value))) {
				location.replace(location.pathname);
				return;
			}
		}
	};

	const countDown = (span, button) => {
		const end = Date.now() + 1000 * Number(span.textContent);
		const timer = setInterval(() => {
			const left = Math.ceil((end - Date.now()) / 1000);

			if (left > 0) {
				span.textContent = left;
				return;
			}
			clearInterval(timer);
			find("again-wait").hidden = true;
			button.hidden = false;
		}, 500);
	};

	/* ---- the page at hand ---- */

	for (const time of document.querySelectorAll("time[data-local]")) {
		const at = new Date(time.dateTime);

		if (!isNaN(at) && time.dataset.local === "date")
			time.textContent = at.toLocaleString(document.documentElement.lang, {dateStyle: "medium", timeStyle: "short"});
		else if (!isNaN(at))
			time.textContent = at.toLocaleTimeString(document.documentElement.lang, {hour: "2-digit", minute: "2-digit"});
	}
	if (find("passkey") && havePasskeys())
		passkey(find("passkey"), find("passkey").dataset.options ? makePasskey : askPasskey);
	for (const form of havePasskeys() ? document.querySelectorAll(".request form") : [])
		approve(form);
	if (find("look"))
		look(find("look"));
	if (find("wait"))
		wait();
	if (find("again-seconds") && find("again"))
		countDown(find("again-seconds"), find("again"));
	if (find("print")) {
		find("print").hidden = false;
		find("print").addEventListener("click", () => print());
	}
	/* One press is one submit: the second would only be told how it stands. */
	for (const form of document.forms)
		form.addEventListener("submit", (event) => {
			if (form.dataset.sent)
				event.preventDefault();
			else if (!event.defaultPrevented)
				form.dataset.sent = "yes";
		});
	/* Back from the next page, a form may be sent again. */
	addEventListener("pageshow", (event) => {
		for (const form of event.persisted ? document.forms : [])
			delete form.dataset.sent;
	});
})();
