# SPDX-License-Identifier: Apache-2.0
"""CAS's store in SQLite: killed at any moment, and with altered files.

test/store_process.c says "ack KEY VALUE" when a change is durable; whatever
it says must be there when it starts again, and nothing that it never tried.
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import sconce

PROCESS = sconce.BUILD / "test/store-process"
KILLS = int(os.environ.get("STORE_KILLS", "40"))
STALE, BAD, OTHER = 3, 4, 5


class Store:
    def __init__(self, path):
        self.db = path / "cas.db"
        self.holder = path / "holder"
        self.acked = {}
        self.has = {}

    def run(self, seconds, how=signal.SIGKILL, holder=None):
        """Lets it work for a while, then kills it; returns changes made."""
        args = [PROCESS, "run", self.db, holder or self.holder]
        process = subprocess.Popen(args, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.has = {}
        ready = threading.Event()
        acked = []

        def read():
            for line in process.stdout:
                words = line.split()
                if not line.endswith(b"\n"):
                    return  # cut by the kill
                if words[0] == b"has":
                    self.has[words[1]] = int(words[2])
                elif words[0] == b"ready":
                    ready.set()
                else:
                    acked.append((words[1], int(words[2])))
            ready.set()

        reader = threading.Thread(target=read)
        reader.start()
        ready.wait(30)
        time.sleep(seconds)
        if how:
            process.send_signal(how)
        else:
            process.stdin.close()
        reader.join(30)
        process.wait(30)
        self.error = process.stderr.read().decode()
        # What was acknowledged before is there, or something newer.
        if not self.error:
            for key, value in self.acked.items():
                assert self.has.get(key, -1) >= value, key
            self.acked.update(self.has)
        for key, value in acked:
            assert value > self.acked.get(key, -1)
            self.acked[key] = value
        return len(acked), process.returncode


def files(store):
    return [store.db, store.db.with_name("cas.db-wal")]


def copy(store, path):
    path.mkdir()
    for file in files(store) + [store.holder]:
        if file.exists():
            shutil.copy(file, path)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.mark.parametrize("held", [True, False])
def test_kill(store, held):
    seed = int(os.environ.get("SEED", random.randrange(10 ** 6)))
    print("SEED=%d" % seed)
    rng = random.Random(seed)
    changes = 0
    for _ in range(KILLS // 2):
        made, _ = store.run(rng.uniform(0, 0.08),
                            holder=None if held else "-")
        assert not store.error
        changes += made
    store.run(0.1, how=None, holder=None if held else "-")
    assert changes > KILLS


def test_killed_while_made(tmp_path):
    rng = random.Random(1)
    for n in range(KILLS):
        path = tmp_path / str(n)
        path.mkdir()
        store = Store(path)
        for _ in range(3):
            process = subprocess.Popen(
                [PROCESS, "run", store.db, store.holder],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, 0.012))
            process.kill()
            process.wait(30)
        store.run(0)
        assert not store.error


def test_two_at_once(store):
    first = subprocess.Popen([PROCESS, "run", store.db, "-"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    while not first.stdout.readline().startswith(b"ready"):
        pass
    reader = threading.Thread(target=first.stdout.read)
    reader.start()
    _, status = store.run(0, holder="-")
    first.stdin.close()
    reader.join()
    first.wait(30)
    assert status == OTHER
    assert "is another CAS running on it?" in store.error


# ---- the files ----
@pytest.fixture
def filled(store):
    store.run(0.3)
    store.run(0.1, how=None)
    return store


def refused(store, status, text):
    _, got = store.run(0)
    assert got == status and text in store.error, (got, store.error)


def test_old_files(filled, tmp_path):
    copy(filled, tmp_path / "old")
    filled.run(0.1)
    for file in files(filled):
        file.unlink(missing_ok=True)
        old = tmp_path / "old" / file.name
        if old.exists():
            shutil.copy(old, file)
    refused(filled, STALE, "rolled back: the store's newest record is ")


def test_wal_deleted(filled):
    """What was committed since SQLite's last checkpoint."""
    wal = filled.db.with_name("cas.db-wal")
    assert wal.stat().st_size > 0
    wal.unlink()
    _, status = filled.run(0)
    assert status in (STALE, BAD), filled.error


def test_truncated(filled):
    with sqlite3.connect(filled.db) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    size = filled.db.stat().st_size
    for part in (0, 0.3, 0.7, 0.95):
        copy_of = filled.db.read_bytes()
        os.truncate(filled.db, int(size * part))
        _, status = filled.run(0)
        assert status in (BAD, OTHER, STALE) and filled.error, (part, status)
        filled.db.write_bytes(copy_of)
    filled.run(0)
    assert not filled.error


def test_not_sqlite(filled):
    for file in files(filled):
        file.unlink(missing_ok=True)
    filled.db.write_bytes(b"nothing of the kind" * 1000)
    refused(filled, BAD, "file is not a database")


@pytest.mark.parametrize("sql,status,text", [
    ("delete from row where rowid = 3", BAD, "rows were deleted"),
    ("update row set data = (select data from row where rowid = 2) "
     "where rowid = 3", BAD, "altered, or taken from another place"),
    ("update row set name = substr(name, 2) where rowid = 3", BAD,
     "a row has a name of another kind"),
    ("update row set data = 'text' where rowid = 3", BAD, "cut off"),
    ("update row set data = 17 where rowid = 3", BAD, "cut off"),
    ("update row set name = 'name' where rowid = 3", BAD,
     "a row has a name of another kind"),
    ("insert into row values(x'00', x'00')", BAD,
     "a row has a name of another kind"),
    ("delete from log", BAD, "all of its log was deleted"),
    # Of those that a start looks at: older ones are seen when they are read.
    ("delete from log where seq = (select max(seq) - 2 from log)", BAD,
     "missing"),
    ("update log set data = x''", BAD, "altered, or taken from another"),
    ("insert into log values(9223372036854775807, x'00')", BAD, "missing"),
    ("insert into log values(-1, x'00')", 0, ""),
    ("create trigger t after insert on row begin delete from log; end", BAD,
     "tables, triggers or views are other than those"),
    ("create view v as select * from row", BAD,
     "tables, triggers or views are other than those"),
    ("drop table log; create table log(seq, data)", BAD,
     "tables, triggers or views are other than those"),
])
def test_sql(filled, sql, status, text):
    db = sqlite3.connect(filled.db)
    db.executescript(sql)
    db.commit()
    db.close()
    _, got = filled.run(0, how=None)
    assert got == status and text in filled.error, (got, filled.error)
