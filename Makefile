# Bazar.com. `make up` on a bare Debian 12 installs what is missing, builds and starts everything.
#
#   make up | down | status | reload | reset      a stack on this machine; RUN=dir PORT=n choose which
#   make | install | uninstall | clean            the programs, in build/
#   make deb | check-deb | check-hosts            a Debian package, in build/deb; is it a good one; a host booted with it
#   make check-fresh                              the README on a bare Debian
#   make check                                    all tests; check-unit ... check-torture: one kind
#   make browser                                  all tests in a browser, and a picture of every view
#   make torture [SEED=n] [DURATION=s]            clients and faults, and the proof; torture-planted: does it see?
#   make lint | format | format-check             clang-tidy and cppcheck; clang-format
#   make asan | tsan | valgrind                   the tests under a checker
#   make bench | bench-peers | bench-pressure     measurements: the shop's promises; beside PostgreSQL, Redis and
#                                                 nginx; in a crowd, and with a million books (QUICK=1 tries them)
#   make bench-plots                              the README's pictures, of what was measured last
#
# A new .c file in a folder named below is found by itself.

RUN   = run
PORT  = 9000
BUILD = build
# Sanitizers to build with: address,undefined or thread. Use a BUILD of its own for each.
SAN   =

prefix      = /usr/local
exec_prefix = $(prefix)
bindir      = $(exec_prefix)/bin
sbindir     = $(exec_prefix)/sbin
libexecdir  = $(exec_prefix)/libexec
datarootdir = $(prefix)/share
datadir     = $(datarootdir)
mandir      = $(datarootdir)/man
sysconfdir  = /etc
unitdir     = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
INSTALL         = install
INSTALL_PROGRAM = $(INSTALL)
INSTALL_DATA    = $(INSTALL) -m 644

CC     = gcc
CFLAGS = -O2 -g
CLANG  = clang

# ---- Debian packages -------------------------------------------------------------------------

BUILD_PACKAGES = gcc libc6-dev make pkg-config nginx nginx-dev libfcgi-dev libdb5.3-dev libdb5.3-sql-dev \
	libcurl4-openssl-dev libjansson-dev uuid-dev libxxhash-dev libutf8proc-dev libsystemd-dev \
	uthash-dev python3 python3-yaml
CHECK_PACKAGES = libcunit1-dev clang libclang-rt-14-dev python3-jsonschema curl prometheus \
	systemd
DEB_PACKAGES   = debhelper dpkg-dev
DEB_CHECK_PACKAGES = lintian man-db systemd
LINT_PACKAGES  = clang-tidy cppcheck shellcheck
BENCH_PACKAGES = wrk
PEERS_PACKAGES = wrk postgresql-15 redis-tools

# ---- Flags -----------------------------------------------------------------------------------

PKGS       = fcgi libcurl jansson uuid libxxhash libutf8proc libsystemd
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
STD  = -std=gnu11 -D_GNU_SOURCE -I. $(PKG_CFLAGS)
ifeq ($(SAN),)
HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2
else
HARDEN = -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

COMPILE = $(CC) $(STD) $(WARN) -fPIE -pthread $(HARDEN) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c
LINK    = $(CC) -pie -pthread $(HARDEN) $(CFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now,--as-needed
# --as-needed: a program is bound only to the libraries it calls.
LIBS    = $(PKG_LIBS) -ldb -lm
CUNIT   = $(shell pkg-config --libs cunit)

# V=1 shows whole commands.
Q = $(if $(V),,@echo '  $@';)

# clang finds its way into libFuzzer; everything it feeds is instrumented too.
FUZZ         = -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_COMPILE = $(CLANG) $(STD) $(WARN) -O1 -g $(CPPFLAGS) $(subst fuzzer,fuzzer-no-link,$(FUZZ)) -MMD -MP -c

# ---- Sources ---------------------------------------------------------------------------------

B      = $(BUILD)
comma  = ,
objs   = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)))

# What every program may use; the linker takes from the archive only what is called.
COMMON  = $(call objs,fcgi/base/*.c fcgi/nodes.c fcgi/log.c fcgi/settings.c)
WORKER  = $(call objs,fcgi/*.c fcgi/cache/*.c fcgi/store/*.c replica/*.c replica/core/*.c)
CATALOG = $(WORKER) $(call objs,fcgi/catalog/*.c)
ORDER   = $(WORKER) $(call objs,fcgi/order/*.c fcgi/catalog/reserve.c)
SUPER   = $(call objs,fcgi/run/*.c)
CTL     = $(call objs,replica/ctl/*.c fcgi/jsonw.c fcgi/catalog/book.c fcgi/store/backup.c fcgi/store/aside.c \
	fcgi/store/effect.c replica/core/entry.c replica/core/set.c)
INIT    = $(call objs,sql/*.c)

# Everything but the main functions and the two halves that define the same `service_*` names.
MAINS   = %/main.o %/catalog/service.o %/order/service.o
TESTED  = $(filter-out $(MAINS),$(sort $(COMMON) $(CATALOG) $(ORDER) $(SUPER) $(CTL)))

HTML     = $(B)/share/nginx/html
MODULE   = $(B)/share/nginx/module/ngx_http_bazar_hits_module.so
PROGRAMS = $(addprefix $(B)/,bazar-catalog bazar-order bazar-run bazar-init bazarctl)

SOURCES  = $(wildcard fcgi/*.c fcgi/*/*.c nginx/module/*.c replica/*.c replica/*/*.c sql/*.c tests/*/*.c tests/torture/*/*.c)
HEADERS  = $(wildcard fcgi/*.h fcgi/*/*.h replica/*.h replica/*/*.h sql/*.h tests/*/*.h tests/torture/*/*.h)
SCRIPTS  = .ci/run .ci/deps nginx/conf/render nginx/module/configure nginx/module/fits nginx/pages \
	tests/bench/pages tests/browser/ready tests/browser/run tests/fuzz/run.sh tests/sim/planted.sh \
	tests/torture/planted.sh vagrant/provision.sh vagrant/monitoring/targets vagrant/check-deb \
	vagrant/completion.bash tests/hosts/run tests/hosts/boot tests/fresh/run

UNIT  = $(B)/tests/unit
SIM   = $(B)/tests/sim
DISKS = $(patsubst tests/fault/%.c,$(B)/tests/%.so,$(wildcard tests/fault/disk_*.c))
FAULT = $(patsubst tests/fault/%.c,$(B)/tests/fault_%,$(wildcard tests/fault/cache_*.c))
FUZZERS = $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz_%,$(wildcard tests/fuzz/*.c))
BENCH = $(patsubst tests/bench/%.c,$(B)/tests/bench_%,$(wildcard tests/bench/*.c))
TORTURE = $(addprefix $(B)/tests/torture-,checker checker-test load proxy launch links.so)

.PHONY: all install uninstall clean deb check-deb check-hosts check-fresh deps deps-check up down status reload reset check check-models \
	check-shops check-unit check-fault check-sim check-fuzz check-system check-readme check-browser \
	check-torture browser torture torture-planted tests bench bench-peers bench-pressure bench-plots format \
	format-check lint asan tsan valgrind FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS) $(HTML)/index.html $(MODULE)

# ---- Programs --------------------------------------------------------------------------------

$(B)/bazar-catalog: $(CATALOG)
$(B)/bazar-order:   $(ORDER)
$(B)/bazar-run:     $(SUPER) $(B)/common.a
$(B)/bazarctl:      $(CTL) $(B)/common.a
$(B)/bazar-catalog $(B)/bazar-order: $(B)/common.a

$(filter-out %/bazar-init,$(PROGRAMS)):
	$(Q)$(LINK) -o $@ $^ $(LIBS)

# The SQL engine exports a second copy of Berkeley DB's functions: it is linked here and nowhere else.
$(B)/bazar-init: $(INIT) $(B)/common.a
	$(Q)$(LINK) -o $@ $^ $(PKG_LIBS) -ldb_sql

# bazar-run finds schema, templates and pages beside itself; when installed, in ../share/bazar.
# Where share is a link, an older build made it.
$(HTML)/index.html: $(shell find nginx/html) nginx/pages nginx/docs | $(B)/flags
	@! test -L $(B)/share || rm $(B)/share
	@mkdir -p $(B)/share/nginx
	@ln -sfn '$(CURDIR)/sql' $(B)/share/sql
	@ln -sfn '$(CURDIR)/nginx/conf' $(B)/share/nginx/conf
	$(Q)nginx/pages nginx/html $(HTML)

# nginx's module, without sanitizers, which nginx is built without. Debian's nginx-dev has nginx's headers
# and says how the package was configured; whether the result fits the nginx that is installed is asked of it.
NGINX_SRC  = /usr/share/nginx/src
NGINX      = $(B)/nginx
HITS       = $(patsubst %.c,$(B)/module/%.o,$(wildcard nginx/module/*.c fcgi/cache/*.c) fcgi/catalog/question.c \
	fcgi/catalog/book.c fcgi/finish.c fcgi/paging.c fcgi/request.c fcgi/response.c fcgi/jsonw.c \
	fcgi/base/buf.c fcgi/base/text.c fcgi/base/xalloc.c)
NGINX_INCLUDE = $(patsubst %,-isystem $(NGINX_SRC)/src/%,core event event/modules os/unix http http/modules http/v2) \
	-isystem $(NGINX)
MODULE_COMPILE = $(CC) $(STD) $(WARN) $(NGINX_INCLUDE) -fPIC -fvisibility=hidden -ffunction-sections \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 $(CPPFLAGS) $(CFLAGS) -MMD -MP -c
MODULE_LINK = $(CC) -shared $(CFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now,--gc-sections
$(B)/module/%.o: %.c $(B)/flags $(NGINX)/ngx_auto_config.h
	@mkdir -p $(@D)
	$(Q)$(MODULE_COMPILE) -o $@ $<

$(MODULE): $(HITS) $(NGINX)/version
	@mkdir -p $(@D)
	$(Q)$(MODULE_LINK) -o $@ $(HITS) -lutf8proc
	@nginx/module/fits $@

$(NGINX)/ngx_auto_config.h: $(NGINX)/version $(NGINX_SRC)/conf_flags
	$(Q)nginx/module/configure $(NGINX_SRC) $(abspath $(NGINX))

# Holds what the installed nginx says of itself; another one makes it newer.
$(NGINX)/version: FORCE
	@mkdir -p $(@D)
	@PATH=$$PATH:/usr/sbin nginx -V 2>&1 | cmp -s - $@ || PATH=$$PATH:/usr/sbin nginx -V >$@ 2>&1

$(B)/common.a: $(COMMON)
$(B)/tested.a: $(TESTED)
$(B)/fuzz.a: $(TESTED:$(B)/obj/%=$(B)/fuzz/%)
%.a:
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -o $@ $<

FLAGS = $(COMPILE) | $(LINK) | $(FUZZ_COMPILE) | $(MODULE_COMPILE) | $(MODULE_LINK)
# Holds the flags of the last build: other flags make it newer, and everything is built again.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@

-include $(shell find $(B) \( -path $(B)/deb -o -path $(B)/hosts -o -path $(B)/fresh \) -prune -o -name '*.d' -type f -print 2>/dev/null)

# ---- Test programs ---------------------------------------------------------------------------

tests: $(UNIT) $(SIM) $(FAULT) $(DISKS) $(BENCH) $(B)/failpoints/bazar-catalog $(B)/failpoints/bazar-order

$(UNIT): $(call objs,tests/unit/*.c) $(B)/tested.a
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(LIBS) $(CUNIT)

# Named are those that may link a planted bug; the rest comes from the archive.
SIM_OBJS = $(call objs,tests/sim/*.c replica/core/*.c fcgi/cache/*.c fcgi/order/errands.c fcgi/catalog/reservation.c)
$(SIM): $(SIM_OBJS) $(B)/tested.a
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(LIBS)

# Failpoints: places where a test can kill the process between two stores into the cache, two steps of
# a purchase or of a write.
$(B)/failpoints/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -DCACHE_FAILPOINTS -DFAILPOINTS -o $@ $<

FAILPOINTS = $(patsubst %.c,$(B)/failpoints/%.o,$(wildcard fcgi/cache/*.c))
$(B)/tests/fault_%: $(B)/failpoints/tests/fault/%.o $(FAILPOINTS) $(B)/tested.a
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(LIBS) $(CUNIT)

# Bad disks, to be preloaded. Without sanitizers, which would have to be first.
$(B)/tests/disk_%.so: tests/fault/disk_%.c tests/fault/disk_calls.h $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARN) $(CFLAGS) -fPIC -shared -fvisibility=hidden -o $@ $<

# $(call replaced,objects,folder,which of them): those are taken from the folder.
replaced = $(patsubst $(B)/obj/%,$(2)/%,$(filter $(3),$(1))) $(filter-out $(3),$(1))

WITH_POINTS = $(patsubst %.c,$(B)/obj/%.o,$(shell grep -l failpoint.h fcgi/*/*.c replica/*.c))
$(B)/failpoints/bazar-catalog: $(call replaced,$(CATALOG),$(B)/failpoints,$(WITH_POINTS)) $(B)/common.a
$(B)/failpoints/bazar-order: $(call replaced,$(ORDER),$(B)/failpoints,$(WITH_POINTS)) $(B)/common.a
$(B)/failpoints/bazar-catalog $(B)/failpoints/bazar-order:
	$(Q)$(LINK) -o $@ $^ $(LIBS)

$(B)/tests/bench_%: $(B)/obj/tests/bench/%.o $(B)/tested.a
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(LIBS)

CHECKER = $(filter-out %/main.o,$(call objs,tests/torture/checker/*.c))
$(B)/tests/torture-checker: $(CHECKER) $(B)/obj/tests/torture/checker/main.o $(B)/common.a
$(B)/tests/torture-checker-test: $(CHECKER) $(B)/obj/tests/torture/test_checker.o $(B)/common.a
$(B)/tests/torture-load: $(call objs,tests/torture/load/*.c) $(B)/common.a
$(B)/tests/torture-proxy: $(B)/obj/tests/torture/net/proxy.o $(B)/common.a
$(B)/tests/torture-launch: $(B)/obj/tests/torture/net/launch.o
$(filter-out %.so,$(TORTURE)):
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(LIBS) $(CUNIT)

# Loaded into the workers under test, not linked.
$(B)/tests/torture-links.so: tests/torture/net/links.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARN) $(CFLAGS) -fPIC -shared -o $@ $<

# What links a planted bug (replica/core/plant.h): make PLANT=R1 build/planted/R1/bazar-order.
ifneq ($(PLANT),)
P = $(B)/planted/$(PLANT)
PLANTED  = $(shell grep -lw PLANTED replica/*.c replica/*/*.c fcgi/*.c fcgi/*/*.c)
WITH_BUG = $(PLANTED:%.c=$(B)/obj/%.o)
$(P)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -DPLANT_$(PLANT) -DNDEBUG -o $@ $<
$(P)/bazar-catalog: $(call replaced,$(CATALOG),$(P)/obj,$(WITH_BUG)) $(B)/common.a
$(P)/bazar-order: $(call replaced,$(ORDER),$(P)/obj,$(WITH_BUG)) $(B)/common.a
$(P)/sim: $(call replaced,$(SIM_OBJS),$(P)/obj,$(WITH_BUG)) $(B)/tested.a
$(P)/bazar-catalog $(P)/bazar-order $(P)/sim:
	$(Q)$(LINK) -o $@ $^ $(LIBS)
endif

$(B)/fuzz/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(FUZZ_COMPILE) -o $@ $<

$(B)/tests/fuzz_%: $(B)/fuzz/tests/fuzz/%.o $(B)/fuzz.a
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ) -pthread -o $@ $^ -Wl,--as-needed $(LIBS)

# ---- Checks ----------------------------------------------------------------------------------

check: deps-check
	$(MAKE) all tests
	$(MAKE) check-unit
	$(MAKE) check-fault
	$(MAKE) -j2 -Oline check-models check-shops
	$(MAKE) check-torture

# Side by side: what only needs a processor, and leaves it to the others, and what mostly waits.
check-models:
	nice -n 19 $(MAKE) check-sim
	nice -n 19 $(MAKE) check-fuzz

check-shops:
	$(MAKE) check-system
	$(MAKE) check-readme
	$(MAKE) check-browser

check-unit: $(UNIT) $(B)/bazar-init
	$(RUNNER) $(UNIT)

check-fault: $(FAULT)
	@set -e; for test in $(FAULT); do echo "== $$test"; $$test; done

SCHEDULES = 100000
check-sim: $(SIM)
	$(SIM) --schedules $(SCHEDULES) --jobs $$(nproc)
	BUILD=$(B) tests/sim/planted.sh

# A short run of each fuzzer.
FUZZ_SECONDS = 5
check-fuzz: $(FUZZERS)
	BUILD=$(B) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh

check-system: all tests
	BUILD=$(B) python3 tests/system/run.py

# Shopping with Chromium, axe on every view, and the linter on openapi.yaml: the short run.
FILES = openapi.test.mjs shopping.test.mjs cart.test.mjs access.test.mjs
check-browser: all
	BUILD=$(B) tests/browser/run $(FILES)

# All of it; pictures of every view go to tests/browser/screenshots.
browser: all
	BUILD=$(B) tests/browser/run

check-readme: all
	@if test -x tests/readme/run; then BUILD=$(B) tests/readme/run; fi

# The checker's own tests, a planted bug that it must see, then a run of two minutes.
check-torture: all $(TORTURE) $(DISKS)
	$(B)/tests/torture-checker-test
	BUILD=$(B) RUN=15 tests/torture/planted.sh R8
	BUILD=$(B) python3 tests/torture/run.py --duration 100

# SEED=n repeats a run's choices; DURATION in seconds. Many runs are added up by tests/torture/sum.
DURATION = 600
torture: all $(TORTURE) $(DISKS)
	BUILD=$(B) python3 tests/torture/run.py --duration $(DURATION) $(if $(SEED),--seed $(SEED))

# Workers that lack one safeguard each: every one must be noticed by what it does.
torture-planted: all $(TORTURE) $(DISKS)
	BUILD=$(B) tests/torture/planted.sh

# Sanitizers write what they find beside the tests, because a worker's own words go to its log.
REPORTS = $(abspath $(B)/$@/reports)
define sanitized
	rm -rf $(REPORTS) && mkdir -p $(REPORTS)
	$(2)="$(3)log_path=$(REPORTS)/found" UBSAN_OPTIONS="print_stacktrace=1:log_path=$(REPORTS)/found" \
		LSAN_OPTIONS="suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0" \
		$(MAKE) BUILD=$(B)/$@ SAN=$(1) SCHEDULES=5000 check-unit check-fault check-sim check-system
	@if grep -H . $(REPORTS)/* 2>/dev/null; then echo "make $@: see above"; exit 1; fi
endef

# Berkeley DB's SQL engine keeps some memory of its own when bazar-init ends.
asan: deps-check
	$(call sanitized,address$(comma)undefined,ASAN_OPTIONS,)

# A race planted on purpose shows first that the checker still sees, the suppression notwithstanding.
TSAN = suppressions=$(CURDIR)/tests/tsan.supp
tsan: deps-check
	@mkdir -p $(B)/tsan
	$(CC) $(STD) -pthread -fsanitize=thread -g -o $(B)/tsan/race tests/planted/race.c
	@if TSAN_OPTIONS="$(TSAN)" $(B)/tsan/race 2>/dev/null; then \
		echo "make tsan: the planted race was not seen"; exit 1; fi
	$(call sanitized,thread,TSAN_OPTIONS,$(TSAN):)

valgrind: $(UNIT)
	@.ci/deps valgrind
	$(MAKE) check-unit RUNNER='valgrind -q --leak-check=full --show-leak-kinds=definite \
		--errors-for-leak-kinds=definite --suppressions=tests/valgrind.supp --error-exitcode=9'

# Each takes a while; none is part of `make check`.
RUN_BENCH = BUILD=$(B) python3 tests/bench/$(1).py $(if $(QUICK),--quick)
bench: all tests
	@.ci/deps $(BENCH_PACKAGES)
	$(call RUN_BENCH,run)
	BUILD=$(B) tests/bench/pages

bench-peers: all tests
	@.ci/deps $(PEERS_PACKAGES)
	$(call RUN_BENCH,peers)

# MILLION=1,10: sizes of the catalog in millions of books. Ten take an hour and 15 GB of disk.
MILLION = 1
bench-pressure: all tests
	@.ci/deps $(BENCH_PACKAGES)
	$(call RUN_BENCH,pressure) --million $(MILLION)

bench-plots:
	BUILD=$(B) python3 tests/bench/plot.py

lint: $(NGINX)/ngx_auto_config.h
	@.ci/deps $(LINT_PACKAGES)
	printf '%s\n' $(SOURCES) | \
		xargs -n 1 -P $$(nproc) sh -c 'clang-tidy --quiet --warnings-as-errors=\* $$0 -- $(STD) $(NGINX_INCLUDE)'
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --std=c11 -D_GNU_SOURCE -I. $(SOURCES)
	shellcheck $(SCRIPTS)

format format-check: OPTION = $(if $(filter format,$@),-i,--dry-run --Werror)
format format-check:
	@.ci/deps clang-format
	clang-format $(OPTION) $(SOURCES) $(HEADERS)

# ---- A stack on this machine -----------------------------------------------------------------

deps:
	@.ci/deps $(BUILD_PACKAGES)

deps-check: deps
	@.ci/deps $(CHECK_PACKAGES)

up: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@$(B)/bazar-run --run $(RUN) --port $(PORT) up

# These act on what runs, whatever the sources look like by now.
down reload reset:
	@test -x $(B)/bazar-run || $(MAKE) -s all
	@$(B)/bazar-run --run $(RUN) $@

status:
	@test -x $(B)/bazarctl || $(MAKE) -s all
	@$(B)/bazarctl --run $(RUN) status

# ---- Installation ----------------------------------------------------------------------------

SHARE     = $(DESTDIR)$(datadir)/bazar
LIBEXEC   = $(DESTDIR)$(libexecdir)/bazar
UNITS     = $(wildcard vagrant/systemd/*.service vagrant/systemd/*.socket vagrant/systemd/*.target)
MANUALS   = $(wildcard vagrant/man/*.[158])
MONITOR   = $(addprefix vagrant/monitoring/,targets prometheus.yml rules.yml runbook.md grafana)
# Written for /usr; what is installed says where it is.
PLACED    = sed -e 's|/usr/libexec/bazar|$(libexecdir)/bazar|g' -e 's|/etc/bazar|$(sysconfdir)/bazar|g'

# Programs that find each other are in one place; those that people call are linked from where they
# look. With all of it comes what a host needs: units, user, settings, manuals, monitoring.
install: all
	$(INSTALL) -d $(LIBEXEC) $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) $(SHARE)/sql $(DESTDIR)$(unitdir) \
		$(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir) $(DESTDIR)$(sysconfdir)/bazar $(SHARE)/monitoring
	$(INSTALL_PROGRAM) $(PROGRAMS) $(LIBEXEC)
	$(INSTALL_DATA) $(MODULE) $(LIBEXEC)
	ln -sf ../libexec/bazar/bazarctl $(DESTDIR)$(bindir)/bazarctl
	ln -sf ../libexec/bazar/bazar-run $(DESTDIR)$(sbindir)/bazar-run
	$(INSTALL_DATA) $(wildcard sql/*.sql) $(SHARE)/sql
	$(INSTALL) -d $(SHARE)/nginx/conf
	$(INSTALL_DATA) nginx/conf/*.conf $(SHARE)/nginx/conf
	$(INSTALL_PROGRAM) nginx/conf/render $(SHARE)/nginx/conf
	rm -rf $(SHARE)/nginx/html
	cp -r $(HTML) $(SHARE)/nginx/html
	for f in $(UNITS); do $(PLACED) $$f >$(DESTDIR)$(unitdir)/$${f##*/} || exit 1; done
	$(PLACED) vagrant/systemd/sysusers.conf >$(DESTDIR)$(sysusersdir)/bazar.conf
	$(PLACED) vagrant/systemd/tmpfiles.conf >$(DESTDIR)$(tmpfilesdir)/bazar.conf
	test -e $(DESTDIR)$(sysconfdir)/bazar/bazar.conf || \
		$(INSTALL) -m 640 vagrant/bazar.conf $(DESTDIR)$(sysconfdir)/bazar/bazar.conf
	for f in $(MANUALS); do \
		$(INSTALL_DATA) -D $$f $(DESTDIR)$(mandir)/man$${f##*.}/$${f##*/} || exit 1; done
	cp -r $(MONITOR) $(SHARE)/monitoring

# The package, with its sources beside it, in build/deb; check-deb looks at it closely.
DEB_VERSION = $(shell sed -n '1s/.*(\(.*\)).*/\1/p' vagrant/debian/changelog)
DEB_TREE    = $(B)/deb/bazar-$(DEB_VERSION)
deb: deps
	@.ci/deps $(DEB_PACKAGES)
	rm -rf $(B)/deb
	mkdir -p $(DEB_TREE)
	tar -c --exclude-vcs --exclude=./build --exclude=./run --exclude=./tests . | tar -x -C $(DEB_TREE)
	cp -r vagrant/debian $(DEB_TREE)/debian
	cd $(DEB_TREE) && MAKEFLAGS= DEB_BUILD_OPTIONS=parallel=$$(nproc) dpkg-buildpackage -us -uc -b

check-deb: deb
	@.ci/deps $(DEB_CHECK_PACKAGES)
	vagrant/check-deb $(B)/deb/bazar_*.deb

# A Debian host with a systemd of its own, from the package to an upgrade under load. As root.
check-hosts: deb
	@.ci/deps mmdebstrap iproute2 procps
	BUILD=$(B) tests/hosts/run

# The README's first commands on a Debian with nothing on it. As root.
check-fresh:
	@.ci/deps mmdebstrap curl
	@mkdir -p $(B)
	BUILD=$(B) tests/fresh/run

uninstall:
	rm -f $(DESTDIR)$(bindir)/bazarctl $(DESTDIR)$(sbindir)/bazar-run $(DESTDIR)$(sysusersdir)/bazar.conf \
		$(DESTDIR)$(tmpfilesdir)/bazar.conf $(addprefix $(DESTDIR)$(unitdir)/,$(notdir $(UNITS)))
	for f in $(MANUALS); do rm -f $(DESTDIR)$(mandir)/man$${f##*.}/$${f##*/}; done
	rm -rf $(LIBEXEC) $(SHARE)

clean:
	rm -rf $(B)
