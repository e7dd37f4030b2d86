# SPDX-License-Identifier: Apache-2.0
"""Databases as services that CAS configures, on volumes whose tags it keeps:
what they acknowledged before the machine lost power is there afterwards."""

import os
import random
import socket
import subprocess
import threading

import pytest

import mariadb
import sconce
from fake_cas import HOST, FakeCas, manifest
from test_volumes import ask, insert_until_killed

SEED = int(os.environ.get("SCONCE_SEED", random.randrange(2 ** 32)))
VOLUME = [{"name": "data", "path": "/vol", "key": "cas"}]


def given(command):
    return manifest(*command, volumes=VOLUME, network=True,
                    mounts=[*HOST, {"type": "tmpfs", "target": "/tmp"}])


def begin(cas, tmp_path, out=subprocess.DEVNULL):
    (tmp_path / "data-dir").mkdir(exist_ok=True)
    return subprocess.Popen(
        [str(a) for a in (sconce.SCONCE, "run", "-q", *cas.where(),
                          "--memory", "4g", "--volume-dir",
                          "data=%s" % (tmp_path / "data-dir"), "--")],
        stdin=subprocess.PIPE, stdout=out,
        stderr=open(tmp_path / "err", "ab"), env=cas.env())


def tags_taken(cas):
    tags = cas.events("tag data")
    assert all(t.endswith(" 0") for t in tags)
    return len(tags)


def bootstrap(tmp_path):
    script = "create database if not exists mysql;\nuse mysql;\n" + "".join(
        open("/usr/share/mysql/" + name).read() for name in (
            "mysql_system_tables.sql", "mysql_performance_tables.sql",
            "mysql_system_tables_data.sql", "fill_help_tables.sql"))
    command = ["/bin/sh", "-c", 'mkdir /vol/db; exec "$@"', "sh",
               *mariadb.base("/vol/db"), "--bootstrap", "--skip-grant-tables"]
    with FakeCas(tmp_path, given(command)) as cas:
        program = begin(cas, tmp_path)
        program.communicate(script.encode(), timeout=170)
        assert program.returncode == 0, (tmp_path / "err").read_text()[-4000:]


def test_mariadb(tmp_path):
    rng = random.Random(SEED)
    bootstrap(tmp_path)
    acknowledged = 0
    for turn in range(2):
        port = sconce.free_port()
        command = mariadb.command("/vol/db", port, "/tmp")
        with FakeCas(tmp_path, given(command)) as cas:
            program = begin(cas, tmp_path)
            try:
                assert sconce.wait_port(
                    port, 90, lambda: program.poll() is None), (
                        (tmp_path / "err").read_text()[-4000:])
                if turn == 0:
                    ask(port, "create database d; create table d.t (n int "
                        "primary key, text varchar(3000)) engine=innodb")
                assert ask(port,
                           "check table d.t extended").endswith("OK\n")
                found = int(ask(port, "select coalesce(max(n), 0) from d.t"))
                assert found in (acknowledged, acknowledged + 1), (
                    "SCONCE_SEED=%d" % SEED)
                before = tags_taken(cas)
                acknowledged = insert_until_killed(
                    port, found + 1, program, rng)
                # None of them without CAS.
                assert tags_taken(cas) > before
            finally:
                program.kill()
                program.wait(60)
                program.stdin.close()
    assert acknowledged > 0


@pytest.mark.parametrize("clients", [1, 8])
def test_redis(tmp_path, clients):
    """Each write is on the disk, and CAS knows it, before it is answered."""
    counts = [0] * clients
    for turn in range(2):
        port = sconce.free_port()
        command = ["/usr/bin/redis-server", "--port", port, "--dir", "/vol",
                   "--save", "", "--appendonly", "yes", "--appendfsync",
                   "always", "--daemonize", "no"]
        with FakeCas(tmp_path, given(command)) as cas:
            program = begin(cas, tmp_path)
            try:
                assert sconce.wait_port(
                    port, 60, lambda: program.poll() is None), (
                        (tmp_path / "err").read_text()[-4000:])
                for i in range(clients):
                    done = subprocess.run(
                        ["redis-cli", "-p", str(port), "get", "c%d" % i],
                        capture_output=True, text=True, timeout=30)
                    found = int(done.stdout.strip() or 0)
                    assert found in (counts[i], counts[i] + 1)
                before = tags_taken(cas)
                threads = [threading.Thread(
                    target=count_up, args=(port, i, counts, turn == 0))
                    for i in range(clients)]
                for thread in threads:
                    thread.start()
                if turn == 0:
                    threads[0].join(1)
                    program.kill()
                for thread in threads:
                    thread.join()
                assert tags_taken(cas) > before
            finally:
                program.kill()
                program.wait(60)
                program.stdin.close()
    assert all(counts)


def count_up(port, i, counts, until_killed):
    with socket.create_connection(("127.0.0.1", port), 30) as link, \
            link.makefile("rb") as answers:
        for _ in range(10 ** 6 if until_killed else 20):
            try:
                link.sendall(b"incr c%d\r\n" % i)
                line = answers.readline()
            except ConnectionError:
                break
            if not line.startswith(b":"):
                break
            counts[i] = int(line[1:])
