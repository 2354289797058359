#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Files as C arrays, so that the gateway serves them without reading a file: embed.sh FILE... > assets.c
# style.css becomes style_css and style_css_len. Comments on lines of their own and indentation are left out; of a
# style, blanks beside punctuation too, since it travels with each page, which is to come with one round trip.
set -e
echo '/* Made from the files beside it: do not edit. */'
echo '#include "broker/gateway/html.h"'
for file; do
	case $file in
	*.css) blanks='s/\([{};:,]\) /\1/g; s/ \([{}]\)/\1/g; s/;}/}/g' ;;
	*) blanks= ;;
	esac
	name=$(basename "$file" | tr .- __)
	echo "const char ${name}[] = {"
	sed -e '/^[[:space:]]*\/\*.*\*\/$/d' -e 's/^[[:space:]]*//' -e '/^$/d' -e "$blanks" "$file" |
		LC_ALL=C od -A n -v -t u1 | sed -e 's/^ *//' -e 's/  */,/g' -e 's/$/,/'
	echo "0};"
	echo "const size_t ${name}_len = sizeof(${name}) - 1;"
done
