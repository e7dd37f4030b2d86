# SPDX-License-Identifier: Apache-2.0
# Short names for what Meson and Ninja do; every program lands in build/bin/.

B ?= build
PYTHON ?= /usr/bin/python3

all: $(B)/build.ninja
	@ninja -C $(B)

$(B)/build.ninja:
	@meson setup $(B) -Dwerror_ci=true

deps:
	@tools/install-deps

clean:
	rm -rf $(B)

.PHONY: all deps clean
