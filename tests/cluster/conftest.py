# SPDX-License-Identifier: Apache-2.0
"""Several brokers over real redis-servers. A machine without redis-server skips by name."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "scenario")]
