# SPDX-License-Identifier: Apache-2.0
"""How the story looks: chapters, one aligned line a request with its reason, and a sentence that says why."""
import os
import shutil
import sys
import textwrap

WIDTH_MAX = 98
WHO, ASKS, OUTCOME = 6, 41, 14  # columns
INDENT = "   "

# outcome: symbol, the symbol where there is no UTF-8, colour
LOOKS = {
    "permit": ("✓", "+", "32"),
    "step_up": ("◆", "?", "33"),
    "deny": ("✗", "x", "31"),
    "done": ("✓", "+", "36"),
    "wrong": ("✗", "x", "31"),
    "unavailable": ("!", "!", "35"),
}


class Screen:
    def __init__(self, out=None):
        self.out = out or sys.stdout
        self.tty = self.out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.colours = self.tty and not os.environ.get("NO_COLOR")
        self.unicode = (self.out.encoding or "").lower().replace("-", "") == "utf8"
        columns = shutil.get_terminal_size((WIDTH_MAX, 24)).columns if self.tty else WIDTH_MAX
        self.width = max(78, min(WIDTH_MAX, columns - 1))
        self.asks = ASKS - min(WIDTH_MAX - self.width, 15)  # a narrow terminal costs this column first

    def paint(self, text, *codes):
        return f"\033[{';'.join(codes)}m{text}\033[0m" if self.colours else text

    def bold(self, text):
        return self.paint(text, "1")

    def dim(self, text):
        return self.paint(text, "2")

    def plain(self, text):
        """The text without what the terminal cannot show."""
        if self.unicode:
            return text
        for mark, ascii_mark in (("×", "x"), ("·", "-"), ("–", "-"), ("—", "-"), ("…", "...")):
            text = text.replace(mark, ascii_mark)
        return text.encode("ascii", "replace").decode()

    def line(self, text=""):
        print(self.plain(text.rstrip()), file=self.out, flush=True)

    def rule(self):
        self.line(self.dim(("─" if self.unicode else "-") * self.width))

    def wrapped(self, text, indent, look=str):
        for part in textwrap.wrap(text, self.width - len(indent)):
            self.line(indent + look(part))

    def title(self, text, below):
        self.line()
        self.line(self.bold(text))
        self.line(self.dim(below))

    def facts(self, pairs):
        """Two columns of names and values."""
        self.line()
        room = max(len(name) for name, _ in pairs) + 2
        for name, value in pairs:
            self.line(f"{INDENT}{self.dim(name.ljust(room))}{value}")

    def chapter(self, number, heading, text):
        self.line()
        self.line(f"{self.bold(str(number).rjust(2))} {self.bold(heading)}")
        self.wrapped(text, INDENT, self.dim)
        self.line()

    def outcome(self, word):
        symbol, ascii_symbol, colour = LOOKS[word]
        return self.paint(f"{symbol if self.unicode else ascii_symbol} {word}".ljust(OUTCOME), colour, "1")

    def step(self, who, asks, word, reason, call, why):
        """One request. call: which method; why: one sentence."""
        head = f"{INDENT}{who.ljust(WHO)} "
        if len(asks) > self.asks:
            asks = asks[:self.asks - 1] + ("…" if self.unicode else "~")
        self.line(f"{INDENT}{self.bold(who.ljust(WHO))} {asks.ljust(self.asks)} {self.outcome(word)}{reason}")
        lines = textwrap.wrap(why, self.width - len(head) - len(call) - 2)
        self.line(" " * len(head) + lines[0].ljust(self.width - len(head) - len(call)) + self.dim(call))
        for part in lines[1:]:
            self.line(" " * len(head) + part)

    def proof(self, text, good):
        mark = ("✓" if self.unicode else "+") if good else ("✗" if self.unicode else "x")
        indent = " " * (len(INDENT) + WHO + 1)
        lines = textwrap.wrap(text, self.width - len(indent) - 2)
        self.line(f"{indent}{self.paint(mark, '32' if good else '31', '1')} {self.bold(lines[0])}")
        for part in lines[1:]:
            self.line(f"{indent}  {self.bold(part)}")

    def progress(self, text):
        """A line that the next one replaces; nothing where there is no terminal."""
        if self.tty:
            self.out.write("\r\033[K" + self.dim(self.plain(text)[:self.width]))
            self.out.flush()

    def progress_end(self):
        if self.tty:
            self.out.write("\r\033[K")
            self.out.flush()

    def proof_row(self, name, value):
        mark = self.paint("✓" if self.unicode else "+", "32", "1")
        self.line(f"{INDENT}{mark} {name.ljust(28)}{self.dim(value)}")

    def event(self, clock, text, word, reason, evidence):
        """One line of the audit log."""
        more = self.dim(f" {evidence}") if evidence else ""
        self.line(f"{INDENT}{self.dim(clock)} {text.ljust(WHO + self.asks - 8)} {self.outcome(word)}{reason}{more}")
