# SPDX-License-Identifier: Apache-2.0
"""Reads Varlink interface files (varlink.org/Interface-Definition) and checks that they are sound.

As a program: check_varlink.py SOURCE checks every interface of the source tree: grammar and names, every type is known
and used, the file is called as its interface and is installed, and every name in the daemons' code ("org.countersign.X.Y")
is a method, an error or an interface that is written down. As a module: check_value() says whether a JSON value is of a
type, for tests that play a daemon.
"""
import pathlib
import re
import sys

TOKEN = re.compile(r"(?P<space>[ \t\r\n]+|#[^\n]*)|(?P<word>[A-Za-z][A-Za-z0-9_.-]*)|(?P<mark>->|\[string\]|\[\]|[?():,])")
INTERFACE = re.compile(r"[A-Za-z]([-]*[A-Za-z0-9])*(\.[A-Za-z0-9]([-]*[A-Za-z0-9])*)+")
NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
FIELD = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
BASIC = {"bool": bool, "int": int, "float": (int, float), "string": str, "object": dict}


class Problem(Exception):
    pass


class Interface:
    """name; types, errors: name -> type; methods: name -> (in, out). A type is a tuple whose first item is its kind."""

    def __init__(self, name):
        self.name = name
        self.types, self.methods, self.errors = {}, {}, {}


class Parser:
    def __init__(self, file, text):
        self.file, self.text, self.at = file, text, 0
        self.kind = self.value = None
        self.advance()

    def problem(self, message):
        line = self.text.count("\n", 0, self.at) + 1
        raise Problem(f"{self.file}:{line}: {message}")

    def advance(self):
        """Moves to the next token and returns the one before."""
        before = self.value
        self.kind = "space"
        while self.kind == "space":
            if self.at == len(self.text):
                self.kind, self.value = "end", None
                return before
            match = TOKEN.match(self.text, self.at)
            if match is None:
                self.problem(f"{self.text[self.at]!r} belongs to no token")
            self.at = match.end()
            self.kind, self.value = match.lastgroup, match[0]
        return before

    def take(self, mark):
        if self.value != mark:
            self.problem(f"{mark} is expected before {self.value}")
        self.advance()

    def name(self, pattern, what):
        if self.kind != "word" or not pattern.fullmatch(self.value):
            self.problem(f"{self.value} is no name of {what}")
        return self.advance()

    def type(self):
        if self.value == "?":
            self.advance()
            if self.value == "?":
                self.problem("twice optional")
            return ("optional", self.type())
        if self.value in ("[]", "[string]"):
            kind = "array" if self.advance() == "[]" else "map"
            return (kind, self.type())
        if self.value == "(":
            return self.struct()
        if self.value in BASIC:
            return ("basic", self.advance())
        return ("named", self.name(NAME, "a type"))

    def struct(self):
        """A struct, or an enum where its names have no types."""
        fields, bare = {}, []
        self.take("(")
        while self.value != ")":
            if fields or bare:
                self.take(",")
            field = self.name(FIELD, "a member")
            if field in fields or field in bare:
                self.problem(f"{field} is there twice")
            if self.value == ":":
                self.advance()
                fields[field] = self.type()
            else:
                bare.append(field)
        self.advance()
        if fields and bare:
            self.problem(f"{bare[0]} has no type")
        return ("enum", tuple(bare)) if bare else ("struct", fields)

    def parse(self):
        self.take("interface")
        found = Interface(self.name(INTERFACE, "an interface"))
        names = set()
        while self.kind != "end":
            keyword = self.advance()
            name = self.name(NAME, f"a {keyword}")
            if name in names:
                self.problem(f"{name} is there twice")
            names.add(name)
            if keyword == "type":
                found.types[name] = self.struct()
            elif keyword == "error":
                found.errors[name] = self.struct()
            elif keyword == "method":
                takes = self.struct()
                self.take("->")
                found.methods[name] = (takes, self.struct())
            else:
                self.problem(f"{keyword} is neither type, method nor error")
        return found


def named_types(t):
    if t[0] == "named":
        yield t[1]
    elif t[0] in ("optional", "array", "map"):
        yield from named_types(t[1])
    elif t[0] == "struct":
        for inner in t[1].values():
            yield from named_types(inner)


def check_types(file, interface):
    used = set()
    roots = list(interface.types.values()) + list(interface.errors.values())
    for pair in interface.methods.values():
        roots += pair
    for t in roots:
        used.update(named_types(t))
    for name in sorted(used - set(interface.types)):
        yield f"{file}: the type {name} is nowhere defined"
    for name in sorted(set(interface.types) - used):
        yield f"{file}: the type {name} is nowhere used"


def check_value(interface, t, value, where):
    """Yields what is wrong with a JSON value that should be of type t."""
    kind, what = t
    if kind == "optional":
        if value is not None:
            yield from check_value(interface, what, value, where)
    elif kind == "named":
        yield from check_value(interface, interface.types[what], value, where)
    elif kind == "basic":
        if not isinstance(value, BASIC[what]) or (isinstance(value, bool) and what != "bool"):
            yield f"{where} is no {what}"
    elif kind == "enum":
        if value not in what:
            yield f"{where} is none of {what}"
    elif kind == "array":
        for i, element in enumerate(value if isinstance(value, list) else []):
            yield from check_value(interface, what, element, f"{where}[{i}]")
        if not isinstance(value, list):
            yield f"{where} is no array"
    elif not isinstance(value, dict):
        yield f"{where} is no object"
    elif kind == "map":
        for key, element in value.items():
            yield from check_value(interface, what, element, f"{where}.{key}")
    else:
        for name in value:
            if name not in what:
                yield f"{where}.{name} is unknown"
        for name, inner in what.items():
            yield from check_value(interface, inner, value.get(name), f"{where}.{name}")


def read_all(source):
    """file -> Interface. Raises Problem at the first file that is none."""
    return {file: Parser(file, file.read_text()).parse()
            for file in sorted((source / "include/countersign").glob("*.varlink"))}


def names_in_code(source):
    for folder in ("broker", "plugins", "include"):
        for file in sorted((source / folder).rglob("*.[ch]")):
            for name in re.findall(r'"(org\.countersign(?:\.[A-Za-z]+)*)"', file.read_text()):
                yield file, name


def check_all(source):
    found = read_all(source)
    known = set()
    installed = (source / "include/countersign/local.mk").read_text()
    if not found:
        yield f"{source}: there are no interfaces"
    for file, interface in found.items():
        yield from check_types(file, interface)
        if file.name != interface.name + ".varlink":
            yield f"{file}: should be called {interface.name}.varlink"
        if "/" + file.name not in installed:
            yield f"{file}: is not in include/countersign/local.mk"
        known.add(interface.name)
        known.update(f"{interface.name}.{name}" for name in [*interface.methods, *interface.errors])
    for file, name in names_in_code(source):
        if name not in known:
            yield f"{file}: {name} is in no interface"


def self_test():
    """The checker must see what it is there to see."""
    bad = ["", "interface x", "interface a.b method", "interface a.b type T (a)type U (b: int, c)",
           "interface a.b method M(a: ??int) -> ()", "interface a.b method m() -> ()", "interface a.b method M() ()",
           "interface a.b method M(a: int, a: int) -> ()", "interface a.b error E () error E ()",
           "interface a.b method M(a: int,) -> ()", "interface a.b method M(a_: int) -> ()", "interface a.b thing T ()",
           "interface a.b method M(a: int;) -> ()"]
    for text in bad:
        try:
            Parser("self-test", text).parse()
        except Problem:
            continue
        yield f"self-test: accepted {text!r}"
    good = Parser("self-test", "# c\ninterface a.b\ntype T (x: ?[]string, y: [string]int)\ntype U (on, off)\n"
                  "method M(t: T, o: object) -> (n: (p: bool))").parse()
    if list(check_types("f", good)) != ["f: the type U is nowhere used"]:
        yield "self-test: an unused type was not seen"
    wrong = {"x": [1], "y": {"k": True}, "z": 0}
    if len(list(check_value(good, ("named", "T"), wrong, "t"))) != 3:
        yield "self-test: wrong values were not seen"


def main():
    source = pathlib.Path(sys.argv[1])
    problems = list(self_test())
    try:
        problems += check_all(source)
    except Problem as problem:
        problems.append(str(problem))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
