# SPDX-License-Identifier: MIT
"""The examples that work together, or on files.

usage: examples.py ECHO_SERVER ECHO_CLIENT GREP PROXY
"""
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

SERVER, CLIENT, GREP, PROXY = sys.argv[1:]
TIMEOUT = 60


class Server:
    def __init__(self, *command, backend="auto"):
        env = {**os.environ, "PINION_BACKEND": backend}
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().split()[-1]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(TIMEOUT) == 0


def talk(where, data):
    done = subprocess.run([CLIENT, where], input=data, capture_output=True, timeout=TIMEOUT,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data, (len(done.stdout), len(data))


def talk_at_once(where, size):
    with ThreadPoolExecutor() as many:
        for done in [many.submit(talk, where, os.urandom(size)) for _ in range(8)]:
            done.result()


def an_echo_comes_back():
    server = Server(SERVER, "127.0.0.1:0")
    where = "127.0.0.1:" + server.port
    talk(where, b"")
    talk(where, b"hello\n")
    talk_at_once(where, 1000000)
    server.stop()


def a_server_stops_with_clients_at_it():
    server = Server(SERVER, "127.0.0.1:0")
    with subprocess.Popen([CLIENT, "127.0.0.1:" + server.port], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as client:
        client.stdin.write(b"a")
        client.stdin.flush()
        assert client.stdout.read(1) == b"a"
        server.stop()
        assert client.wait(TIMEOUT) == 0


def a_unix_socket_does_too():
    with tempfile.TemporaryDirectory() as directory:
        where = "unix:" + directory + "/echo"
        server = Server(SERVER, where)
        talk(where, b"hello\n")
        server.stop()


def a_proxy_passes_on(backend):
    with tempfile.TemporaryDirectory() as directory:
        where = "unix:" + directory + "/proxy"
        server = Server(SERVER, "127.0.0.1:0")
        proxy = Server(PROXY, where, "127.0.0.1:" + server.port, backend=backend)
        talk_at_once(where, 300000)
        with subprocess.Popen([CLIENT, where], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as client:
            client.stdin.write(b"a")
            client.stdin.flush()
            assert client.stdout.read(1) == b"a"
            proxy.stop()  # with a client at it
            assert client.wait(TIMEOUT) == 0
        server.stop()


def nobody_is_told():
    done = subprocess.run([CLIENT, "unix:/nowhere"], capture_output=True, timeout=TIMEOUT,
                          check=False)
    assert done.returncode == 1 and b"No such file" in done.stderr, done
    done = subprocess.run([PROXY, "nonsense", "unix:/nowhere"], capture_output=True,
                          timeout=TIMEOUT, check=False)
    assert done.returncode == 1 and b"Invalid argument" in done.stderr, done
    done = subprocess.run([SERVER, "nonsense"], capture_output=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 1 and b"Invalid argument" in done.stderr, done


def lines_are_found():
    with tempfile.TemporaryDirectory() as directory:
        wanted = set()
        for i in range(40):
            below = os.path.join(directory, *["d"] * (i % 5), str(i))
            os.makedirs(os.path.dirname(below), exist_ok=True)
            with open(below, "w", encoding="utf-8") as file:
                file.write("one needle\ntwo\nneedle\n" if i % 2 else "nothing")
            if i % 2:
                wanted |= {below + ":one needle", below + ":needle"}
        with open(os.path.join(directory, "binary"), "wb") as file:
            file.write(b"needle\0")
        os.symlink("0", os.path.join(directory, "link"))
        done = subprocess.run([GREP, "needle", directory], capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and not done.stderr, done
        assert set(lines) == wanted and len(lines) == len(wanted), done
        for arguments, status in ([["no such", directory], 1], [["x", directory + "/none"], 1],
                                  [["x"], 2]):
            done = subprocess.run([GREP, *arguments], capture_output=True, timeout=TIMEOUT,
                                  check=False)
            assert done.returncode == status and not done.stdout, done


an_echo_comes_back()
a_server_stops_with_clients_at_it()
a_unix_socket_does_too()
a_proxy_passes_on("io_uring")
a_proxy_passes_on("epoll")
nobody_is_told()
lines_are_found()
