# Each kind of test has a folder and a list of its own.
#
# What every test finds in its environment:
#   CS_VECTORS   published test vectors, where there are any
#   CS_SRCDIR    the top of the source tree
#   CS_BUILDDIR  the top of the build tree
AM_TESTS_ENVIRONMENT = \
	CS_VECTORS="$${CS_VECTORS:-$(abs_top_srcdir)/../shared/vectors}"; export CS_VECTORS; \
	CS_SRCDIR="$(abs_top_srcdir)"; export CS_SRCDIR; \
	CS_BUILDDIR="$(abs_top_builddir)"; export CS_BUILDDIR;

# In the order in which they begin: first what takes long and mostly waits (for servers, pages, deadlines), so that nothing of it is
# left alone at the end; the many short ones fill the gaps. Several brokers over real servers come last, when nothing else wants the processors.
include tests/browser/local.mk
include tests/scenario/local.mk
include tests/attack/local.mk
include tests/interop/local.mk
include tests/ctl/local.mk
include tests/crash/local.mk
include tests/prompt/local.mk
include tests/store/local.mk
include tests/sim/local.mk
include tests/policy/local.mk
include tests/idp/local.mk
include tests/parent/local.mk
include tests/gateway/local.mk
include tests/fuzz/local.mk
include tests/stack/local.mk
include tests/abi/local.mk
include tests/unit/local.mk
include tests/cluster/local.mk
include tests/bench/local.mk
