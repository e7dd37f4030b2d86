# SPDX-License-Identifier: Apache-2.0
"""What `meson install` installs, used from there; man pages; completion; and
that every command explains itself."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

import sconce

SECONDS = 60
# What people read in man pages, with the options of these commands.
PAGES = {"cas": ["cas"], "session": ["session", "proposal", "secret"],
         "audit": ["audit"], "witness": ["witness"], "exec": ["exec"]}


def run(program, *args, status=0, **more):
    done = subprocess.run([program, *map(str, args)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=SECONDS, **more)
    assert done.returncode == status, "%s\n%s" % (args, done.stdout)
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The prefix of an installation."""
    top = tmp_path_factory.mktemp("install")
    run("meson", "install", "-C", sconce.BUILD, "--no-rebuild", "--quiet",
        "--destdir", top)
    options = json.loads(subprocess.check_output(
        ["meson", "introspect", "--buildoptions", sconce.BUILD]))
    prefix = next(o["value"] for o in options if o["name"] == "prefix")
    return top / prefix.lstrip("/")


def names(text):
    """The commands of a list of help."""
    return re.findall(r"^  ([a-z][a-z-]*) +\S", text, re.M)


def commands():
    """Every command, as words."""
    for name in names(run(sconce.SCONCE, "help")):
        text = run(sconce.SCONCE, "help", name)
        if "COMMAND" not in text.splitlines()[0] or name == "help":
            yield [name]
            continue
        for sub in names(text):
            yield [name, sub]


def options(text):
    return set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", text, re.M))


def test_every_command_explains_itself():
    count = 0
    for words in commands():
        count += 1
        by_option = run(sconce.SCONCE, *words, "--help")
        # `sconce image` is short for a command of volumes.
        assert re.match("usage: sconce (volume )?%s" % " ".join(words),
                        by_option)
        assert run(sconce.SCONCE, "help", *words) == by_option
        synopsis = by_option.splitlines()[0]
        assert "[OPTIONS]" not in synopsis or options(by_option), words
        for name in re.findall(r"--([a-z-]+)", synopsis):
            assert name in options(by_option), (words, name)
    assert count > 50


def test_lists_name_what_is_there():
    """Also commands of another program than the one that lists them."""
    for group in ("cas", "session", "proposal", "secret", "audit", "quote",
                  "collateral", "volume"):
        listed = names(run(sconce.SCONCE, group, "help"))
        assert listed and len(set(listed)) == len(listed)
        for name in listed:
            assert "usage: sconce %s %s" % (group, name) in \
                run(sconce.SCONCE, group, name, "--help")
    assert {"check", "diff", "create"} <= \
        set(names(run(sconce.SCONCE, "session", "help")))
    assert {"fetch", "verify"} <= \
        set(names(run(sconce.SCONCE, "audit", "help")))


def test_diff_of_two_files_asks_no_cas(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text('name: a\nversion: "1.0"\n')
    new.write_text('name: a\nversion: "1.0"\nsecrets: [{name: s}]\n')
    environment = dict(os.environ, XDG_CONFIG_HOME=str(tmp_path))
    text = run(sconce.SCONCE, "session", "diff", old, new, env=environment)
    assert "secret s" in text
    answer = json.loads(run(sconce.SCONCE, "session", "diff", "--json", old,
                            new, env=environment))
    assert answer == {"differences": text}
    assert os.listdir(tmp_path) == ["old", "new"] or \
        sorted(os.listdir(tmp_path)) == ["new", "old"]
    # One file is for a CAS, and none is known.
    assert "no CAS is known here" in run(
        sconce.SCONCE, "session", "diff", new, env=environment, status=1)
    assert "--cas goes with one file" in run(
        sconce.SCONCE, "session", "diff", "--cas", "x:1", old, new,
        env=environment, status=2)


def test_programs_find_each_other(place, tmp_path):
    program = place / "bin/sconce"
    assert run(program, "version") == run(sconce.SCONCE, "version")
    # What is installed is what was measured and signed.
    assert json.loads(run(program, "measure", "--json"))["mrenclave"] == \
        json.loads(run(sconce.SCONCE, "measure", "--json"))["mrenclave"]
    assert run(program, "run", "-q", "--", "/bin/echo", "hi") == "hi\n"
    for words in commands():
        run(program, *words, "--help")
    tree = tmp_path / "tree"
    tree.mkdir()
    run(program, "image", tree, tmp_path / "image")
    (tmp_path / "p").write_text('name: a\nversion: "1.0"\n')
    run(program, "session", "check", tmp_path / "p")


def test_cas_starts_from_there(place, tmp_path):
    environment = dict(
        os.environ, SCONCE_LAS=str(tmp_path / "las"),
        XDG_STATE_HOME=str(tmp_path / "s"), XDG_DATA_HOME=str(tmp_path / "d"),
        XDG_CONFIG_HOME=str(tmp_path / "c"))
    program = place / "bin/sconce"
    log = tmp_path / "log"
    running = []

    def start(*args):
        with open(log, "a") as f:
            running.append(subprocess.Popen([program, *map(str, args)],
                                            stdout=f, stderr=f,
                                            env=environment))

    def wait(done):
        end = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < end and running[-1].poll() is None, \
                log.read_text()
            time.sleep(0.05)

    try:
        start("las", "--mode", "emulated", "--socket", tmp_path / "las",
              "--collateral", tmp_path / "coll")
        wait(lambda: (tmp_path / "coll/tcb_info.json").exists() and
             (tmp_path / "las").exists())
        address = "127.0.0.1:%d" % sconce.free_port()
        start("cas", "start", "--state", tmp_path / "cas", "--collateral",
              tmp_path / "coll", "--emulated", "--listen", address,
              "--enclaves", "127.0.0.1:0")
        wait(lambda: "people on port" in log.read_text())
        attest = ["cas", "attest", "--manifest", tmp_path / "cas/cas.yaml"]
        # Without --collateral it is found; without --emulated refused.
        assert run(program, *attest, "--emulated", address,
                   env=environment).splitlines()[-5].endswith(": emulated")
        assert "emulated" in run(
            program, *attest, "--collateral", tmp_path / "coll", address,
            env=environment, status=1)
        run(program, "cas", "provision", env=environment)
    finally:
        for p in reversed(running):
            p.terminate()
            p.wait(SECONDS)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_man_pages(place, page):
    path = place / "share/man/man1" / ("sconce-%s.1" % page)
    text = path.read_text().replace("\\-", "-").replace("\\fB", "") \
        .replace("\\fP", "")
    assert "@" not in re.sub(r"@@?[0-9]", "", text)
    for words in commands():
        if words[0] in PAGES[page]:
            for name in options(run(sconce.SCONCE, *words, "--help")):
                assert "--" + name in text, (words, name)
            assert len(words) == 1 or "sconce " + " ".join(words) in text
    lint(path)


def test_man_page_of_policies(place, tmp_path):
    path = place / "share/man/man5/sconce-policy.5"
    lint(path)
    example = re.search(r"^\.SH EXAMPLE\n\.nf\n(.*?)^\.fi", path.read_text(),
                        re.M | re.S).group(1)
    (tmp_path / "p").write_text(example.replace("\\-", "-"))
    assert "fine" in run(sconce.SCONCE, "session", "check", tmp_path / "p")


def lint(path):
    if not shutil.which("groff"):
        pytest.skip("no groff")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", path], timeout=SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # Words that are longer than a line are nothing that can be mended.
    complaints = [s for s in done.stdout.splitlines()
                  if not re.search(r"can't break line|cannot break", s)]
    assert done.returncode == 0 and not complaints, complaints


COMPLETE = """\
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_sconce
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("typed, wanted", [
    ("sconce ca", {"cas"}),
    ("sconce se", {"session", "secret"}),
    ("sconce cas st", {"start", "status"}),
    ("sconce session d", {"delete", "diff", "dry-run"}),
    ("sconce help session d", {"delete", "diff", "dry-run"}),
    ("sconce cas start --wi", {"--witness"}),
    ("sconce cas start --state here --emu", {"--emulated"}),
    ("sconce session create --sig", {"--signature"}),
    ("sconce audit verify --k", {"--known"}),
    ("sconce run --volume-", {"--volume-dir", "--volume-key"}),
    ("sconce witness --st", {"--state"}),
    # Files, which bash adds.
    ("sconce session create ", set()),
    ("sconce nonsense --", set()),
])
def test_completion(place, typed, wanted):
    path = place / "share/bash-completion/completions/sconce"
    out = run("bash", "-c", COMPLETE, "bash", path, *typed.split(" "))
    assert set(out.split()) == wanted


def test_completion_knows_all_commands(place):
    path = place / "share/bash-completion/completions/sconce"
    for words in commands():
        out = run("bash", "-c", COMPLETE, "bash", path, "sconce",
                  *words[:-1], words[-1])
        assert words[-1] in out.split()
        if words == ["help"]:
            continue
        out = run("bash", "-c", COMPLETE, "bash", path, "sconce", *words,
                  "--")
        known = options(run(sconce.SCONCE, *words, "--help"))
        assert {s[2:] for s in out.split()} == known | {"help"}
