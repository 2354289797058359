# The pages in Debian's chromium. Screenshots stay in tests/browser/screenshots of the build tree.
EXTRA_DIST += \
	%reldir%/README.md \
	%reldir%/browser.py \
	%reldir%/conftest.py \
	%reldir%/driver.mjs \
	%reldir%/package-lock.json \
	%reldir%/package.json \
	%reldir%/people.py \
	%reldir%/sound.py \
	%reldir%/test_device.py \
	%reldir%/test_enrol.py \
	%reldir%/test_payment_dialogue.py \
	%reldir%/test_passkey.py \
	%reldir%/test_step.py \
	%reldir%/test_view.py
dist_check_SCRIPTS += %reldir%/check_browser.sh
TESTS += %reldir%/check_browser.sh

clean-local: clean-browser
clean-browser:
	rm -rf %reldir%/npm %reldir%/screenshots
.PHONY: clean-browser
