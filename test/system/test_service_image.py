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
            # Directories list what the image has, and what was injected.
            "/work/new /work/secret /etc/motto /etc/secret"]
        assert "/etc/other: Read-only file system" in done.err
    for file in (tmp_path / "image").iterdir():
        assert b"sesame" not in file.read_bytes()
    with FakeCas(tmp_path, given("0" * 64), files, name="other") as cas:
        done = cas.run(options=where).check(125)
        assert done.out == "" and "is not the image" in done.err


CONF = """a=$$SCONE::key$$;
j="$$SCONE::key|escape(json)$$" $$ $$OTHER$$ $$SCONE::again:hex$$
"""


def run_template(tmp_path, conf, *secrets, path="/etc/motto"):
    """What the service sees in that file of the image."""
    hash_ = image(tmp_path, conf=conf)
    given = {"version": 1, "program": "/bin/busybox",
             "args": {"list": ["cat", path]},
             "mounts": [{"type": "proc", "target": "/proc"}],
             "volumes": [{"name": "root", "path": "/", "image": hash_}]}
    options = ["--template", path]
    for secret in secrets:
        options += ["--secret", secret]
    with FakeCas(tmp_path, given, options=options) as cas:
        done = cas.run(
            options=["--volume-dir", "root=%s" % (tmp_path / "image")])
        return done, cas.events("get")


def test_variables_in_files_of_the_image(tmp_path):
    # A value is not searched for further variables.
    done, asked = run_template(tmp_path, CONF, 'key=so "$$SCONE::again$$"',
                               "again=1f")
    assert done.check().out == (
        'a=so "$$SCONE::again$$";\nj="so \\"$$SCONE::again$$\\"" $$ '
        '$$OTHER$$ 1f\n')
    assert asked == ["get key - ", "get key - ", "get again hex "]
    for file in (tmp_path / "image").iterdir():
        assert b'so "' not in file.read_bytes()


def test_file_of_the_image_without_variables(tmp_path):
    done, asked = run_template(tmp_path, "plain\n")
    assert done.check().out == "plain\n" and asked == []


def test_variables_that_cannot_be_replaced(tmp_path):
    for name, conf, path, wanted in (
            ("denied", "x $$SCONE::mine$$ y", "/etc/motto",
             "no value for variable mine (error 13)"),
            ("open", "x $$SCONE::key", "/etc/motto", "does not end"),
            ("long", "x $$SCONE::" + "k" * 2000 + "$$", "/etc/motto",
             "does not end"),
            ("none", "x $$SCONE::a b$$", "/etc/motto", "(error 22)"),
            ("missing", "", "/etc/nothing", "no file of that path")):
        (tmp_path / name).mkdir()
        done, _ = run_template(tmp_path / name, conf, "key=geheim",
                               path=path)
        assert done.check(125).out == ""
        assert wanted in done.err, done.err
