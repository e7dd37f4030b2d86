# SPDX-License-Identifier: Apache-2.0
"""Sockets, pipes and waiting as programs use them, inside and natively."""

import signal
import socket
import threading
import time

import pytest

import sconce

PYTHON = "/usr/bin/python3"
PROGRAMS = sconce.ROOT / "test/programs"

TCP = """
import socket, threading
def serve(listener):
    conn, peer = listener.accept()
    with conn:
        while data := conn.recv(1000):
            conn.sendall(data.upper())
for host, family in ("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6):
    listener = socket.create_server((host, 0), family=family)
    server = threading.Thread(target=serve, args=(listener,))
    server.start()
    conn = socket.create_connection(listener.getsockname()[:2], 5)
    print(conn.getpeername()[:2] == listener.getsockname()[:2])
    conn.sendall(b"x" * 3_000_000 if family == socket.AF_INET6 else b"hello")
    conn.shutdown(socket.SHUT_WR) if family == socket.AF_INET else None
    got = conn.recv(5, socket.MSG_WAITALL)
    print(got)
    conn.close()
    server.join()
"""

UDP = """
import select, socket
a = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
a.bind(("::1", 0))
b = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
print(select.select([a], [], [], 0)[0])
b.sendto(b"one", a.getsockname())
b.sendto(b"", a.getsockname())
print(select.select([a], [], [], 5)[0] == [a], a.recv(10), a.recv(10))
a.settimeout(0.02)
try:
    a.recv(10)
except TimeoutError:
    print("timed out")
"""

ASYNCIO = """
import asyncio
async def handle(reader, writer):
    writer.write(b"echo " + await reader.readline())
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async def ask(i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"%d\\n" % i)
        answer = await reader.read()
        writer.close()
        return answer
    answers = await asyncio.gather(*[ask(i) for i in range(100)])
    print(answers == [b"echo %d\\n" % i for i in range(100)])
    server.close()
asyncio.run(main())
"""

UNIX = """
import os, select, socket, struct, tempfile, threading
where = tempfile.mkdtemp()
path = os.path.join(where, "s")
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(3)
def client():
    conn = socket.socket(socket.AF_UNIX)
    conn.connect(path)
    r, w = os.pipe()
    os.write(w, b"through the pipe")
    socket.send_fds(conn, [b"fd"], [r])
    conn.close()
thread = threading.Thread(target=client)
thread.start()
conn, _ = listener.accept()
data, fds, _, _ = socket.recv_fds(conn, 10, 4)
print(data, os.read(fds[0], 100), conn.recv(10))
thread.join()
cred = conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
print(struct.unpack("3i", cred)[0] == os.getpid())
print(listener.getsockname() == path, os.path.exists(path))
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
a.send(b"one"), a.send(b"two")
print(b.recv(2), b.recv(10))
os.unlink(path)
try:
    socket.socket(socket.AF_UNIX).connect(path)
except FileNotFoundError:
    print("no such name")
os.rmdir(where)
"""

EPOLL = """
import os, select, signal, socket, time
ep = select.epoll()
r, w = os.pipe()
ep.register(r, select.EPOLLIN | select.EPOLLET)
os.write(w, b"a")
print(ep.poll(1) == [(r, select.EPOLLIN)], ep.poll(0))
os.write(w, b"b")
print(ep.poll(1) == [(r, select.EPOLLIN)], ep.poll(0))
ep.modify(r, select.EPOLLIN | select.EPOLLONESHOT)
print(len(ep.poll(1)), ep.poll(0))
os.close(w)
ep.modify(r, select.EPOLLIN)
print(ep.poll(1) == [(r, select.EPOLLIN | select.EPOLLHUP)])
start = time.monotonic()
print(select.select([], [], [], 0.05), time.monotonic() - start >= 0.05)
"""

# A header that sendfile() has followed before waits on the host for the next
# one. If another thing follows it must not wait for long.
HEADERS = """
import os, select, socket, tempfile, time
body = tempfile.TemporaryFile()
body.write(b"b" * 100000)
body.flush()
listener = socket.create_server(("127.0.0.1", 0))
def wait_select(s):
    select.select([s], [], [], 5)
def wait_epoll(s):
    with select.epoll() as ep:
        ep.register(s, select.EPOLLIN)
        ep.poll(5)
def shut(s):
    server.shutdown(socket.SHUT_WR)
def second(s):
    server.send(b"")
    server.send(b"second")
def cork(s):
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
for then in (None, wait_select, wait_epoll, shut, second, cork):
    times = []
    for _ in range(5):
        client = socket.create_connection(listener.getsockname(), 5)
        server = listener.accept()[0]
        server.setblocking(False)
        for size in (10, 1000, 5):
            server.send(b"header")
            os.sendfile(server.fileno(), body.fileno(), 0, size)
            got = client.recv(6 + size, socket.MSG_WAITALL)
            assert got == b"header" + b"b" * size
        start = time.monotonic()
        server.send(b"alone")
        if then:
            then(client)
        assert client.recv(5, socket.MSG_WAITALL) == b"alone"
        times.append(time.monotonic() - start)
        server.close()
        assert client.recv(10) in (b"", b"second")
    print(then and then.__name__, min(times) < 0.15)
"""

NAMES = """
import socket
print(socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4])
print(socket.gethostbyname("localhost"))
print((1, "lo") in socket.if_nameindex())
"""


@pytest.mark.parametrize("program", [TCP, UDP, ASYNCIO, UNIX, EPOLL, HEADERS,
                                     NAMES],
                         ids="tcp udp asyncio unix epoll headers names".split())
@pytest.mark.parametrize("cpus", ["1", "2"])
def test_same_as_native(program, cpus):
    native = sconce.run(PYTHON, "-c", program, native=True).check()
    inside = sconce.run(PYTHON, "-c", program, stats=True,
                        options=("--cpus", cpus)).check()
    assert inside.out == native.out and native.out
    assert inside.stats["traps"] == 0


def scenarios(cpus, calls):
    return sconce.run(PYTHON, PROGRAMS / "streams.py", stats=True, timeout=120,
                      options=("--cpus", cpus, "--calls", calls)).check()


@pytest.mark.parametrize("cpus, calls", [("1", "exit"), ("2", "exit"),
                                         ("2", "ring")])
def test_streams(cpus, calls):
    """Sends that travel later and receives that come earlier look the same."""
    native = sconce.run(PYTHON, PROGRAMS / "streams.py", native=True).check()
    inside = scenarios(cpus, calls)
    assert inside.out == native.out and native.out
    assert inside.stats["traps"] == 0


SENDER = """
import os, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setblocking(False)
data, n = bytes(range(256)) * (int(sys.argv[2]) // 256), 0
while n < len(data):
    try:
        n += s.send(data[n:n + 5000])
    except BlockingIOError:
        pass
"""


@pytest.mark.parametrize("size", [256, 10240, 20480000])
@pytest.mark.parametrize("then", ["os._exit(0)", "os.kill(os.getpid(), 9)",
                                  "s.setblocking(True); "
                                  "assert s.recv(4) == b'seen'",
                                  "while True: pass"])
def test_sent_is_sent(size, then):
    """What a program has sent arrives on the host, whatever it does next."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(sconce.SECONDS)
    got = bytearray()
    with sconce.Server(PYTHON, "-c", SENDER + then,
                       str(listener.getsockname()[1]), str(size),
                       stop_signal=signal.SIGKILL):
        conn, _ = listener.accept()
        conn.settimeout(sconce.SECONDS)
        time.sleep(0.2)  # the sender is done, or the buffers are full
        while len(got) < size:
            piece = conn.recv(1000000)
            assert piece, "ended after %d bytes" % len(got)
            got += piece
        if "seen" in then:
            conn.sendall(b"seen")
        if "while" not in then:
            assert conn.recv(1) == b""
    assert bytes(got) == bytes(range(256)) * (size // 256)


def test_unix_server_on_the_host(tmp_path):
    """A socket file that a program of the host serves."""
    path = str(tmp_path / "host.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(sconce.SECONDS)
    seen = []

    def serve():
        conn, _ = listener.accept()
        seen.append(conn.recv(10))
        conn.sendall(b"pong")
        conn.close()

    thread = threading.Thread(target=serve)
    thread.start()
    done = sconce.run(
        PYTHON, "-c", "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.connect(sys.argv[1])\n"
        "s.sendall(b'ping')\n"
        "print(s.recv(10), s.recv(10))\n", path)
    thread.join()
    assert done.check().out == "b'pong' b''\n"
    assert seen == [b"ping"]


def test_pipes_and_unix_sockets_tell_the_host_nothing():
    """Ten thousand messages without a call to the host."""
    program = """
import os, socket, threading
a, b = socket.socketpair()
r, w = os.pipe()
def peer():
    for _ in range(5000):
        b.send(os.read(r, 1))
thread = threading.Thread(target=peer)
thread.start()
for _ in range(5000):
    os.write(w, b"x")
    a.recv(1)
thread.join()
"""
    done = sconce.run(PYTHON, "-c", program, stats=True).check()
    calls = sum(v for k, v in done.stats.items() if k.startswith("call_sock"))
    assert calls == 0
    assert done.stats["exits"] < 5000
