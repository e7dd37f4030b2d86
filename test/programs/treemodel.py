#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""treemodel ONE TWO SEED STEPS: the same random operations in two directories,
on files, directories and links; each result and, at the end, every name,
attribute and byte is compared. Ends with status 1 at the first difference.
"""

import os
import random
import stat
import sys


class Side:
    """One directory, with its own open files."""

    def __init__(self, top):
        self.top = top
        self.open = {}

    def path(self, name):
        return os.path.join(self.top, name)

    def do(self, op, *args):
        """The result, or the error's name."""
        try:
            return getattr(self, op)(*args)
        except OSError as error:
            return "errno %d" % error.errno

    def write(self, name, at, data):
        fd = os.open(self.path(name), os.O_WRONLY | os.O_CREAT, 0o640)
        try:
            return os.pwrite(fd, data, at)
        finally:
            os.close(fd)

    def append(self, name, data):
        with open(self.path(name), "ab", buffering=0) as f:
            return f.write(data)

    def read(self, name, at, size):
        fd = os.open(self.path(name), os.O_RDONLY)
        try:
            return os.pread(fd, size, at)
        finally:
            os.close(fd)

    def truncate(self, name, size):
        os.truncate(self.path(name), size)

    def unlink(self, name):
        os.unlink(self.path(name))

    def rename(self, a, b):
        os.rename(self.path(a), self.path(b))

    def link(self, a, b):
        os.link(self.path(a), self.path(b))

    def symlink(self, text, name):
        os.symlink(text, self.path(name))

    def readlink(self, name):
        return os.readlink(self.path(name))

    def mkdir(self, name):
        os.mkdir(self.path(name))

    def rmdir(self, name):
        os.rmdir(self.path(name))

    def list(self, name):
        return sorted(os.listdir(self.path(name)))

    def chmod(self, name, mode):
        os.chmod(self.path(name), mode)

    def utime(self, name, when):
        os.utime(self.path(name), ns=(when, when))

    def stat(self, name):
        s = os.lstat(self.path(name))
        size = s.st_size if stat.S_ISREG(s.st_mode) else 0
        links = s.st_nlink if not stat.S_ISDIR(s.st_mode) else 0
        return s.st_mode, links, size, s.st_uid, s.st_gid

    def keep_open(self, name):
        fd = os.open(self.path(name), os.O_RDWR)
        old = self.open.pop("f", None)
        if old is not None:
            os.close(old)
        self.open["f"] = fd

    def use_open(self, at, data):
        fd = self.open.get("f")
        if fd is None:
            return None
        os.pwrite(fd, data, at)
        s = os.fstat(fd)
        return s.st_nlink, s.st_size, os.pread(fd, 1 << 20, 0)

    def fsync(self, name):
        fd = os.open(self.path(name), os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def steps(rng, count):
    names = ["f%d" % i for i in range(12)] + ["d%d" % i for i in range(4)]
    names += ["d%d/%s" % (i, n) for i in range(4) for n in ("x", "y", "sub")]
    names += ["d0/sub/deep", "d1/sub/deep", "d0/sub/" + "n" * 255]

    def name():
        return rng.choice(names)

    def data():
        return rng.randbytes(rng.choice((1, 100, 4096, 5000, 70000)))

    def place():
        return rng.choice((0, 1, 4095, 4096, 100000, rng.randrange(300000)))

    makers = [
        (12, lambda: ("write", name(), place(), data())),
        (4, lambda: ("append", name(), data())),
        (10, lambda: ("read", name(), place(), rng.randrange(1, 100000))),
        (4, lambda: ("truncate", name(), place())),
        (5, lambda: ("unlink", name())),
        (5, lambda: ("rename", name(), name())),
        (3, lambda: ("link", name(), name())),
        (2, lambda: ("symlink", name() * rng.choice((1, 1, 60)), name())),
        (2, lambda: ("readlink", name())),
        (5, lambda: ("mkdir", name())),
        (3, lambda: ("rmdir", name())),
        (3, lambda: ("list", rng.choice(names + [""]))),
        (2, lambda: ("chmod", name(), rng.randrange(0o1000) | 0o600)),
        (1, lambda: ("utime", name(), rng.randrange(1 << 60))),
        (6, lambda: ("stat", name())),
        (1, lambda: ("keep_open", name())),
        (2, lambda: ("use_open", place(), data())),
        (1, lambda: ("fsync", name())),
    ]
    weights = [m[0] for m in makers]
    for _ in range(count):
        yield rng.choices(makers, weights)[0][1]()


def tree(side, name=""):
    for n in side.list(name):
        full = os.path.join(name, n) if name else n
        yield full, side.stat(full)
        mode = side.stat(full)[0]
        if stat.S_ISDIR(mode):
            yield from tree(side, full)
        elif stat.S_ISREG(mode):
            yield full, side.read(full, 0, 1 << 22)
        elif stat.S_ISLNK(mode):
            yield full, side.readlink(full)


def main():
    one, two, seed, count = sys.argv[1:]
    sides = [Side(one), Side(two)]
    os.umask(0o022)
    for i, step in enumerate(steps(random.Random(int(seed)), int(count))):
        seen = [s.do(*step) for s in sides]
        if seen[0] != seen[1]:
            print("step %d: %.200r\n one: %.200r\n two: %.200r"
                  % (i, step, *seen))
            return 1
    if list(tree(sides[0])) != list(tree(sides[1])):
        print("the trees differ at the end")
        return 1
    print("same")
    return 0


if __name__ == "__main__":
    sys.exit(main())
