# SPDX-License-Identifier: Apache-2.0
"""Debian's servers, unmodified, in enclaves, driven by their real clients."""

import json
import socket
import subprocess
import urllib.request

import pytest

import mariadb
import sconce

PYTHON = "/usr/bin/python3"


def serve(*args, **more):
    more.setdefault("options", ["-q", "--memory", "2g"])
    return sconce.Server(*args, stats=True, **more)


def client(*args, timeout=60, **more):
    done = subprocess.run([str(a) for a in args], capture_output=True,
                          text=True, timeout=timeout, **more)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def fetch(port, path="/", timeout=30):
    url = "http://127.0.0.1:%d%s" % (port, path)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(url, timeout=timeout).read()


def ended_well(server, status=0, traps=0):
    assert not server.killed, "did not end by itself\n" + server.err[-4000:]
    assert server.status == status, server.err[-4000:]
    assert server.stats["traps"] <= traps, server.stats


def test_redis():
    port = sconce.free_port()
    cli = ["redis-cli", "-p", port]
    with serve("/usr/bin/redis-server", "--port", str(port), "--bind",
               "127.0.0.1", "--save", "", port=port) as server:
        assert client(*cli, "ping") == "PONG\n"
        client(*cli, "set", "key", "value")
        assert client(*cli, "get", "key") == "value\n"
        assert "uptime_in_seconds" in client(*cli, "info")
        out = client("redis-benchmark", "-p", port, "-t", "get,set", "-n",
                     "20000", "-c", "50", "-q")
        assert out.count("requests per second") == 2
        out = client("redis-benchmark", "-p", port, "-t", "get,lpush", "-n",
                     "50000", "-c", "50", "-P", "16", "-q")
        assert out.count("requests per second") == 2
        assert client(*cli, "eval", "return 6*7", "0") == "42\n"
    ended_well(server)


def test_memcached():
    port = sconce.free_port()
    with serve("/usr/bin/memcached", "-p", str(port), "-l", "127.0.0.1",
               "-U", "0", "-u", "root", "-t", "2", port=port) as server:
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            f = s.makefile("rwb", buffering=0)
            for i in range(500):
                f.write(b"set k%d 0 0 1024\r\n%s\r\n" % (i, b"v" * 1024))
                assert f.readline() == b"STORED\r\n"
            f.write(b"get k123\r\n")
            assert f.readline() == b"VALUE k123 0 1024\r\n"
            assert len(f.readline()) == 1026
            assert f.readline() == b"END\r\n"
    ended_well(server)


NGINX = """\
daemon off;
master_process off;
pid %(dir)s/pid;
error_log stderr;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %(dir)s/b; proxy_temp_path %(dir)s/p;
	fastcgi_temp_path %(dir)s/f; uwsgi_temp_path %(dir)s/u;
	scgi_temp_path %(dir)s/s;
	server { listen 127.0.0.1:%(port)d; root %(dir)s/root; }
}
"""


def test_nginx(tmp_path):
    port = sconce.free_port()
    (tmp_path / "root").mkdir()
    page = b"x" * 10240
    (tmp_path / "root/page").write_bytes(page)
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX % {"dir": tmp_path, "port": port})
    with serve("/usr/sbin/nginx", "-p", tmp_path, "-c", config,
               port=port) as server:
        assert fetch(port, "/page") == page
        out = client("wrk", "-t", "1", "-c", "16", "-d", "2",
                     "http://127.0.0.1:%d/page" % port)
        assert "Requests/sec" in out and "Non-2xx" not in out
        assert "Socket errors" not in out
    ended_well(server)


ASYNC_HTTP = """
import asyncio, signal, sys
async def answer(r, w):
    await r.readuntil(b'\\r\\n\\r\\n')
    w.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n'
            b'Connection: close\\r\\n\\r\\nhello')
    await w.drain(); w.close()
async def main():
    s = await asyncio.start_server(answer, '127.0.0.1', int(sys.argv[1]))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with s: await stop.wait()
asyncio.run(main())
"""


def test_python_asyncio():
    port = sconce.free_port()
    with serve(PYTHON, "-c", ASYNC_HTTP, str(port), port=port) as server:
        for _ in range(50):
            assert fetch(port) == b"hello"
    ended_well(server)


NODE = """
const http = require('http'), crypto = require('crypto');
const zlib = require('zlib'), { Worker } = require('worker_threads');
http.createServer((q, r) => {
  const w = new Worker("require('worker_threads').parentPort.postMessage(" +
                       "6 * 7)", { eval: true });
  w.on('message', m => r.end(JSON.stringify({ m,
    h: crypto.createHash('sha256').update('').digest('hex').slice(0, 8),
    z: zlib.gunzipSync(zlib.gzipSync('text')).toString() })));
}).listen(+process.argv[1], '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
"""


def node():
    for path in ("/usr/bin/node", "/usr/bin/nodejs"):
        if subprocess.run(["test", "-x", path]).returncode == 0:
            return path
    pytest.skip("no node in /usr/bin")


def test_node():
    port = sconce.free_port()
    with serve(node(), "-e", NODE, str(port), port=port,
               options=["-q", "--memory", "4g"]) as server:
        for _ in range(5):
            assert json.loads(fetch(port)) == {
                "m": 42, "h": "e3b0c442", "z": "text"}
    ended_well(server)


JAVA = """
import com.sun.net.httpserver.*;
import java.net.*;
import java.util.concurrent.*;
public class Serve {
  public static void main(String[] a) throws Exception {
    HttpServer s = HttpServer.create(
        new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0])), 0);
    s.setExecutor(Executors.newFixedThreadPool(4));
    s.createContext("/", x -> {
      long sum = 0;
      for (int i = 0; i < 1000000; i++) sum += i ^ (sum >> 3);
      byte[] b = ("sum " + sum).getBytes();
      x.sendResponseHeaders(200, b.length);
      x.getResponseBody().write(b);
      x.close();
    });
    s.start();
  }
}
"""


def test_java(tmp_path):
    port = sconce.free_port()
    (tmp_path / "Serve.java").write_text(JAVA)
    client("javac", "Serve.java", cwd=tmp_path)
    java = client("readlink", "-f", "/usr/bin/java").strip()
    with serve(java, "-XX:+UseG1GC", "-Xmx256m", "-cp", tmp_path, "Serve",
               str(port), port=port, cwd=tmp_path, timeout=90,
               options=["-q", "--memory", "4g"]) as server:
        first = fetch(port)
        assert first.startswith(b"sum ")
        for _ in range(20):
            assert fetch(port) == first
    # The JVM ends by SIGTERM with 128 + 15.
    ended_well(server, status=143)


GO = """
package main
import ("fmt"; "net/http"; "os"; "sync")
func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		c := make(chan int, 100)
		for i := 0; i < 100; i++ {
			wg.Add(1)
			go func(i int) { defer wg.Done(); c <- i }(i)
		}
		wg.Wait(); close(c); s := 0
		for v := range c { s += v }
		fmt.Fprintf(w, "sum %d", s)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
"""


@pytest.mark.parametrize("mode", ["exe", "pie"])
def test_go(tmp_path, mode):
    (tmp_path / "main.go").write_text(GO)
    client("go", "build", "-buildmode=" + mode, "-o", "serve", "main.go",
           cwd=tmp_path, timeout=170, env={
               "PATH": "/usr/bin:/bin", "HOME": str(tmp_path),
               "GOCACHE": "/tmp/sconce-go-cache", "CGO_ENABLED": "0"})
    port = sconce.free_port()
    with serve(tmp_path / "serve", str(port), port=port) as server:
        for _ in range(50):
            assert fetch(port) == b"sum 4950"
    ended_well(server, status=-15)


def test_curl_and_openssl_both_inside(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    client("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
           "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
           "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
           "-keyout", key, "-out", cert, "-days", "2")
    port = sconce.free_port()
    with serve("/usr/bin/openssl", "s_server", "-accept",
               "127.0.0.1:%d" % port, "-key", key, "-cert", cert, "-www",
               "-quiet", port=port) as server:
        done = sconce.run("/usr/bin/curl", "-sS", "--noproxy", "*",
                          "--cacert", cert, "https://127.0.0.1:%d/" % port,
                          options=["-q"], stats=True).check()
        assert "TLSv1.3" in done.out
        assert done.stats["traps"] == 0
    ended_well(server, status=-15)


def test_mariadb(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    mariadb.bootstrap(data)
    port = sconce.free_port()
    with serve(*mariadb.command(data, port, tmp_path), port=port,
               options=mariadb.OPTIONS, timeout=90) as server:
        client(*mariadb.sql(port), "create database d; create table d.t (a int "
               "primary key, b varchar(20)) engine=innodb")
        client(*mariadb.sql(port), "use d; insert into t select seq, "
               "concat('row', seq) from seq_1_to_1000")
        assert client(*mariadb.sql(port),
                      "select count(*), sum(a), max(b) from d.t") == \
            "1000\t500500\trow999\n"
    ended_well(server)
