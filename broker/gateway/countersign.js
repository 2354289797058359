/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages cannot do without a script. Everything else works without it. */
"use strict";
(() => {
	/* "until 14:32 UTC" in the clock of whoever reads it. */
	for (const time of document.querySelectorAll("time[data-local]")) {
		const at = new Date(time.dateTime);

		if (!isNaN(at))
			time.textContent = at.toLocaleTimeString(document.documentElement.lang, {hour: "2-digit", minute: "2-digit"});
	}
})();
