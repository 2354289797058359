# tests of tests/scenario
