// SPDX-License-Identifier: Apache-2.0
//
// Drives Debian's chromium for tests that are written in Python (browser.py). Each line on stdin is a call,
// {"page": name or null, "run": "async function (s, arg) {...}", "arg": value}, and each line on stdout its answer,
// {"value": ...} or {"error": text}. The function gets s.browser, s.axe (its source), and of the page s.page, s.context,
// s.cdp. A page that is not there yet is made by "open". Ends with its stdin.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";

const [modules, chromiumPath, spki, ...flags] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// What a page may wait for something before the test has failed.
const PATIENCE_MS = 20000;
// And all of a call: what hangs longer is told as an error.
const CALL_MS = 60000;

const browser = await chromium.launch({
	executablePath: chromiumPath,
	headless: true,
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync",
		// The key of the broker under test counts as certified: with an error of the certificate there are no passkeys.
		`--ignore-certificate-errors-spki-list=${spki}`, ...flags],
});
const pages = new Map();

async function open(name, options) {
	const context = await browser.newContext(options);
	const page = await context.newPage();
	page.setDefaultTimeout(PATIENCE_MS);
	const own = { browser, axe, context, page, cdp: await context.newCDPSession(page), problems: [], requests: [] };
	// What a strict page must never have: errors of scripts, refusals of its content policy, requests to others.
	page.on("pageerror", error => own.problems.push(String(error)));
	page.on("console", message => {
		// A status is what tests look at themselves, and a browser asks for an icon whether or not there is one.
		if (message.type() === "error" && !message.text().startsWith("Failed to load resource: the server responded"))
			own.problems.push(message.text());
	});
	page.on("request", request => own.requests.push(request.url()));
	pages.set(name, own);
}

async function close(name) {
	await pages.get(name).context.close();
	pages.delete(name);
}

async function answer(call) {
	if (call.open)
		return open(call.page, call.arg);
	if (call.close)
		return close(call.page);
	let timer;
	const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error(`no answer in ${CALL_MS} ms: ${call.run}`)), CALL_MS); });
	return Promise.race([(0, eval)(`(${call.run})`)(pages.get(call.page), call.arg), late]).finally(() => clearTimeout(timer));
}

for await (const line of createInterface({ input: process.stdin })) {
	let said;
	try {
		said = { value: (await answer(JSON.parse(line))) ?? null };
	} catch (error) {
		said = { error: String(error.stack ?? error) };
	}
	process.stdout.write(JSON.stringify(said) + "\n");
}
await browser.close();
