#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""volume_crash DB: commits numbers into an SQLite database one by one, printing
each after its commit returned, until somebody kills the program.
"""

import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
db.execute("pragma journal_mode=%s" % sys.argv[2])
# EXTRA: the journal's removal is synced too, else the last one may be undone.
db.execute("pragma synchronous=extra")
db.execute("create table if not exists t (n integer primary key, text)")
db.commit()
last = db.execute("select coalesce(max(n), 0) from t").fetchone()[0]
assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
print("start %d" % last, flush=True)
while True:
    last += 1
    db.execute("insert into t values (?, ?)", (last, "x" * (last % 3000)))
    db.commit()
    print(last, flush=True)
