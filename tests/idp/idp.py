#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An OpenID Provider for tests and for the quickstart, on loopback only. See README.md.

Prints one line of JSON once it is ready, then runs until SIGTERM or SIGINT.
"""

import argparse
import ipaddress
import json
import signal
import sys

from openid_provider import bad_answers, bad_tokens, switches, vendors
from openid_provider.app import Provider
from openid_provider.state import Client, Refused


def start(directory, name="sandbox", host="127.0.0.1", port=0, clients=(), certificate=None,
          dialect=None):
    """Start a provider in threads of this process and return it.

    The handle has issuer, port, ca, describe() and stop(). `clients` are strings as on the
    command line, or Client objects. `dialect`: one of openid_provider.vendors, e.g. Google().
    """
    parsed = [Client.parse(c) if isinstance(c, str) else c for c in clients]
    return Provider(str(directory), name, host, port, parsed, certificate, dialect)


def _listen(text):
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        local = ipaddress.ip_address(host).is_loopback
        number = int(port)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write ADDRESS:PORT, e.g. 127.0.0.1:0")
    if not local:
        raise argparse.ArgumentTypeError(f"{host} is not loopback; this provider signs in anybody")
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"port {number}: use 0 (any) to 65535")
    return host, number


class _ListSwitches(argparse.Action):
    """Prints the table of switches, as README.md has it, and exits."""

    def __init__(self, *names, **rest):
        super().__init__(*names, nargs=0, **rest)

    def __call__(self, parser, *_):
        print(switches.markdown(bad_tokens.TABLE + bad_answers.TABLE), end="")
        parser.exit()


def _arguments():
    parser = argparse.ArgumentParser(description="An OpenID Provider for tests, on loopback.")
    parser.add_argument("--dir", required=True, help="where its keys and certificates live")
    parser.add_argument("--listen", type=_listen, default="127.0.0.1:0", metavar="ADDRESS:PORT")
    parser.add_argument("--name", default="sandbox", help="its name on the page and in e-mail")
    parser.add_argument("--as", dest="dialect", default="openid", choices=sorted(vendors.ALL),
                        help="whose paths, claims and errors it has")
    parser.add_argument("--client", action="append", default=[],
                        metavar="ID:SECRET:REDIRECT[,REDIRECT]",
                        help="an empty SECRET makes a public client; may be repeated")
    parser.add_argument("--cert", help="server certificate (PEM) instead of an own one")
    parser.add_argument("--key", help="its key (PEM)")
    parser.add_argument("--ca", help="the CA that clients should trust (PEM)")
    parser.add_argument("--list-switches", action=_ListSwitches,
                        help="print the ways to misbehave and exit")
    arguments = parser.parse_args()
    given = (arguments.cert, arguments.key, arguments.ca)
    if any(given) and not all(given):
        parser.error("--cert, --key and --ca go together")
    arguments.certificate = given if all(given) else None
    return arguments


def main():
    arguments = _arguments()
    host, port = arguments.listen
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before threads exist, so that all inherit it
    try:
        provider = start(arguments.dir, arguments.name, host, port, arguments.client,
                         arguments.certificate, vendors.ALL[arguments.dialect]())
    except (Refused, OSError, ValueError) as error:
        print(f"idp: {error}", file=sys.stderr)
        return 1
    print(json.dumps(provider.describe()), flush=True)
    signal.sigwait(ends)
    provider.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
