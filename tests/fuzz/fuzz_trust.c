/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a plugin's signature, whatever it holds: where nobody is trusted nothing is signed, and the sentence that says
 * so fits and is one line. What a signature is made over is in it, so a text that gets as far as the keys names the plugin and its digest.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"
#include "broker/parent/plugin_trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t digest[TRUST_DIGEST_LEN];
	static const char first[] = "countersign-plugin-signature 1\nplugin one\nsha256 "
	    "0000000000000000000000000000000000000000000000000000000000000000\n";
	char signer[TRUST_NAME_MAX + 1], problem[TRUST_PROBLEM_MAX];
	enum cs_err err;

	memset(problem, 1, sizeof(problem));
	err = trust_verify("/nobody/is/trusted", "one", digest, (const char *)data, len, signer, problem);
	CHECK(err == CS_ERR_DENIED && memchr(problem, '\0', sizeof(problem)) != NULL && problem[0] != '\0');
	CHECK(strchr(problem, '\n') == NULL);
	if (strncmp(problem, "no key is trusted", 17) == 0)
		CHECK(len > sizeof(first) && memcmp(data, first, sizeof(first) - 1) == 0);
	return 0;
}
