# SPDX-License-Identifier: Apache-2.0
"""Reads what `make -n V=1` would run and prints compile_commands.json: one entry a C file, its last compilation."""
import json
import os
import re
import shlex
import sys


def commands(text):
    """Words of each compilation in the dry run; libtool's and automake's wrapping is left out."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;", line):
            if " -c " not in part or ".c" not in part:
                continue
            try:
                # automake writes `test -f 'x.c' || echo '../'`x.c where it does not know yet
                words = shlex.split(re.sub(r"`[^`]*`", "", part))
            except ValueError:
                continue
            if "--mode=compile" in words:
                words = words[words.index("--mode=compile") + 1:]
            if words and re.search(r"(gcc|cc|clang)$", words[0]):
                yield words


def main():
    directory, source = sys.argv[1:3]
    found = {}
    for words in commands(sys.stdin.read()):
        name = next((w for w in reversed(words) if w.endswith(".c")), None)
        path = name and os.path.normpath(os.path.join(source, name))  # an absolute name stays what it is
        if path and os.path.exists(path):
            words[words.index(name)] = path
            found[path] = {"directory": directory, "file": path, "arguments": words}
    json.dump([found[path] for path in sorted(found)], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
