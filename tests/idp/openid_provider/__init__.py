# SPDX-License-Identifier: Apache-2.0
"""A small OpenID Provider for tests: honest by default, dishonest on request.

It shares no code with the broker, so that a mistake made on one side is not repeated here.
"""
