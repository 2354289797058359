# tests of tests/unit
