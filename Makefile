# Disco: where should a program's memory live on a NUMA machine?
#
#   make            builds everything into build/
#   make demo       installs what is missing, builds, and runs the main job, from recording to charts
#   make test       installs what is missing, builds, and passes the tests
#   make test-long  the property tests with ten times and more of everything, and every fuzzer for ten minutes
#   make bench      measures the store and the replay on a real trace (some minutes)
#   make guests     installs the MIPS compiler if need be, and builds the guests of disco-record mips
#   make lint       clang-format, clang-tidy, cppcheck
#   make sanitize   all tests under ASan and UBSan, then every fuzzer for FUZZ_SECONDS
#   make install    to PREFIX (below DESTDIR); make uninstall takes it away
#
# BUILD is the folder to build into, CC the compiler, OPT, EXTRA_CFLAGS and EXTRA_LDFLAGS its flags;
# WERROR=1 makes every warning an error; HAVE_DEPS=1 says that all packages are there (where there is no apt).

BUILD        ?= build
CC            = gcc
PREFIX       ?= /usr/local
FUZZ_SECONDS ?= 60
OPT          ?= -O2 -g
VERSION      := 0.1.0

LIBRARIES  := sqlite3 libzstd zlib liblzma jansson hwloc libelf
PKG_CONFIG ?= pkg-config
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBRARIES) 2>/dev/null)
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBRARIES) 2>/dev/null)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion $(if $(WERROR),-Werror)
CFLAGS   := -std=gnu17 $(OPT) $(WARNINGS) -fPIC -fvisibility=hidden -pthread $(EXTRA_CFLAGS)
CPPFLAGS := -I. -I$(BUILD) -D_GNU_SOURCE -DDISCO_VERSION='"$(VERSION)"' -MMD -MP $(LIB_CFLAGS)
LDLIBS   := $(LIB_LIBS) -pthread -lm -ldl
LDFLAGS  := $(EXTRA_LDFLAGS)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
all_c = $(call obj,$(sort $(wildcard $(addsuffix /*.c,$(1)))))

TRACE    := $(call all_c,collector/trace)
SOURCES  := $(call all_c,collector/sources $(addprefix collector/sources/,drmemtrace mips perf perfdata))
MACHINE  := $(call all_c,vmm-core/machine vmm-core/machine/description vmm-core/machine/caches vmm-core/machine/network)
MIPS     := $(call all_c,vmm-core/machine/mips)
MEMORY   := $(call all_c,vmm-core/memory)
MONITOR  := $(call all_c,vmm-core/monitor vmm-core/monitor/vcpu)
POLICIES := $(call all_c,policies)
PLOTS    := $(call all_c,plots)
TOOLS    := $(call obj,$(sort $(wildcard collector/tool*.c)))
# what disco-replay and the live monitor say of a run
REPORT   := $(call all_c,replayer/report)
# replayer/ without its main, which tests must not link
REPLAY   := $(call obj,$(filter-out replayer/disco-replay.c,$(sort $(wildcard replayer/*.c))))
# everything but the mains: what tests, benches and fuzzers link
LIBRARY  := $(TOOLS) $(SOURCES) $(REPLAY) $(REPORT) $(MONITOR) $(MEMORY) $(MIPS) $(MACHINE) $(POLICIES) $(TRACE)

NAMES    := disco-record disco-replay disco-plot disco-sql disco-trace
COMMANDS := $(addprefix $(BUILD)/,$(NAMES)) $(BUILD)/disco.so
# a page for each command and subcommand
PAGES    := $(NAMES) disco-record-mips disco-record-perf disco-record-import \
            $(addprefix disco-trace-,info verify dump sample merge)
MANUALS  := $(patsubst %,$(BUILD)/man/%.1,$(PAGES))

all: libraries-found $(COMMANDS) $(if $(shell command -v help2man),$(MANUALS)) $(if $(shell command -v mipsel-linux-gnu-gcc),guests-built,guests-missing)

include vmm-core/guest/Makefile

# ------------------------------------------------------------------------------ commands

$(BUILD)/disco-record: $(BUILD)/collector/disco-record.o $(SOURCES) $(REPORT) $(MONITOR) $(MEMORY) $(MIPS) $(MACHINE) $(POLICIES) $(TRACE)
$(BUILD)/disco-trace:  $(BUILD)/collector/disco-trace.o $(TOOLS) $(TRACE)
$(BUILD)/disco-sql:    $(BUILD)/collector/disco-sql.o $(TRACE)
$(BUILD)/disco-replay: $(BUILD)/replayer/disco-replay.o $(REPLAY) $(REPORT) $(MEMORY) $(MACHINE) $(POLICIES) $(TRACE)
$(BUILD)/disco-plot:   $(PLOTS)
$(addprefix $(BUILD)/,$(NAMES)):
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

# encoding and queueing are as fast as their loops become vectors
$(BUILD)/vmm-core/machine/network/network-steps.o $(BUILD)/collector/trace/codec-%.o $(BUILD)/collector/trace/block-row.o: CFLAGS := $(subst -O2,-O3,$(CFLAGS))

# a plain `make` on a machine without the libraries says so, before the compiler does in its way
libraries-found:
	@$(PKG_CONFIG) --exists $(LIBRARIES) || { \
	  echo "Some libraries are missing: run 'make deps' to install them (it says what and why)." >&2; \
	  $(PKG_CONFIG) --print-errors --exists $(LIBRARIES); exit 1; }

# man pages are the --help texts, so that they cannot disagree
ABOUT_disco-record        := record the memory references of a program
ABOUT_disco-record-mips   := record guests of the MIPS monitor
ABOUT_disco-record-perf   := record a program through the kernel's perf events
ABOUT_disco-record-import := make a trace of another tool's file
ABOUT_disco-replay        := replay a trace under placement policies on a NUMA machine
ABOUT_disco-plot          := draw charts of the replays of a trace
ABOUT_disco-sql           := ask a trace and its results in SQL
ABOUT_disco-trace         := look at traces, check, print, sample and merge them
ABOUT_disco-trace-info    := what a trace is
ABOUT_disco-trace-verify  := check every block of a trace
ABOUT_disco-trace-dump    := print references and events
ABOUT_disco-trace-sample  := write a trace with one reference in N of another
ABOUT_disco-trace-merge   := write one trace from several
$(MANUALS): $(BUILD)/man/%.1: $(COMMANDS)
	@mkdir -p $(@D)
	help2man --no-info --no-discard-stderr --manual=Disco --source='Disco $(VERSION)' --name="$(ABOUT_$*)" \
	  --version-string='$* $(VERSION)' "$(BUILD)/$(patsubst disco-record-%,disco-record %,$(patsubst disco-trace-%,disco-trace %,$*))" -o $@

deps:
	@.ci/install-packages all
deps-guests:
	@.ci/install-packages all guest
deps-test:
	@.ci/install-packages all guest test
deps-lint:
	@.ci/install-packages all guest test lint

demo: deps
	@$(MAKE) --no-print-directory -s -j2 all
	@BUILD=$(BUILD) bash tests/demo/demo.sh

# ------------------------------------------------------------------------------ tests

UNIT  := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/*.c tests/property/*.c tests/paper/*.c)))
BENCH := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/*.c)))
FUZZ  := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/*.c)))
# the parts of disco-plot that its unit test calls; the library has none of plots/
$(BUILD)/tests/unit/test_plot_text: $(BUILD)/plots/text.o $(BUILD)/plots/chart.o
# the judges of the CPU
$(BUILD)/tests/property/prop_mips_unicorn: LDLIBS += -lunicorn
$(BUILD)/tests/property/prop_mips_decode: LDLIBS += -lcapstone
$(BUILD)/tests/bench/mips: LDLIBS += -lunicorn
# the same work as a guest of the monitor's
$(GUEST)/programs/mipsbench.o: tests/bench/mips/guest.c
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_CFLAGS) -mhard-float -mfp32 -c $< -o $@
$(BUILD)/bench/mips/guest.elf: $(BUILD)/guests/mipsbench.elf
	@mkdir -p $(@D)
	mv $< $@
$(UNIT): $(BUILD)/%: $(BUILD)/%.o $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS) -lcmocka
$(BENCH): $(BUILD)/%: $(BUILD)/%.o $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)
$(FUZZ): $(BUILD)/%: $(BUILD)/%.o $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer $^ -o $@ $(LDLIBS)
unit: $(UNIT)
include tests/mips-linux/Makefile
benches: $(BENCH)
fuzzers: $(FUZZ)

test: deps-test
	@$(MAKE) --no-print-directory -s -j2 all unit
	@tests/run $(BUILD)

# what takes too long for every change: live runs of all guests under all policies among it; how long the fuzzers take is their number times five minutes
LONG := DISCO_RUNS=40000 DISCO_NETWORKS=20 DISCO_SAMPLINGS=2000 TEST_SECONDS=3600
test-long: deps-lint
	@$(MAKE) --no-print-directory -s -j2 all unit
	@$(LONG) tests/run $(BUILD) tests/property/
	@DISCO_MIPS=all TEST_SECONDS=7200 tests/run $(BUILD) cli/mips-equal
	@DISCO_MIPS=all tests/run $(BUILD) cli/mips-guests
	@BUILD=$(BUILD) bash tests/mips-linux/others.sh
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=600

SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
sanitize: deps-lint
	@$(MAKE) --no-print-directory -s -j2 BUILD=build-sanitize OPT='-O1 -g' EXTRA_CFLAGS='$(SANITIZERS)' \
	  EXTRA_LDFLAGS='$(SANITIZERS)' all unit
	@DISCO_SANITIZED=1 UBSAN_OPTIONS=print_stacktrace=1 tests/run build-sanitize
	@$(MAKE) --no-print-directory fuzz

fuzz: deps-lint
	@$(MAKE) --no-print-directory -s -j2 BUILD=build-fuzz CC=clang OPT='-O1 -g' \
	  EXTRA_CFLAGS='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' \
	  EXTRA_LDFLAGS='-fsanitize=address,undefined' fuzzers
	@tests/fuzz/run build-fuzz $(FUZZ_SECONDS)

bench: deps-test
	@$(MAKE) --no-print-directory -s -j2 all benches
	@BUILD=$(BUILD) bash tests/bench/run.sh

# ------------------------------------------------------------------------------ checks of the text

PRODUCT := $(filter-out vmm-core/guest/%,$(sort $(wildcard collector/*.c collector/*/*.c collector/*/*/*.c vmm-core/*/*.c vmm-core/*/*/*.c policies/*.c replayer/*.c replayer/*/*.c plots/*.c)))
lint: deps-lint
	@$(MAKE) --no-print-directory -s $(BUILD)/schema.h
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')
	@echo "clang-tidy on $(words $(PRODUCT)) files"
	@printf '%s\n' $(PRODUCT) | xargs -P2 -n1 sh -c 'clang-tidy --quiet "$$@" -- -std=gnu17 -I. -I$(BUILD) -D_GNU_SOURCE \
	  -DDISCO_VERSION=\"$(VERSION)\" $(LIB_CFLAGS) 2>&1 | { ! grep -E "warning:|error:"; }' _
	@printf '%s\n' $(GUEST_SOURCES) | xargs -P2 -n1 sh -c 'clang-tidy --quiet "$$@" -- --target=mipsel-linux-gnu -march=mips32r2 \
	  -std=gnu17 -ffreestanding -I. 2>&1 | { ! grep -E "warning:|error:"; }' _
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppressions-list=.ci/cppcheck-suppressions -j2 -I. -I$(BUILD) -D_GNU_SOURCE $(PRODUCT) $(GUEST_SOURCES)

# ------------------------------------------------------------------------------ installation

BINDIR  := $(DESTDIR)$(PREFIX)/bin
EXTDIR  := $(DESTDIR)$(PREFIX)/lib/disco
INCDIR  := $(DESTDIR)$(PREFIX)/include/disco
DATADIR := $(DESTDIR)$(PREFIX)/share/disco
MANDIR  := $(DESTDIR)$(PREFIX)/share/man/man1
COMPDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
PLOT_FILES := $(wildcard plots/*.gp)

install: all
	install -d $(BINDIR) $(EXTDIR) $(INCDIR)/policies $(DATADIR)/plots $(MANDIR) $(COMPDIR)
	install $(addprefix $(BUILD)/,$(NAMES)) $(BINDIR)
	install -m 644 $(BUILD)/disco.so $(EXTDIR)
	install -m 644 policies/policy.h $(INCDIR)/policies
	install -m 644 schema.sql $(DATADIR)
	install -m 644 $(PLOT_FILES) $(DATADIR)/plots
	for guest in $(wildcard $(GUESTS)); do install -D -m 644 -t $(DATADIR)/guests $$guest; done
	for page in $(wildcard $(MANUALS)); do install -m 644 $$page $(MANDIR); done
	for name in $(NAMES); do install -m 644 collector/completion.bash $(COMPDIR)/$$name; done

uninstall:
	rm -f $(addprefix $(BINDIR)/,$(NAMES)) $(addprefix $(COMPDIR)/,$(NAMES)) $(patsubst %,$(MANDIR)/%.1,$(PAGES))
	rm -rf $(EXTDIR) $(INCDIR) $(DATADIR)

clean:
	rm -rf build build-* demo-out

.PHONY: all libraries-found deps deps-test deps-lint demo unit benches fuzzers test test-long sanitize fuzz bench lint \
        install uninstall clean
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
