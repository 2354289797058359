# tests of tests/store
