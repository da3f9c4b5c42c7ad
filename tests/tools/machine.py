# SPDX-License-Identifier: MIT
"""topo, plan and info: what they say, as JSON and for people, on this machine and others."""
import os

from cli import deny_io_uring, environment, main, pinion, scratch, succeed

TWO_PACKAGES = "pack:2 numa:1 core:4 pu:2"


def test_topo_tells_a_synthetic_machine():
    document = succeed("topo", "--json", "-i", TWO_PACKAGES).json()
    assert document["schema"] == "pinion.topology/1", document
    text = succeed("topo", "-i", TWO_PACKAGES).out
    assert "node 1" in text and "package 1" in text, text


def test_topo_reads_xml():
    path = scratch() / "machine.xml"
    os.system("hwloc-ls -i '%s' --of xml '%s' >/dev/null 2>&1 || true" % (TWO_PACKAGES, path))
    if not path.exists():
        print("no hwloc-ls here")
        return
    assert succeed("topo", "-i", str(path), "--json").json()["cpu_count"] == 16


def test_topo_tells_this_machine_and_the_cpus_that_it_may_use():
    cpus = sorted(os.sched_getaffinity(0))
    assert succeed("topo", "--json", "--ignore-quota").json()["cpu_count"] == len(cpus)
    one = succeed("topo", "--json", "--cpus", str(cpus[0])).json()
    assert one["cpu_count"] == 1, one
    assert succeed("topo", "--json", env=environment(PINION_CPUS=str(cpus[0]))).json() == one


def plan(*arguments, **how):
    document = succeed("plan", "--json", *arguments, **how).json()
    assert document["schema"] == "pinion.plan/1", document
    assert document["reasons"], document
    return document


def seats(document):
    return [worker["cpu"] for worker in document["workers"]]


def test_plan_seats_everybody_on_a_cpu_of_his_own():
    document = plan("-i", TWO_PACKAGES)
    taken = seats(document) + [document["caller"]["cpu"]]
    assert len(document["workers"]) == 15 and sorted(taken) == list(range(16)), document


def test_plan_compact_fills_cores_first():
    document = plan("-i", TWO_PACKAGES, "--place", "compact", "--workers", "4")
    assert {worker["node"] for worker in document["workers"]} == {0}, document
    assert {worker["smt_rank"] for worker in document["workers"]} == {0}, document


def test_plan_scatter_deals_round_the_nodes():
    document = plan("-i", TWO_PACKAGES, "--place", "scatter", "--workers", "2")
    assert [worker["node"] for worker in document["workers"]] == [0, 1], document


def test_plan_none_pins_nobody():
    document = plan("-i", TWO_PACKAGES, "--place", "none")
    assert set(seats(document)) == {None}, document


def test_plan_by_cpu_count_or_workers_is_the_same():
    assert plan("-i", TWO_PACKAGES, "-n", "4") == plan("-i", TWO_PACKAGES, "-w", "3")
    assert plan("-i", TWO_PACKAGES, "-n", "1")["workers"] == []


def test_plan_avoids_smt():
    document = plan("-i", TWO_PACKAGES, "--avoid-smt")
    assert {worker["smt_rank"] for worker in document["workers"]} == {0}, document
    done = pinion("plan", "-i", TWO_PACKAGES, "--avoid-smt", "--workers", "12")
    assert done.status == 1 and "12" in done.err, done


def test_plan_slices_are_disjoint():
    half = [plan("-i", TWO_PACKAGES, "--slice", "%d/2" % i) for i in range(2)]
    taken = [set(seats(document)) | {document["caller"]["cpu"]} for document in half]
    assert not taken[0] & taken[1], taken


def test_plan_wraps_round_and_says_so():
    document = plan("-i", "core:2 pu:1", "--workers", "6")
    assert len(document["workers"]) == 6, document
    assert any("wrap" in line or "share" in line for line in document["reasons"]), document


def test_plan_obeys_the_variables_that_a_pool_obeys():
    def variables(**which):
        return plan("-i", TWO_PACKAGES, env=environment(**which))
    assert variables(PINION_PLACE="none") == plan("-i", TWO_PACKAGES, "--place", "none")
    assert variables(PINION_SLICE="1/2") == plan("-i", TWO_PACKAGES, "--slice", "1/2")
    assert variables(PINION_PLACE="") == plan("-i", TWO_PACKAGES)


def test_plan_for_people_has_a_row_a_worker():
    lines = succeed("plan", "-i", "core:3 pu:1").out.splitlines()
    assert lines[0] == "2 workers and the caller, 3 of 3 CPUs to count on", lines
    assert [line.split()[0] for line in lines[-3:]] == ["caller", "0", "1"], lines


def test_info_tells_versions_and_variables():
    document = succeed("info", "--json", env=environment(
        PINION_PLACE="compact", PINION_IDLE="banana", PINION_FROBNICATE="1")).json()
    assert document["schema"] == "pinion.info/1", document
    assert document["version"].startswith("0.") and document["cpu_count"] >= 1, document
    assert document["kernel"] == os.uname().release, document
    rows = {row["name"]: row for row in document["environment"]}
    assert rows["PINION_PLACE"]["value"] == "compact" and rows["PINION_PLACE"]["valid"], rows
    assert not rows["PINION_IDLE"]["valid"] and "banana" in rows["PINION_IDLE"]["detail"], rows
    assert rows["PINION_CPUS"]["value"] is None and rows["PINION_TRACE"]["known"], rows
    assert not rows["PINION_FROBNICATE"]["known"], rows


def test_info_survives_a_list_that_does_not_parse():
    done = succeed("info", env=environment(PINION_CPUS="banana\x1b[31m"))
    assert "invalid" in done.out and "\x1b" not in done.out.split("\n")[6], done


def test_info_tells_what_a_loop_waits_in():
    document = succeed("info", "--json", env=environment(PINION_BACKEND="epoll")).json()
    assert document["backend"]["name"] == "epoll", document
    assert document["backend"]["ring_error"] is None, document
    assert not any("io_uring" in line for line in document["degraded"]), document
    backend = succeed("info", "--json").json()["backend"]
    text = succeed("info").out
    assert "\n  waits in  " + backend["name"] in text, text
    for name in backend["features_taken"] + backend["features_refused"]:
        assert name in text, (name, text)
    if backend["name"] == "io_uring":
        assert backend["ring_entries"] == 256 and backend["features_taken"], backend


def test_info_tells_why_there_is_no_io_uring():
    document = succeed("info", "--json", preexec_fn=deny_io_uring).json()
    backend = document["backend"]
    assert backend["name"] == "epoll" and backend["ring_entries"] == 0, document
    if backend["ring_error"] != "ENOSYS":  # built without it
        assert backend["ring_error"] == "EPERM", document
        assert any("no io_uring but epoll: EPERM, by " in line
                   for line in document["degraded"]), document
    text = succeed("info", preexec_fn=deny_io_uring).out
    assert "epoll: io_uring is refused, with " + backend["ring_error"] in text, text
    assert pinion("info", "--strict", preexec_fn=deny_io_uring).status == 3


def test_info_names_a_backend_that_is_none():
    document = succeed("info", "--json", env=environment(PINION_BACKEND="banana")).json()
    row = [row for row in document["environment"] if row["name"] == "PINION_BACKEND"][0]
    assert not row["valid"] and "auto, io_uring or epoll" in row["detail"], row


def test_info_strict_is_3_where_something_is_degraded():
    degraded = succeed("info", "--json").json()["degraded"]
    assert pinion("info", "--strict").status == (3 if degraded else 0)


main(globals())
