# SPDX-License-Identifier: Apache-2.0
"""A service whose root is a sealed image: nothing but what CAS says and what
the image holds, with files that CAS injects on top of it."""

import sconce
from fake_cas import FakeCas
from test_volumes import image

# Without fork: what the shell does itself.
SCRIPT = """
for f in /etc/motto /etc/secret /run/deep/secret /work/secret; do
	read line < $f && echo "$line"
done
echo x > /etc/other
echo x > /etc/motto && echo x > /work/new
echo /work/* /etc/*
"""


def given(hash_):
    return {"version": 1, "program": "/bin/busybox", "workdir": "/work",
            "args": {"list": ["sh", "-c", SCRIPT]},
            "env": {"set": {"PATH": "/bin"}},
            "mounts": [{"type": "tmpfs", "target": "/work"}],
            "volumes": [{"name": "root", "path": "/", "image": hash_}]}


def test_files_on_top_of_an_image(tmp_path):
    hash_ = image(tmp_path)
    files = {"/etc/motto": "injected\n", "/etc/secret": "sesame 1\n",
             "/run/deep/secret": "sesame 2\n", "/work/secret": "sesame 3\n"}
    where = ["--volume-dir", "root=%s" % (tmp_path / "image")]
    with FakeCas(tmp_path, given(hash_), files) as cas:
        done = cas.run(options=where).check()
        lines = done.out.splitlines()
        assert lines == [
            "injected", "sesame 1", "sesame 2", "sesame 3",
            # Directories of the image list what the image has.
            "/work/new /work/secret /etc/motto"]
        assert "/etc/other: Read-only file system" in done.err
    for file in (tmp_path / "image").iterdir():
        assert b"sesame" not in file.read_bytes()
    with FakeCas(tmp_path, given("0" * 64), files, name="other") as cas:
        done = cas.run(options=where).check(125)
        assert done.out == "" and "is not the image" in done.err
