# Disco: where should a program's memory live on a NUMA machine?
#   make        builds everything into build/
#   make demo   installs what is missing, builds, and runs the main job from recording to charts
#   make test   installs what is missing, builds, and passes the tests
# BUILD names the folder to build into, CC the compiler, EXTRA_CFLAGS what is added to the flags.

BUILD   ?= build
CC       = gcc
PREFIX  ?= /usr/local
VERSION := 0.1.0

PACKAGES  := sqlite3 libzstd zlib liblzma jansson hwloc
PKG_CONFIG ?= pkg-config
OPT       ?= -O2 -g
CFLAGS    := -std=gnu17 $(OPT) -Wall -Wextra -Wshadow -Wconversion -fPIC -fvisibility=hidden -pthread \
             $(if $(WERROR),-Werror) $(EXTRA_CFLAGS)
CPPFLAGS   = -I. -I$(BUILD) -D_GNU_SOURCE -DDISCO_VERSION='"$(VERSION)"' -MMD -MP \
             $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
LDLIBS     = $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) -pthread -lm -ldl
LDFLAGS   := $(EXTRA_LDFLAGS)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

TRACE    := $(call obj,$(sort $(wildcard collector/trace/*.c)))
SOURCES  := $(call obj,$(sort $(wildcard collector/sources/*.c)))
MACHINE  := $(call obj,$(sort $(wildcard vmm-core/machine/*.c)))
MEMORY   := $(call obj,$(sort $(wildcard vmm-core/memory/*.c)))
POLICIES := $(call obj,$(sort $(wildcard policies/*.c)))
PLOTS    := $(call obj,$(sort $(wildcard plots/*.c)))
RECORD   := $(call obj,$(sort $(wildcard collector/record*.c)))
TOOLS    := $(call obj,$(sort $(wildcard collector/tool*.c)))
# replayer/ without its main, which tests must not link
REPLAY   := $(call obj,$(filter-out replayer/disco-replay.c,$(sort $(wildcard replayer/*.c))))

COMMANDS := $(addprefix $(BUILD)/,disco-record disco-replay disco-plot disco-sql disco-trace disco.so)

all: $(COMMANDS)

$(BUILD)/disco-record: $(BUILD)/collector/disco-record.o $(RECORD) $(SOURCES) $(TRACE) $(MACHINE)
$(BUILD)/disco-trace:  $(BUILD)/collector/disco-trace.o $(TOOLS) $(TRACE)
$(BUILD)/disco-sql:    $(BUILD)/collector/disco-sql.o $(TRACE)
$(BUILD)/disco-replay: $(BUILD)/replayer/disco-replay.o $(REPLAY) $(MEMORY) $(MACHINE) $(POLICIES) $(TRACE)
$(BUILD)/disco-plot:   $(PLOTS)
$(addprefix $(BUILD)/,disco-record disco-trace disco-sql disco-replay disco-plot):
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

$(BUILD)/disco.so: $(TRACE)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared $^ -o $@ $(LDLIBS)

# the schema as a C string, for the writer and for results
$(BUILD)/schema.h: schema.sql
	@mkdir -p $(@D)
	{ echo 'static const char disco_schema_sql[] ='; sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&\\n"/' $<; echo ';'; } > $@

$(BUILD)/%.o: %.c $(BUILD)/schema.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

# unit and property tests: a program each, linked with everything but the mains
UNIT := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/*.c tests/property/*.c)))
$(UNIT): $(BUILD)/%: $(BUILD)/%.o $(RECORD) $(TOOLS) $(SOURCES) $(REPLAY) $(MEMORY) $(MACHINE) $(POLICIES) $(TRACE)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS) -lcmocka
unit: $(UNIT)

clean:
	rm -rf build build-*

.PHONY: all unit clean
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
