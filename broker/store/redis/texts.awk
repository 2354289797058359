# SPDX-License-Identifier: Apache-2.0
# Makes a C string of one script: commit.lua becomes script_text_commit.
BEGIN {
	name = ARGV[1]
	sub(/.*\//, "", name)
	sub(/\.lua$/, "", name)
	printf "static const char script_text_%s[] =\n", name
}
{
	gsub(/\\/, "&&")
	gsub(/"/, "\\\\&")
	printf "    \"%s\\n\"\n", $0
}
END {
	print "    \"\";"
}
