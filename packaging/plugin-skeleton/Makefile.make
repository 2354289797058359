# The plugin @NAME@. countersign/plugin.h is all it needs of Countersign; where that is not among the system's headers:
# make CPPFLAGS=-I/opt/countersign/include
NAME = @NAME@
CFLAGS ?= -O2 -g
COUNTERSIGN_CFLAGS := $(shell pkg-config --cflags libcountersign 2>/dev/null)
COUNTERSIGNCTL ?= countersignctl
# Lines of its block that the tests need, such as: TEST_WITH = --with 'set issuer "https://id.example"'
TEST_WITH =

all: $(NAME).so

# It shows countersign_plugin_v1() alone (-fvisibility=hidden), and leaves no symbol for later (-z defs).
$(NAME).so: plugin.c
	$(CC) $(CPPFLAGS) $(COUNTERSIGN_CFLAGS) -std=c11 -Wall -Wextra $(CFLAGS) -fPIC -fvisibility=hidden \
		-shared $(LDFLAGS) -Wl,-z,relro,-z,now,-z,defs -o $@ plugin.c $(LDLIBS)

check: $(NAME).so
	$(COUNTERSIGNCTL) plugin test ./$(NAME).so $(TEST_WITH)

install: $(NAME).so
	$(COUNTERSIGNCTL) plugin install ./$(NAME).so $(TEST_WITH)

clean:
	rm -f $(NAME).so $(NAME).so.sig

.PHONY: all check install clean
