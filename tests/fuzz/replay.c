/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libFuzzer: feeds files to a target, once each. Arguments are files or directories;
 * without any, it is the corpus of the target that the program is named after (fuzz_json:
 * tests/fuzz/corpus/json below CS_SRCDIR).
 */
#ifndef CS_LIBFUZZER

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20, PATH_TEXT_MAX = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Returns how many inputs were run. */
static unsigned
replay_file(const char *path)
{
	static uint8_t input[INPUT_MAX];
	FILE *f = fopen(path, "r");
	uint8_t *exact;
	size_t n;

	if (f == NULL) {
		perror(path);
		exit(2);
	}
	n = fread(input, 1, sizeof(input), f);
	fclose(f);
	/* A copy of the exact size, so that a sanitizer sees a read past its end. */
	exact = malloc(n == 0 ? 1 : n);
	if (exact == NULL)
		abort();
	memcpy(exact, input, n);
	fprintf(stderr, "replay: %s\n", path);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 1;
}

static unsigned
replay_path(const char *path)
{
	struct stat st;
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return replay_file(path);
	dir = opendir(path);
	if (dir == NULL) {
		perror(path);
		exit(2);
	}
	while ((entry = readdir(dir)) != NULL) {
		char file[PATH_TEXT_MAX];

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) >= (int)sizeof(file))
			abort();
		count += replay_file(file);
	}
	closedir(dir);
	return count;
}

int
main(int argc, char **argv)
{
	const char *name = strstr(argv[0], "fuzz_"), *top = getenv("CS_SRCDIR");
	char corpus[PATH_TEXT_MAX];
	unsigned count = 0;

	for (const char *next = name; next != NULL; next = strstr(next + 1, "fuzz_"))
		name = next;
	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			count += replay_path(argv[i]);
	} else if (name != NULL) {
		snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", top == NULL ? "." : top,
		    name + strlen("fuzz_"));
		count = replay_path(corpus);
	}
	printf("%u inputs replayed\n", count);
	return count > 0 ? 0 : 1;
}

#endif
