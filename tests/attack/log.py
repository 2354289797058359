# SPDX-License-Identifier: Apache-2.0
"""The broker's log as a test reads it: what an attack must have left there."""

import time

from harness import CALL_S, STORE

TURNS = 50


class Log:
    """The events of a broker from now on, as Admin.Events gives them."""

    def __init__(self, broker):
        self.broker = broker
        self.begin = self._end(0)

    def _end(self, after):
        return self._read_all(after)[1]

    def _read_all(self, after):
        """Down to what this broker has written so far: a log that several brokers write shows the last moment late."""
        newest = self.broker.admin.call("Admin.Status")["store"]["log_last"]
        deadline = time.monotonic() + CALL_S
        events, after = self._read(after)
        while STORE != "sqlite" and after < newest:
            assert time.monotonic() < deadline, f"the log ends at {after}, and {newest} was written"
            more, after = self._read(after)
            events += more
        return events, after

    def _read(self, after, account=None):
        events = []
        while True:
            page = self.broker.admin.call("Admin.Events", after=after, limit=1000, account=account)
            events += page["events"]
            if page["next"] == after:
                return events, after
            after = page["next"]

    def events(self, account=None, type=None):
        """Of an account (or all), of a type (or all)."""
        events, _ = self._read_all(self.begin) if account is None else self._read(self.begin, account)
        while STORE != "sqlite" and account is not None and self._late(events, account):
            events, _ = self._read(self.begin, account)
        return [event for event in events if type in (None, event["type"])]

    def _late(self, events, account):
        newest = self.broker.admin.call("Admin.Account", account=account)["account"]["revision"]
        known = self._read(0, account)[0]
        return not known or known[-1]["revision"] < newest or (events and events[-1]["revision"] < newest)

    def reasons(self, account, type="denied"):
        return [event.get("reason") for event in self.events(account, type)]

    def last(self, account=None, type=None):
        events = self.events(account, type)
        assert events, f"nothing of {account or 'anybody'} {type or ''} in the log"
        return events[-1]

    def denied(self, account, reason):
        """The last denial of this account had this reason."""
        event = self.last(account, "denied")
        assert event["reason"] == reason, event
        return event

    def strangers(self, service, what):
        """
        That refusals which belong to no account were counted under this word. They are written once a second, those of
        one service at a time: so time goes on, a few turns of the broker each.
        """
        told = []
        for _ in range(TURNS):
            told = [e for e in self.events(type="strangers_denied") if e.get("service") == service]
            for event in told:
                if what in event["json"].get("words", ""):
                    return event
            self.broker.clock.advance(1100)
        raise AssertionError(f"no event tells of {what} of {service}: {told}")
