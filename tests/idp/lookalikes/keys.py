# SPDX-License-Identifier: Apache-2.0
"""The RSA keys of keys.pem."""

import os
import re

from cryptography.hazmat.primitives import serialization

_END = "-----END PRIVATE KEY-----\n"
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "keys.pem"), encoding="ascii") as _file:
    APPLE, ALIPAY, STRANGER, APP = (
        serialization.load_pem_private_key(text.encode(), None)
        for text in re.findall(f"-----BEGIN PRIVATE KEY-----.*?{_END}", _file.read(), re.S))
