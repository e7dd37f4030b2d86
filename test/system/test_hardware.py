# SPDX-License-Identifier: Apache-2.0
"""Hardware mode on a model of a machine that has SGX (test/sgx_model/).

bin/sconce-model is the launcher with its hardware backend, linked with a model
of processor, driver and vDSO in the place of the operating system. So real
programs go through every ioctl, mapping and entry that they would need on
hardware, and EINIT sees what the ioctls built. SCONCE_SGX_MODEL says what the
machine lacks and what goes wrong, SCONCE_SGX_REPORT what was asked of it.
"""

import json
import os
import re
import signal
import subprocess

import pytest

import sconce

MODEL = sconce.BUILD / "bin/sconce-model"

THREADS = """
import threading, time
t = [threading.Thread(target=lambda: sum(range(300000))) for _ in range(4)]
[x.start() for x in t]; [x.join() for x in t]
print(len(t))
"""

# Pages that come, change their permissions and go.
MEMORY = """
import mmap, ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
for i in range(40):
    m = mmap.mmap(-1, 1 << 20)
    m[:] = bytes([i]) * (1 << 20)
    p = ctypes.addressof(ctypes.c_char.from_buffer(m))
    assert libc.mprotect(p, 65536, 1) == 0
    assert libc.mprotect(p + 65536, 65536, 0) == 0
    assert m[5] == i
    assert libc.mprotect(p + 65536, 65536, 3) == 0
    assert m[65536 + 5] == i
    m2 = bytearray(m[:100000]); del m2
code = mmap.mmap(-1, 4096, prot=7)
code[:6] = b"\\xb8\\x2a\\0\\0\\0\\xc3"
f = ctypes.CFUNCTYPE(ctypes.c_int)(
    ctypes.addressof(ctypes.c_char.from_buffer(code)))
print(f())
"""

# A page that is not there, and one that may not be written.
FAULTS = r"""
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
static sigjmp_buf back;
static volatile void *where;
static void caught(int sig, siginfo_t *info, void *ctx)
{
	where = info->si_addr;
	siglongjmp(back, sig);
}
static int load(volatile char *p) { int s = sigsetjmp(back, 1); if (!s) (void)*p; return s; }
static int store(volatile char *p) { int s = sigsetjmp(back, 1); if (!s) *p = 1; return s; }
int main(void)
{
	struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
	char *p = mmap(0, 1 << 16, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGTRAP, &sa, 0);
	sigaction(SIGILL, &sa, 0);
	printf("%d %d ", load(p), store(p));
	mprotect(p, 1 << 16, PROT_READ);
	printf("%d ", load(p));
	printf("%d ", store(p));
	printf("%d ", where == p);
	mprotect(p, 1 << 16, PROT_NONE);
	printf("%d ", load(p));
	printf("%d ", load((char *)0x700000000));
	printf("%d ", load((char *)8));
	if (!sigsetjmp(back, 1))
		__asm__ volatile("int3");
	else
		printf("trap ");
	if (!sigsetjmp(back, 1))
		__asm__ volatile("ud2");
	else
		printf("ill\n");
	return 0;
}
"""


def model(*args, options=(), machine="", timeout=sconce.SECONDS, report=None):
    env = {**os.environ, "SCONCE_SGX_MODEL": machine}
    if report:
        env["SCONCE_SGX_REPORT"] = str(report)
    return subprocess.run([MODEL, "run", *options, "--", *args], env=env,
                          capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)


def run(tmp_path, *args, machine="", options=("-q", "--mode", "hardware")):
    """Output and report of a run that must succeed."""
    report = tmp_path / "report"
    done = model(*args, options=options, machine=machine, report=report)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return done.stdout, sconce.parse_stats(report.read_text())


def measured():
    done = subprocess.run([sconce.SCONCE, "measure", "--json"],
                          capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)["mrenclave"]


def test_hello_is_the_measured_enclave(tmp_path):
    """What ADD_PAGES built is what `sconce measure` says and EINIT signed."""
    out, report = run(tmp_path, "/bin/echo", "hi")
    assert out == "hi\n"
    assert report["mrenclave"] == measured()
    assert report["ioctls"] > 3 and report["entries"] > 10


@pytest.mark.parametrize("machine", [
    "", "faithful=1", "signals=2,busy=20", "signals=7,init=3",
    "again=2", "again=3,conflict=5", "conflict=2"])
def test_programs(tmp_path, machine):
    for script, wanted in ((THREADS, "4\n"), (MEMORY, "42\n")):
        out, report = run(tmp_path, "/usr/bin/python3", "-S", "-c", script,
                          machine=machine)
        assert out == wanted
        assert report["mrenclave"] == measured()


def test_auto_mode_takes_the_hardware():
    done = model("/bin/echo", "hi")
    assert done.stdout == "hi\n"
    assert "emulated" not in done.stderr


def test_few_mappings(tmp_path):
    """The device's mappings never merge, so memory must not cost any."""
    _, report = run(tmp_path, "/usr/bin/python3", "-S", "-c",
                    "x = [bytearray(3 << 20) for _ in range(40)]; del x")
    assert report["augmented"] > 20000
    assert report["mappings"] < 100


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults") / "faults"
    subprocess.run(["gcc", "-x", "c", "-o", path, "-"], input=FAULTS,
                   text=True, check=True, timeout=60)
    return path


@pytest.mark.parametrize("machine", ["", "faithful=1"])
def test_faults(tmp_path, faults, machine):
    """Pages that the kernel adds by itself when they are touched change
    nothing: what the enclave did not map faults."""
    out, _ = run(tmp_path, faults, machine=machine)
    assert out == "0 0 0 11 1 11 11 11 trap ill\n"


def test_ticks_and_threads(tmp_path):
    out, report = run(
        tmp_path, "/usr/bin/python3", "-S", "-c",
        "import threading, time, signal\n"
        "def w():\n"
        "    end = time.time() + .5\n"
        "    while time.time() < end: pass\n"
        "t = [threading.Thread(target=w) for _ in range(4)]\n"
        "[x.start() for x in t]; [x.join() for x in t]\n"
        "signal.signal(signal.SIGALRM, lambda *a: print('alarm'))\n"
        "signal.setitimer(signal.ITIMER_REAL, .05)\n"
        "end = time.time() + .3\n"
        "while time.time() < end: pass\n",
        options=("-q", "--mode", "hardware", "--cpus", "4"))
    assert out == "alarm\n"
    assert report["interrupts"] > 10


def test_redis(tmp_path):
    port = sconce.free_port()
    env = {**os.environ, "SCONCE_SGX_REPORT": str(tmp_path / "report")}
    server = subprocess.Popen(
        [MODEL, "run", "-q", "--mode", "hardware", "--",
         "/usr/bin/redis-server", "--port", str(port), "--save", "",
         "--bind", "127.0.0.1"], env=env, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, cwd=tmp_path)
    try:
        assert sconce.wait_port(port, alive=lambda: server.poll() is None)
        done = subprocess.run(
            ["redis-benchmark", "-p", str(port), "-n", "2000", "-q", "-t",
             "set,get,lpush", "-d", "3000"], capture_output=True, text=True,
            timeout=sconce.SECONDS)
        assert done.returncode == 0 and done.stdout.count("requests per") >= 3
        server.send_signal(signal.SIGTERM)
        assert server.wait(sconce.SECONDS) == 0
    finally:
        server.kill()
        server.wait()
        assert server.stderr.read() == b""
        server.stderr.close()
    report = sconce.parse_stats((tmp_path / "report").read_text())
    assert report["mrenclave"] == measured()


@pytest.mark.parametrize("where, text", [
    (600, "the signature is wrong"),  # in SIGNATURE
    (970, "the signature is wrong"),  # in ENCLAVEHASH
    (0, "not the form of a SIGSTRUCT"),
    ("kernel", "signs a kernel with MRENCLAVE %s"),
])
def test_wrong_sigstruct(tmp_path, where, text):
    """EINIT of Linux says no more than EPERM; the launcher knows better."""
    for name in ("sconce-model", "sconce-init", "sconce-kernel",
                 "sconce-kernel.sig"):
        data = bytearray((sconce.BUILD / "bin" / name).read_bytes())
        if name == "sconce-kernel" and where == "kernel":
            # In the text, which starts with the second page of the file.
            data[0x1fff] ^= 1
        elif name == "sconce-kernel.sig" and where != "kernel":
            data[where] ^= 1
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o755)
    if where == "kernel":
        text %= measured()
    for mode in "hardware", "emulated":
        done = subprocess.run(
            [tmp_path / "sconce-model", "run", "-q", "--mode", mode,
             "--", "/bin/true"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 125
        assert text in done.stderr and "rebuild Sconce" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("machine, text", [
    ("epc=100", "no protected memory (EPC) is left"),
    ("epc=500", "no memory for the enclave's heap: the kernel adds no pages"),
    ("suspend=1", "the machine was suspended or hibernated"),
    ("suspend=60", "the machine was suspended or hibernated"),
    ("reserve=1", "sysctl -w vm.mmap_min_addr=65536"),
    ("reserve=12", "ulimit -v unlimited"),
    ("no=execmem", "allow execmem in the security policy"),
])
def test_what_goes_wrong(machine, text):
    done = model("/bin/true", options=("-q", "--mode", "hardware"),
                 machine=machine)
    assert done.returncode == 125
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def test_memory_runs_out():
    """The processor's, below what --memory allows. Memory is given when it is
    touched, so the program gets SIGBUS; the enclave goes on."""
    options = ("-q", "--mode", "hardware", "--memory", "1g")
    done = model("/usr/bin/python3", "-S", "-c", "bytearray(300 << 20)",
                 options=options, machine="epc=20000")
    assert (done.returncode, done.stderr) == (-signal.SIGBUS, "")
    done = model("/usr/bin/python3", "-S", "-c",
                 "import subprocess\n"
                 "print(subprocess.call(['/bin/dd', 'if=/dev/zero', "
                 "'of=/dev/null', 'bs=200M', 'count=1']))\n",
                 options=options, machine="epc=20000")
    # SIGBUS if dd touches the page first, EFAULT if its read does.
    assert done.stdout in ("-7\n", "1\n")
    assert done.returncode == 0


def test_faithful_is_the_emulators():
    done = model("/bin/true", options=("--faithful",))
    assert done.returncode == 125
    assert "--faithful: hardware mode; wanted emulated mode" in done.stderr


LACKING = {
    # What is missing: the check that says so, a word of the cure.
    "sgx": ("sgx", "use a CPU with SGX"),
    "enabled": ("sgx", "enable it in the firmware"),
    "flc": ("flc", "flexible launch control"),
    "sgx2": ("edmm", "CPU with SGX2"),
    "kss": ("kss", "KSS"),
    "exinfo": ("exinfo", "EXINFO"),
    "xsave": ("sgx_xfrm", "noxsave"),
    "size": ("sgx_size", "2^36"),
    "device": ("sgx_driver", "CONFIG_X86_SGX"),
    "access": ("sgx_access", "group"),
    "edmm": ("sgx_edmm_driver", "Linux 6.0"),
    "vdso": ("sgx_vdso", "vdso=0"),
    "exec": ("dev_exec", "remount,exec"),
}


def doctor(machine):
    done = subprocess.run(
        [MODEL, "doctor", "--json"], capture_output=True, text=True,
        timeout=30, env={**os.environ, "SCONCE_SGX_MODEL": machine})
    report = json.loads(done.stdout)
    return report, {c["name"]: c for c in report["checks"]}


@pytest.mark.parametrize("lack", LACKING)
def test_machine_that_lacks(lack):
    name, cure = LACKING[lack]
    report, checks = doctor("no=" + lack)
    assert not report["hardware_possible"]
    assert report["mode"] == "emulated"
    assert checks[name]["state"] == "missing"
    assert cure in checks[name]["cure"]
    done = model("/bin/true", options=("--mode", "hardware"),
                 machine="no=" + lack)
    assert done.returncode == 125
    assert done.stderr.startswith("sconce: hardware mode needs ")
    assert cure in done.stderr and done.stderr.count("\n") == 1
    # By itself it takes the emulator, and says why if there is a device.
    done = model("/bin/echo", "hi", machine="no=" + lack)
    assert (done.returncode, done.stdout) == (0, "hi\n")
    assert "emulated mode" in done.stderr
    assert ("hardware mode lacks" in done.stderr) == (lack != "device")


def test_machine_that_has_all():
    report, checks = doctor("")
    assert report["hardware_possible"] and report["mode"] == "hardware"
    assert checks["epc"]["seen"] == "256 MiB"
    assert re.match("XFRM 0x", checks["sgx_xfrm"]["seen"])
