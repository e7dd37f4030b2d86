# SPDX-License-Identifier: Apache-2.0
"""What a program may rely on when it talks over TCP with itself or others.

    streams.py NAME...

Runs these scenarios (all of them without arguments) and prints a line or more
for each: the same natively and inside. Non-blocking sends may travel later and
receives earlier than they are asked for; nothing of that may be seen here.
"""
import array
import fcntl
import functools
import os
import random
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

print = functools.partial(print, flush=True)
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
signal.alarm(50)  # nothing here may hang


def pair(nonblock=True):
    a = socket.create_connection(listener.getsockname(), 10)
    b, _ = listener.accept()
    a.setblocking(not nonblock)
    b.setblocking(True)
    return a, b


def settle(seconds=0.05):
    """Let the other side's doings arrive, as a server that waits does."""
    time.sleep(seconds)


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def read_all(s, size=65536):
    got = bytearray()
    while data := s.recv(size):
        got += data
    return bytes(got)


def error_of(call, *args):
    try:
        return call(*args)
    except OSError as e:
        return type(e).__name__


def pipelined():
    """Many small sends and one receive each, both ways, by epoll."""
    conns = [pair() for _ in range(40)]
    ep = select.epoll()
    for a, _ in conns:
        ep.register(a, select.EPOLLIN)
    of = {a.fileno(): a for a, _ in conns}
    for round_ in range(20):
        for i, (_, b) in enumerate(conns):
            b.sendall(b"%d:%d" % (round_, i))
        seen = 0
        while seen < len(conns):
            for fd, _ in ep.poll(5):
                of[fd].send(b"<" + of[fd].recv(100) + b">")
                seen += 1
        for i, (_, b) in enumerate(conns):
            want = b"<%d:%d>" % (round_, i)
            assert b.recv(len(want), socket.MSG_WAITALL) == want
    print("pipelined", seen)


def parts():
    """Sends of all sizes that follow one another are one stream."""
    a, b = pair()
    sizes = [random.Random(2).choice((1, 3, 7, 8, 9, 60, 511, 513, 3000, 16384,
                                      16385, 70000)) for _ in range(300)]
    data = noise(sum(sizes))
    got = []
    t = threading.Thread(target=lambda: got.append(read_all(b)))
    t.start()
    at = 0
    for size in sizes:
        end = at + size
        while at < end:
            try:
                at += a.send(data[at:end])
            except BlockingIOError:
                select.select([], [a], [], 10)
    a.close()
    t.join()
    print("parts", got[0] == data)


def slow_reader():
    """100 MB to one who reads slowly, without and with blocking."""
    data = noise(1 << 20)
    for nonblock in (True, False):
        a, b = pair(nonblock)
        total, sums = 100, []

        def reader():
            count = good = 0
            while chunk := b.recv(1 << 20, socket.MSG_WAITALL):
                assert len(chunk) == 1 << 20
                count += 1
                good += chunk == data
                if count % 10 == 0:
                    time.sleep(0.01)
            sums.append((count, good))

        t = threading.Thread(target=reader)
        t.start()
        short = 0
        for _ in range(total):
            view = memoryview(data)
            while view:
                try:
                    n = a.send(view[:100000])
                    short += n < min(len(view), 100000)
                    view = view[n:]
                except BlockingIOError:
                    short += 1
                    select.select([], [a], [], 10)
        a.close()
        t.join()
        print("slow_reader", sums, short > 0 or not nonblock)


def full():
    """A socket that takes no more says so, and is not writable until it
    does; all that was taken arrives."""
    for size in (100, 1000, 10000, 50000):
        a, b = pair()
        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sent, chunk = 0, noise(size)
        while True:
            try:
                sent += a.send(chunk)
            except BlockingIOError:
                break
        settle()
        try:  # what was inside may have made room
            while True:
                sent += a.send(chunk)
        except BlockingIOError:
            pass
        print("full", select.select([], [a], [], 0)[1], end=" ")
        ep = select.epoll()
        ep.register(a, select.EPOLLOUT | select.EPOLLET)
        events = ep.poll(0.05)
        got = 0
        while got < sent:
            got += len(b.recv(1 << 20))
        events = events or ep.poll(5)
        print(len(events), select.select([], [a], [], 5)[1] == [a],
              a.send(b"x"), b.recv(10), got == sent)
        a.close()
        print(b.recv(1) == b"")


def close_at_once():
    """The data of a send before close or shutdown arrives whole."""
    for how in ("close", "shutdown", "linger"):
        for size in (5, 5000, 200000):
            a, b = pair()
            data = noise(size)
            sent = 0
            if how == "linger":
                a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 5))
            got = []
            t = threading.Thread(target=lambda: got.append(read_all(b)))
            t.start()
            while sent < size:
                try:
                    sent += a.send(data[sent:])
                except BlockingIOError:
                    select.select([], [a], [], 10)
            if how == "shutdown":
                a.shutdown(socket.SHUT_WR)
                print(error_of(a.send, b"x"), end=" ")
            else:
                a.close()
            t.join()
            print("close_at_once", how, size, got[0] == data)


def close_full():
    """Close with much unsent, to a reader that begins later."""
    for how in ("close", "shutdown"):
        a, b = pair()
        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
        sent = 0
        while True:
            try:
                sent += a.send(noise(3000))
            except BlockingIOError:
                break
        a.close() if how == "close" else a.shutdown(socket.SHUT_WR)
        settle()
        print("close_full", how, len(read_all(b)) == sent)


def errors():
    """A peer that resets: EPIPE, SIGPIPE, SO_ERROR, and no send succeeds for
    ever."""
    pipes = []
    signal.signal(signal.SIGPIPE, lambda *_: pipes.append(1))
    a, b = pair()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    b.close()
    settle()
    print("errors", a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
          error_of(a.send, b"x"), a.recv(10))
    settle()
    print(len(pipes), error_of(a.send, b"x", socket.MSG_NOSIGNAL), len(pipes))
    a, b = pair()
    b.close()
    settle()
    results = []
    for _ in range(5):
        results.append(error_of(a.send, b"x"))
        settle(0.02)
    print(results[-1], set(results[:-1]) <= {1, "BrokenPipeError",
                                            "ConnectionResetError"})
    a, b = pair()
    a.send(b"never read")
    settle()
    b.close()  # unread: a reset
    settle()
    print(error_of(a.recv, 10))
    a, b = pair()
    b.send(b"read along, not read")
    ep = select.epoll()
    ep.register(a, select.EPOLLIN)
    ep.poll(5)
    a.close()
    settle()
    print(error_of(b.recv, 10))
    a, b = pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a.close()
    settle()
    print(error_of(b.recv, 10))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def ready_pair(*data):
    """Two pairs of which the first is read along when the second is read."""
    one, two = pair(), pair()
    ep = select.epoll()
    for s, _ in (one, two):
        ep.register(s, select.EPOLLIN)
    for _, s in (one, two):
        for d in data:
            s.send(d)
    settle()
    while len(ep.poll(5)) < 2:
        pass
    two[0].recv(100000)
    return one[0], one[1]


def looks():
    """Peeks, counts, parts, waiting for all after a read along."""
    s, peer = ready_pair(b"0123456789")
    count = array.array("i", [0])
    fcntl.ioctl(s, termios.FIONREAD, count)
    print("looks", count[0], s.recv(4, socket.MSG_PEEK), s.recv(3),
          s.recv(4, socket.MSG_PEEK), end=" ")
    fcntl.ioctl(s, termios.FIONREAD, count)
    print(count[0], select.select([s], [], [], 0)[0] == [s], s.recv(100),
          error_of(s.recv, 1), select.select([s], [], [], 0)[0])
    s, peer = ready_pair(b"01234")
    peer.send(b"56789")
    settle()
    print(s.recv(8, socket.MSG_PEEK), s.recv(100, socket.MSG_PEEK),
          s.recv(7), s.recv(7), error_of(s.recv, 1))
    s, peer = ready_pair(b"01234")
    s.setblocking(True)
    threading.Timer(0.05, peer.send, [b"56789"]).start()
    print(s.recv(10, socket.MSG_WAITALL))
    s, peer = ready_pair(b"01234")
    peer.close()
    settle()
    print(s.recv(3), s.recv(3), s.recv(3), s.recv(3))
    s, peer = ready_pair(b"01234")
    s.shutdown(socket.SHUT_RD)
    print(s.recv(10), s.recv(10))
    s, peer = ready_pair(noise(20000))
    got = b""
    while len(got) < 20000:
        got += s.recv(777)
    print(got == noise(20000), select.select([s], [], [], 0)[0])
    s, peer = ready_pair(b"0123456789")
    first, second = bytearray(3), bytearray(100)
    n = s.recvmsg_into([first, second])[0]
    print(n, bytes(first), bytes(second[:7]))
    s, peer = ready_pair(b"0123456789")
    print(os.read(os.dup(s.fileno()), 4), s.recv(10, socket.MSG_DONTWAIT),
          error_of(s.recv, 10, socket.MSG_DONTWAIT))
    s, peer = ready_pair(b"x")
    r, w = os.pipe()
    print(os.splice(s.fileno(), w, 10), os.read(r, 10))
    s, peer = ready_pair(b"passed on")
    x, y = socket.socketpair()
    socket.send_fds(x, [b"!"], [s.fileno()])
    s.close()
    fd = socket.recv_fds(y, 1, 1)[1][0]
    t = socket.socket(fileno=fd)
    print(t.recv(100), t.send(b"back"), peer.recv(4))


def edges():
    """Level- and edge-triggered epoll and poll see each arrival."""
    s, peer = ready_pair(b"one")
    for flags in (select.EPOLLIN, select.EPOLLIN | select.EPOLLET):
        ep = select.epoll()
        ep.register(s, flags)
        print("edges", len(ep.poll(1)), len(ep.poll(0)), end=" ")
        peer.send(b"two")
        settle()
        # Whoever gets less than asked for waits for the next edge.
        print(len(ep.poll(1)), s.recv(100), len(ep.poll(0)), end=" ")
        peer.send(b"three")
        print(len(ep.poll(1)), s.recv(2), len(ep.poll(0)), s.recv(100),
              len(ep.poll(0)))
        peer.send(b"one")
        settle()
    po = select.poll()
    po.register(s, select.POLLIN)
    print(len(po.poll(1000)), s.recv(100), po.poll(0))
    a, b = pair()
    ep = select.epoll()
    ep.register(a, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    print(ep.poll(1) == [(a.fileno(), select.EPOLLOUT)], ep.poll(0))
    b.shutdown(socket.SHUT_WR)
    print(len(ep.poll(1)), a.recv(1), a.send(b"half"), b.recv(4))


def threads():
    """Several threads on one socket: messages whole, each thread's in order.
    """
    a, b = pair()
    lock_free = 200

    def sender(who):
        for i in range(lock_free):
            m = b"%d:%04d;" % (who, i)
            while True:
                try:
                    assert a.send(m) == len(m)
                    break
                except BlockingIOError:
                    select.select([], [a], [], 10)

    got = []
    reader = threading.Thread(target=lambda: got.append(read_all(b)))
    senders = [threading.Thread(target=sender, args=(i,)) for i in range(4)]
    for t in (reader, *senders):
        t.start()
    for t in senders:
        t.join()
    a.shutdown(socket.SHUT_WR)
    reader.join()
    messages = got[0].decode().split(";")[:-1]
    print("threads", len(messages), all(
        [m for m in messages if m[0] == str(w)] ==
        ["%d:%04d" % (w, i) for i in range(lock_free)] for w in range(4)))
    # Blocking ones too, in a conversation of many pairs.
    conns = [pair(False) for _ in range(8)]

    def talk(s, first):
        for i in range(300):
            if first:
                s.sendall(b"%08d" % i)
            assert s.recv(8, socket.MSG_WAITALL) == b"%08d" % i
            if not first:
                s.sendall(b"%08d" % i)
        done.append(1)

    done = []
    talkers = [threading.Thread(target=talk, args=(s, first))
               for p in conns for s, first in zip(p, (True, False))]
    for t in talkers:
        t.start()
    for t in talkers:
        t.join()
    print(len(done))


def mixed():
    """Servers in threads with epoll each; answers that follow the request."""
    def server(conns):
        ep = select.epoll()
        of = {}
        for s in conns:
            s.setblocking(False)
            ep.register(s, select.EPOLLIN)
            of[s.fileno()] = s
        while of:
            for fd, _ in ep.poll(10):
                data = of[fd].recv(4096)
                if not data:
                    ep.unregister(fd)
                    of.pop(fd).close()
                    continue
                of[fd].send(data[:1])
                of[fd].send(data[1:])

    def client(socks):
        for i in range(100):
            m = b"%d." % i * (i + 1)
            for s in socks:
                s.sendall(m)
            for s in socks:
                assert s.recv(len(m), socket.MSG_WAITALL) == m
        for s in socks:
            s.close()
        done.append(1)

    done, all_threads = [], []
    for _ in range(4):
        conns = [pair(False) for _ in range(10)]
        all_threads.append(threading.Thread(
            target=server, args=([b for _, b in conns],)))
        all_threads.append(threading.Thread(
            target=client, args=([a for a, _ in conns],)))
    for t in all_threads:
        t.start()
    for t in all_threads:
        t.join()
    print("mixed", len(done))


ALL = (pipelined, parts, slow_reader, full, close_at_once, close_full, errors,
       looks, edges, threads, mixed)

for one in ALL:
    if len(sys.argv) < 2 or one.__name__ in sys.argv[1:]:
        one()
