# Each kind of test has a folder and a list of its own.
include tests/unit/local.mk
include tests/store/local.mk
include tests/fuzz/local.mk
include tests/sim/local.mk
include tests/idp/local.mk
include tests/scenario/local.mk
include tests/attack/local.mk
include tests/bench/local.mk
