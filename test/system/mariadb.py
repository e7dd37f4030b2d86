# SPDX-License-Identifier: Apache-2.0
"""Debian's mariadbd in an enclave: how it is started and asked."""

import sconce

OPTIONS = ["-q", "--memory", "4g"]


def base(data):
    return ["/usr/sbin/mariadbd", "--no-defaults", "--user=root",
            "--datadir=%s" % data, "--innodb-use-native-aio=0",
            "--innodb-buffer-pool-size=32M",
            "--innodb-buffer-pool-size-max=1G", "--skip-log-bin"]


def bootstrap(data, options=(), env=None):
    """Fills the empty directory @data, as programs see it."""
    script = "".join(open("/usr/share/mysql/" + name).read() for name in (
        "mysql_system_tables.sql", "mysql_performance_tables.sql",
        "mysql_system_tables_data.sql", "fill_help_tables.sql"))
    sconce.run(*base(data), "--bootstrap", "--skip-grant-tables",
               input="create database if not exists mysql;\nuse mysql;\n" +
               script, options=[*OPTIONS, *options], env=env,
               timeout=170).check()


def command(data, port, run):
    """The server; its socket and pid file lie in the directory @run."""
    return [*base(data), "--port=%d" % port, "--bind-address=127.0.0.1",
            "--socket=%s/sock" % run, "--skip-grant-tables",
            "--pid-file=%s/pid" % run]


def sql(port):
    """The client; append the statements."""
    return ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", str(port),
            "-u", "root", "-N", "-e"]
