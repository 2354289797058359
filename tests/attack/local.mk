# tests of tests/attack
