# SPDX-License-Identifier: Apache-2.0
"""A kernel stack that is full ends the enclave in one line.

test/overflow/ is the product's kernel with one fault built in: a system call
that runs over the end of a stack or touches the page below one.
"""

import shutil

import pytest

import sconce

CODE = """
import hashlib, os, threading
who = %d
if who: # busy: another enclave thread is started
    work = [threading.Thread(target=hashlib.sha256, args=(b'x' * 30000000,))
            for _ in range(2)]
    [t.start() for t in work]; [t.join() for t in work]
for how in %r:
    os.getpriority(how, who)
print('went on')
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A launcher beside the faulty kernel."""
    place = tmp_path_factory.mktemp("overflow")
    for name in ("sconce", "sconce-init"):
        shutil.copy(sconce.BUILD / "bin" / name, place)
    for name in ("sconce-kernel", "sconce-kernel.sig"):
        shutil.copy(sconce.BUILD / "test/overflow" / name, place)
    return place / "sconce"


def run(launcher, who, *how):
    return sconce.run(launcher, "run", "--cpus", "2", "--", "/usr/bin/python3",
                      "-S", "-c", CODE % (who, how), native=True)


@pytest.mark.parametrize("who", [0, 1])
def test_not_full(faulty, who):
    """Nor are the pages above those of test_full missing."""
    assert run(faulty, who, 0, 4).check().out == "went on\n"


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("how, text", [
    (1, "the kernel's stack is full at"),
    (2, "exception 14 in the kernel at"),
    (3, "exception 14 in the kernel at"),
])
def test_full(faulty, how, text, who):
    done = run(faulty, who, how)
    assert done.status == 125 and "went on" not in done.out, done.err
    last = done.err.splitlines()[-1]
    assert last.startswith("sconce: the enclave's kernel stopped: " + text)
