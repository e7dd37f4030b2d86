# SPDX-License-Identifier: Apache-2.0
# Short names for what Meson and Ninja do; every program lands in build/bin/.
#
#   make          build everything into build/bin/
#   make check    install what is missing, build, run every test
#                 (T=words selects tests by name, as pytest's -k)
#   make demo     Debian's redis-server in an enclave, driven by its clients
#   make bench    the speed table, native beside Sconce
#   make lint     format, clang-tidy, cppcheck, include directions, the kernel
#   make fuzz     every fuzzer for FUZZ_SECONDS
#   make asan     the unit tests with the address and UB sanitizers
#   make loc      size of the trusted code
#   make repro    two builds in two places have one MRENCLAVE

B ?= build
PYTHON ?= /usr/bin/python3
FUZZ_SECONDS ?= 20
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

bench: deps all
	@$(PYTHON) bench/run

lint: deps all
	@tools/lint $(B)

fuzz: deps all
	@tools/fuzz $(FUZZ_SECONDS)

asan: deps
	@test -f build-asan/build.ninja || meson setup build-asan \
		-Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C build-asan unit
	@SCONCE_BUILD=build-asan $(PYTHON) -m pytest -c test/pytest.ini \
		test/test_unit.py $(if $(T),-k '$(T)')

loc:
	@tools/loc

repro: deps
	@tools/repro

clean:
	rm -rf $(B) build-asan

.PHONY: all deps check demo bench lint fuzz asan loc repro clean
