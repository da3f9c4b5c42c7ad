# SPDX-License-Identifier: MIT
"""pinion demo against an independent walk of the same tree, and what may go wrong on the way."""
import os
import signal
import socket
import stat
import subprocess
import time

from cli import PINION, TIMEOUT, deny_io_uring, environment, main, pinion, refuse, scratch, succeed

DEPTH = 600  # deeper than tasks nest, and longer than PATH_MAX allows with these names


def deep(folder, levels, name):
    """levels folders inside each other, a file in each."""
    fd = os.open(folder, os.O_RDONLY)
    for level in range(levels):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
        file = os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        os.write(file, b"%d" % level)
        os.close(file)
    os.close(fd)


def make_tree():
    root = scratch() / "tree"
    root.mkdir()
    for i in range(20):
        for j in range(5):
            folder = root / ("d%d" % i) / ("e%d" % j)
            folder.mkdir(parents=True)
            for k in range(4):
                (folder / ("f%d" % k)).write_bytes(b"%d %d %d" % (i, j, k) * (1 + i * j * k * 50))
    (root / "empty file").touch()
    (root / "empty folder").mkdir()
    (root / "big").write_bytes(os.urandom(3 << 20))
    for name in [b"new\nline", b"esc\x1b[31m", b"\xff\xfe no utf8", "\u202eturned".encode(),
                 b"back\\slash"]:
        (root / os.fsdecode(name)).mkdir()
        (root / os.fsdecode(name) / os.fsdecode(name)).write_bytes(name)
    (root / "link").symlink_to("/etc")
    (root / "d0/loop").symlink_to("..")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(root)  # an address is short
        server.bind("socket")
        os.chdir(here)
    deep(root, DEPTH, "a-long-name")
    return root


def walk(root):
    """(files, folders, bytes) without a path longer than one name."""
    files = folders = size = 0
    stack = [os.open(root, os.O_RDONLY)]
    while stack:
        fd = stack.pop()
        folders += 1
        for name in os.listdir(fd):
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                stack.append(os.open(name, os.O_RDONLY, dir_fd=fd))
            elif stat.S_ISREG(status.st_mode):
                files += 1
                size += status.st_size
        os.close(fd)
    return files, folders, size


TREE = make_tree()
TRUTH = walk(TREE)


def demo(*arguments, path=TREE, **how):
    document = succeed("demo", "--json", *arguments, str(path), **how).json()
    assert document["schema"] == "pinion.demo/1", document
    pool = document["loop"] if "--loop" in arguments else document["pool"]
    assert (document["pool"] is None) == ("--loop" in arguments), document
    assert pool["capacity"] == pool["cpu_count"] - 1 + pool["parallel_count"], pool
    assert pool["inlined"] + pool["queued"] >= document["by_tasks"]["directories"] - DEPTH, pool
    return document


def check(document, truth=TRUTH):
    for run in (document["by_tasks"], document["alone"]):
        assert (run["files"], run["directories"], run["bytes"]) == truth, (run, truth)
    assert document["verdict"] == "same", document
    assert document["by_tasks"]["checksum"] == document["alone"]["checksum"], document


def test_the_count_is_that_of_an_independent_walk():
    document = demo()
    check(document)
    assert document["by_tasks"]["error_count"] == 0, document
    assert document["by_tasks"]["skipped"] == 5, document


def test_the_checksum_is_the_same_however_it_is_read():
    cpu = str(min(os.sched_getaffinity(0)))
    sums = set()
    for arguments in [["--cpus", cpu], ["--workers", "0"], ["--workers", "1"], ["--workers", "7"],
                      ["--cpu-count", "300"], ["--eager"], ["--place", "none"],
                      ["--place", "scatter", "--eager", "--workers", "3"], ["--loop"],
                      ["--loop", "--backend", "epoll", "--cpus", cpu]]:
        document = demo(*arguments)
        check(document)
        sums.add(document["by_tasks"]["checksum"])
    assert len(sums) == 1, sums


def test_on_one_cpu_nobody_else_works():
    pool = demo("--cpus", str(min(os.sched_getaffinity(0))))["pool"]
    assert (pool["cpu_count"], pool["capacity"], pool["threads_peak"]) == (1, 0, 0), pool


def test_contents_names_and_places_all_count():
    folder = scratch()
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    file = folder / "a/one"

    def checksum():
        return demo(path=folder)["by_tasks"]["checksum"]
    file.write_text("x", encoding="ascii")
    sums = [checksum()]
    file.write_text("y", encoding="ascii")
    sums.append(checksum())
    file.rename(folder / "a/two")
    sums.append(checksum())
    (folder / "a/two").rename(folder / "b/two")
    sums.append(checksum())
    assert len(set(sums)) == 4, sums


def test_an_empty_folder():
    check(demo(path=scratch()), (0, 1, 0))


def test_few_descriptors_are_enough():
    document = demo(before=["prlimit", "--nofile=48"])
    check(document)
    assert document["by_tasks"]["error_count"] == 0, document


def test_a_loop_with_more_fibers_than_descriptors():
    root = scratch()
    for i in range(300):
        (root / str(i)).mkdir()
        (root / str(i) / "f").write_text("text", encoding="ascii")
    document = demo("--loop", path=root, before=["prlimit", "--nofile=48"])
    check(document, (300, 301, 1200))
    assert document["by_tasks"]["error_count"] == 0, document


def without_privileges():
    """A command in front that takes root's right to read everything, or None where it can't."""
    if os.geteuid() != 0:
        return []
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    works = subprocess.run([*prefix, "true"], check=False, stderr=subprocess.DEVNULL)
    return prefix if works.returncode == 0 else None


def test_what_may_not_be_read_is_counted_and_named():
    prefix = without_privileges()
    if prefix is None:
        print("root, and no way to be less here")
        return
    root = scratch()
    (root / "open").mkdir()
    (root / "open/file").write_text("text", encoding="ascii")
    for i in range(8):
        (root / ("closed\n%d" % i)).mkdir()
        (root / ("closed\n%d" % i) / "hidden").touch()
        (root / ("closed\n%d" % i)).chmod(0)
    (root / "open/secret").write_text("text", encoding="ascii")
    (root / "open/secret").chmod(0)
    document = demo(path=root, before=prefix)
    run = document["by_tasks"]
    assert run["files"] == 1 and run["error_count"] == 9, run
    assert document["verdict"] == "same", document
    assert len(run["errors"]) == 5, run
    assert run["errors"][0] == {"path": "closed\n0", "error": "Permission denied"}, run
    text = succeed("demo", str(root), before=prefix).out
    assert "9 could not be read" in text and "closed\\n0: Permission denied" in text, text
    assert "and 4 more" in text, text


def test_names_can_not_drive_a_terminal():
    root = scratch() / "esc\x1b[31m\nroot\\"
    root.mkdir()
    text = succeed("demo", str(root)).out
    assert text.splitlines()[0].endswith("esc\\x1b[31m\\nroot\\\\"), text


def test_far_more_cpus_than_there_are_is_degraded_and_strict_says_so():
    count = len(os.sched_getaffinity(0)) + 100
    document = demo("--cpu-count", str(count))
    assert document["pool"]["cpu_count"] == count and document["pool"]["degraded"], document
    done = pinion("demo", "--cpu-count", str(count), "--strict", str(TREE))
    assert done.status == 3 and "degraded" in done.out, done


def test_quiet_says_nothing_beside_the_data():
    done = succeed("demo", "--quiet", str(TREE))
    assert done.err == "" and "checksum" in done.out and "worker" not in done.out, done


def test_the_text_fits_80_columns():
    for line in succeed("demo", "--workers", "3", path_of("d1")).out.splitlines()[1:]:
        assert len(line) <= 80, line


def path_of(name):
    return str(TREE / name)


def test_the_table_has_a_row_a_worker():
    document = demo("--workers", "3", "--eager")
    names = [worker["name"] for worker in document["workers"]]
    assert names[0] == "caller" and "pinion/0" in names, names
    text = succeed("demo", "--workers", "3", "--eager", str(TREE)).out
    assert "\n  caller " in text and "\n  pinion/0 " in text, text


def test_a_loop_begins_a_fiber_for_each_task_that_nobody_claims():
    for name in "io_uring", "epoll":
        loop = demo("--loop", "--backend", name, "--workers", "2")["loop"]
        assert loop["started"] + loop["claimed"] == loop["queued"] + 1, loop  # the main task
        assert loop["inlined"] == 0 and 0 < loop["stacks"] <= 16 * loop["started"], loop
        assert loop["stack_bytes"] >= loop["stacks"] * (256 << 10), loop
        backend = loop["backend"]
        denied = any("no io_uring" in line for line in loop["degraded"])
        assert backend["name"] == ("epoll" if denied else name), loop
        assert bool(backend["ring_entries"]) == (backend["name"] == "io_uring"), loop


def test_a_loop_tells_what_it_waits_in():
    done = succeed("demo", "--loop", "--backend", "epoll", "-q", path_of("d1"))
    assert "loop" not in done.out, done
    text = succeed("demo", "--loop", "--backend", "epoll", path_of("d1")).out
    assert "\nloop\n" in text and "  waits in   epoll\n" in text and " begun, on " in text, text
    for line in text.splitlines()[1:]:
        assert len(line) <= 80, line


def test_where_io_uring_is_denied_a_loop_is_degraded_and_strict_says_so():
    done = pinion("demo", "--loop", "--strict", path_of("d1"), preexec_fn=deny_io_uring)
    assert done.status == 3 and "waits in   epoll: io_uring is refused" in done.out, done
    assert "no io_uring but epoll" in done.out, done


def endless():
    """Files that nobody reads to the end, in folders of their own."""
    root = scratch()
    for i in range(4):
        (root / ("d%d" % i)).mkdir()
        with open(root / ("d%d" % i) / "zeros", "wb") as file:
            file.truncate(1 << 40)
    return root


def is_reading(process, name):
    folder = "/proc/%d/fd" % process.pid
    for fd in os.listdir(folder):
        try:
            if os.readlink(folder + "/" + fd).endswith(name):
                return True
        except FileNotFoundError:
            pass
    return False


# A shell starts what it runs in the background with SIGINT ignored, which demo respects.
signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt(root, *arguments, times=1, prefix=()):
    with subprocess.Popen([*prefix, PINION, "demo", "--json", *arguments, str(root)],
                          env=environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + TIMEOUT
        while not is_reading(process, "/zeros"):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
        return process.returncode, out, err


def test_ctrl_c_stops_it_with_a_partial_summary():
    root = endless()
    cpu = str(min(os.sched_getaffinity(0)))
    for arguments in [[], ["--cpus", cpu], ["--workers", "3", "--eager"], ["--loop"],
                      ["--loop", "--cpus", cpu, "--backend", "epoll"]]:
        status, out, err = interrupt(root, *arguments)
        assert status == 130, (status, out, err)
        document = __import__("json").loads(out)
        assert document["interrupted"] and document["verdict"] == "not compared", document
        assert document["alone"] is None and document["by_tasks"]["files"] == 0, document


def test_ctrl_c_is_ignored_where_it_was_ignored_at_the_start():
    root = endless()
    with subprocess.Popen(["sh", "-c", "trap '' INT; exec \"$@\"", "sh", PINION, "demo", str(root)],
                          env=environment(), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        while not is_reading(process, "/zeros"):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.3)
            assert False, "it stopped"
        except subprocess.TimeoutExpired:
            process.kill()


def test_without_threads_it_still_reads_everything():
    prefix = ["prlimit", "--nproc=1"]
    if os.geteuid() == 0:
        prefix = ["setpriv", "--reuid=65534", "--clear-groups", *prefix]
    able = subprocess.run([*prefix, PINION, "--version"], check=False, capture_output=True)
    if able.returncode != 0:
        print("nobody can't run it here")
        return
    root = scratch()
    root.chmod(0o755)
    for i in range(9):
        (root / str(i)).mkdir()
        (root / str(i) / "f").write_text("text", encoding="ascii")
    check(demo("--workers", "3", path=root, before=prefix), (9, 10, 36))


def test_pool_refuses_what_a_plan_refuses():
    refuse(1, ["1048575 workers"], "demo", "--slice", "0/2", "--cpu-count", "1048576",
           "--avoid-smt", str(TREE))


main(globals())
