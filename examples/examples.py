# SPDX-License-Identifier: MIT
"""The examples that work together, or on files.

usage: examples.py ECHO_SERVER ECHO_CLIENT GREP
"""
import os
import signal
import subprocess
import sys
import tempfile
import threading

SERVER, CLIENT, GREP = sys.argv[1:]
TIMEOUT = 60


class Server:
    def __init__(self, where):
        self.process = subprocess.Popen([SERVER, where], stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().split()[-1]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(TIMEOUT) == 0


def talk(where, data):
    done = subprocess.run([CLIENT, where], input=data, capture_output=True, timeout=TIMEOUT,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data, (len(done.stdout), len(data))


def an_echo_comes_back():
    server = Server("127.0.0.1:0")
    where = "127.0.0.1:" + server.port
    talk(where, b"")
    talk(where, b"hello\n")
    many = [threading.Thread(target=talk, args=(where, os.urandom(1000000))) for _ in range(8)]
    for one in many:
        one.start()
    for one in many:
        one.join()
    server.stop()


def a_server_stops_with_clients_at_it():
    server = Server("127.0.0.1:0")
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
        server = Server(where)
        talk(where, b"hello\n")
        server.stop()


def nobody_is_told():
    done = subprocess.run([CLIENT, "unix:/nowhere"], capture_output=True, timeout=TIMEOUT,
                          check=False)
    assert done.returncode == 1 and b"No such file" in done.stderr, done
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
nobody_is_told()
lines_are_found()
