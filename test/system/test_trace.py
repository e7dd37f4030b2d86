# SPDX-License-Identifier: Apache-2.0
"""--trace: system calls with the names that people know."""

import sconce


def test_names():
    done = sconce.run("/usr/bin/python3", "-S", "-c",
                      "import os, socket, threading\n"
                      "s = socket.socket()\n"
                      "try: os.open('/tmp/x', os.O_RDWR | os.O_CREAT, 0o600)\n"
                      "except OSError: pass\n"
                      "try: os.open('/nowhere/x', os.O_RDONLY)\n"
                      "except OSError: pass\n"
                      "os.kill(os.getpid(), 0)\n"
                      "t = threading.Thread(target=len, args=('',))\n"
                      "t.start(); t.join()\n",
                      options=("--trace", "--tmpfs", "/tmp"), cwd="/").check()
    for wanted in (
            "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = ",
            'openat(AT_FDCWD, "/tmp/x", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = ',
            'openat(AT_FDCWD, "/nowhere/x", O_RDONLY|O_CLOEXEC, 0) = -ENOENT',
            ", PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x0) = 0x",
            "mprotect("):
        assert wanted in done.err, done.err[-6000:]
    assert " = -2\n" not in done.err
