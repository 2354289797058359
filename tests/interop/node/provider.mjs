// SPDX-License-Identifier: Apache-2.0
// The certified OpenID Provider `oidc-provider` on loopback, for test_node_provider.py.
//
// usage: node provider.mjs MODULES    reads {port, cert, key, clients, jwks} as a line of JSON, says "ready", and runs
// until its input ends. Whoever comes is signed in as the cookie "user" says, with the class of sign-in that was asked for.
import { createServer } from "node:https";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const found = createRequire(process.argv[2] + "/").resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(found));
const lines = createInterface({ input: process.stdin });
const told = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
const issuer = `https://127.0.0.1:${told.port}`;

const certificate = (ctx) => ctx.socket.getPeerX509Certificate();
const provider = new Provider(issuer, {
  clients: told.clients,
  jwks: told.jwks,
  cookies: { keys: ["a key for tests"] },
  clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "self_signed_tls_client_auth",
    "none"],
  acrValues: ["urn:example:single", "urn:example:two"],
  claims: { openid: ["sub"], email: ["email", "email_verified"], acr: null, auth_time: null },
  conformIdTokenClaims: false,
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@node.test`, email_verified: true }),
  }),
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid email");
    await grant.save();
    return grant;
  },
  features: {
    devInteractions: { enabled: false },
    pushedAuthorizationRequests: { enabled: true },
    mTLS: {
      enabled: true,
      selfSignedTlsClientAuth: true,
      getCertificate: certificate,
    },
  },
});

const pass = provider.callback();
const serve = async (request, response) => {
  if (!request.url.startsWith("/interaction/"))
    return pass(request, response);
  try {
    const { params } = await provider.interactionDetails(request, response);
    const user = /(?:^|; )user=(\w+)/.exec(request.headers.cookie)[1];
    const acr = params.acr_values?.split(" ").at(-1);
    await provider.interactionFinished(request, response,
      { login: { accountId: user, acr, amr: ["pwd"] } }, { mergeWithLastSubmission: false });
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
};
createServer({ cert: told.cert, key: told.key, requestCert: true, rejectUnauthorized: false }, serve)
  .listen(told.port, "127.0.0.1", () => process.stdout.write("ready\n"));
lines.on("close", () => process.exit(0));
