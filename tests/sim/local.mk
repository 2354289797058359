# tests of tests/sim
