# SPDX-License-Identifier: Apache-2.0
# Short names for what Meson and Ninja do; every program lands in build/bin/.
#
#   make          build everything into build/bin/
#   make check    install what is missing, build, run every test
#                 (T=words selects tests by name, as pytest's -k)
#   make demo     redis-server in an enclave; then MariaDB under CAS, and attacks
#   make bench    the speed tables, native beside Sconce
#   make bench-cas  what CAS does in a second, natively and in its enclave
#   make lint     format, clang-tidy, cppcheck, include directions, the kernel
#   make fuzz     every fuzzer for FUZZ_SECONDS
#   make hostile  RUNS runs of programs on a host that lies, from seed SEED on
#   make lvi      the kernel with fences against LVI, checked and tried
#   make model    the model checker of volumes, CASES of them
#   make sim-cas  CAS in a simulated world, RUNS times from seed SEED on
#   make model-cas  larger models of CAS's protocols, by SPIN
#   make asan     the unit tests with the address and UB sanitizers
#   make loc      size of the trusted code
#   make repro    two builds in two places have one MRENCLAVE

B ?= build
PYTHON ?= /usr/bin/python3
FUZZ_SECONDS ?= 20
CASES ?= 1000000
RUNS ?= 3000
SEED ?= 1
T ?=

all: $(B)/build.ninja
	@ninja -C $(B)

$(B)/build.ninja: | deps
	@meson setup $(B) -Dwerror_ci=true

deps:
	@tools/install-deps

check: deps all
	@$(PYTHON) -m pytest -c test/pytest.ini test $(if $(T),-k '$(T)')

demo: deps all
	@tools/demo
	@demo/database

bench: deps all
	@$(PYTHON) bench/run
	@$(PYTHON) bench/volumes

bench-cas: deps all
	@$(PYTHON) bench/cas $(BENCH)

lint: deps all
	@tools/lint $(B)

fuzz: deps all
	@tools/fuzz $(FUZZ_SECONDS)

hostile: deps all
	@SCONCE_BUILD=$(B) SCONCE_HOSTILE_SEED=$(SEED) \
		$(PYTHON) test/system/test_hostile_host.py $(RUNS)

lvi: deps
	@test -f build-lvi/build.ninja || \
		meson setup build-lvi -Dwerror_ci=true -Dlvi=true >/dev/null
	@ninja -C build-lvi bin/sconce bin/sconce-init bin/sconce-kernel \
		bin/sconce-kernel.sig
	@tools/check-kernel-binary --lvi build-lvi/bin/sconce-kernel
	@SCONCE_BUILD=build-lvi $(PYTHON) -m pytest -c test/pytest.ini \
		test/system/test_programs.py

model: deps all
	@$(B)/test/model-volume -n $(CASES) $(if $(SEED),-s $(SEED))

sim-cas: deps all
	@$(B)/test/sim-cas -n $(RUNS) -s $(SEED)
	@$(B)/test/sim-cas -e -n $(RUNS) -s $(SEED)

model-cas: deps
	@$(PYTHON) test/test_spin.py

asan: deps
	@test -f build-asan/build.ninja || meson setup build-asan \
		-Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@test -f build-ubsan/build.ninja || meson setup build-ubsan \
		-Db_sanitize=undefined -Db_lundef=false >/dev/null
	@ninja -C build-asan unit-asan
	@ninja -C build-ubsan unit-ubsan
	@for b in build-asan build-ubsan; do \
		UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		SCONCE_BUILD=$$b $(PYTHON) -m pytest -c test/pytest.ini \
		test/test_unit.py -k '$(or $(T),unit-)' || exit; done

loc:
	@tools/loc

repro: deps
	@tools/repro

clean:
	rm -rf $(B) build-asan build-ubsan build-lvi

.PHONY: all deps check demo bench bench-cas lint fuzz model model-cas sim-cas hostile lvi asan loc repro clean
