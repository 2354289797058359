# SPDX-License-Identifier: Apache-2.0
"""The fixtures of terminal.py, for every test of this folder."""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / ".." / "ctl"), str(HERE / ".." / "scenario")]

from terminal import lines, terminal  # noqa: E402,F401
