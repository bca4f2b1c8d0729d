"""The agent names the outcome of every frame, and a frame that fails costs no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from dflwrap.common.events import EventKind, parse_event
from dflwrap.faceset.face_file.verify import verify_face

from .conftest import Double, png

ALL = [f"{n:05d}.png" for n in range(1, 7)]


def test_a_clean_run_reports_every_frame_with_its_faces(tmp_path: Path, each_python: str) -> None:
    double = Double(tmp_path, each_python)
    double.add()
    ran = double.run({"options": {"faces": {"00002.png": 0, "00003.png": 2}}})
    assert ran.code == 0
    assert ran.frames("frame_started") == ALL
    faces = {event["frame"]: event["faces"] for event in ran.of("frame_done")}
    assert faces["00001.png"] == ["00001_0.jpg"]
    assert faces["00002.png"] == []
    assert faces["00003.png"] == ["00003_0.jpg", "00003_1.jpg"]
    assert sorted(name for names in faces.values() for name in names) == ran.faces
    for name in ran.faces:
        verify_face(ran.output / name, expected_size=256)
    assert {event["frame"]: event["rects"] for event in ran.of("frame_done")}["00003.png"] == 2
    assert all(event["seconds"] >= 0 and event["worker"] == "CPU0" for event in ran.of("frame_done"))
    started, finished = ran.of("extractor_started")[0], ran.of("finished")[0]
    assert (started["workers"], started["mode"]) == (1, "agent")
    assert (finished["done"], finished["failed"], finished["total"]) == (6, 0, 6)
    assert "Images found:        6" in ran.text and "Faces detected:      6" in ran.text


def test_every_line_is_an_event_of_the_contract(double: Double) -> None:
    double.run({"00003.png": "kill", "00004.png": "raise"})
    kinds = set()
    for line in double.events_path.read_bytes().splitlines():
        event = parse_event(line)
        assert event is not None
        kinds.add(event.kind)
    assert {EventKind.WORKER_LOST, EventKind.WORKER_REPLACED, EventKind.FRAME_FAILED} <= kinds


def test_an_exception_fails_its_frame_and_keeps_the_worker(tmp_path: Path, each_python: str) -> None:
    double = Double(tmp_path, each_python)
    double.add()
    ran = double.run({"00002.png": {"fault": "raise", "text": "my own error"}, "00005.png": "raise"})
    assert ran.frames("frame_failed") == ["00002.png", "00005.png"]
    failed = ran.of("frame_failed")[0]
    assert failed["kind"] == "exception"
    assert failed["error"].endswith("my own error")
    assert "Traceback" in failed["traceback"]
    assert sorted(ran.frames("frame_done")) == ["00001.png", "00003.png", "00004.png", "00006.png"]
    assert len(ran.of("worker_started")) == 1 and not ran.of("worker_lost")
    assert "Error while processing data: Traceback" in ran.text, "diagnosis reads DeepFaceLab's own grammar"


@pytest.mark.parametrize("fault", ["landmarks", "second_pass"])
def test_an_error_swallowed_in_the_landmark_stage_is_a_failure(double: Double, fault: str) -> None:
    ran = double.run({"00003.png": fault})
    assert ran.frames("frame_failed") == ["00003.png"]
    assert ran.of("frame_failed")[0]["kind"] == "landmarks"
    assert "OOM when allocating tensor" in ran.of("frame_failed")[0]["error"]
    assert len(ran.of("frame_done")) == 5


def test_rectangles_dropped_by_design_are_no_failure(double: Double) -> None:
    ran = double.run({"00003.png": "filtered"})
    done = {event["frame"]: event for event in ran.of("frame_done")}
    assert done["00003.png"]["faces"] == [] and done["00003.png"]["rects"] == 1
    assert not ran.of("frame_failed")


def test_a_frame_that_deepfacelab_refuses_to_look_at_says_so(double: Double) -> None:
    (double.frames / "00002.png").write_bytes(png(640, 100))
    ran = double.run({})
    looked = {event["frame"]: event.get("looked", True) for event in ran.of("frame_done")}
    assert looked == {name: name != "00002.png" for name in ALL}


def test_an_unreadable_frame_is_named(double: Double) -> None:
    (double.frames / "00004.png").write_bytes(b"no picture")
    ran = double.run({})
    assert ran.frames("frame_failed") == ["00004.png"]
    assert ran.of("frame_failed")[0]["kind"] == "unreadable"


def test_odd_names_are_reported_as_they_are(double: Double) -> None:
    names = ["ä ö;%20'\".png", "-rf.png", "зеркало.png", "a_b_c.png"]
    for name in names:
        (double.frames / name).write_bytes(png())
    ran = double.run({})
    assert set(names) <= set(ran.frames("frame_done"))
    assert len(ran.faces) == 10


@pytest.mark.parametrize("poison", ["00001.png", "00003.png", "00005.png"])
def test_a_sticking_error_costs_only_the_frame_that_caused_it(double: Double, poison: str) -> None:
    """As a CUDA error does: everything after that frame fails in that worker, and near the end nothing tells."""
    ran = double.run({poison: "sick"})
    assert ran.frames("frame_failed") == [poison]
    assert sorted(ran.frames("frame_done")) == [name for name in ALL if name != poison]
    assert ran.of("worker_lost")[0]["reason"] == "errors"


def test_a_worker_that_is_renewed_for_a_late_frame_may_be_sick_itself(double: Double) -> None:
    """The first error sends its frame to the end, alone in a fresh worker; the second sticks to the last frame."""
    double.add(12)
    poison = ["00001.png", "00011.png"]
    ran = double.run(dict.fromkeys(poison, "sick"))
    assert sorted(ran.frames("frame_failed")) == poison
    assert len(ran.of("frame_done")) == 10


def test_what_a_worker_failed_on_before_it_died_is_tried_by_another(double: Double) -> None:
    """It may have been unhealthy by then; the frame is only blamed for what it does alone."""
    faults = {"00002.png": {"fault": "raise", "times": 1}, "00003.png": {"fault": "kill", "times": 1}}
    ran = double.run(faults)
    assert sorted(ran.frames("frame_done")) == ALL
    assert not ran.of("frame_failed")


def test_an_ill_card_beside_a_well_one_eats_no_frames(double: Double) -> None:
    """Failing is fast: it would have most of them. Its worker is ended, and the other does them all."""
    double.add(60)
    double.env["DFLWRAP_WORKERS"] = "2"
    ill = {"*.png": {"fault": "raise", "worker": "CPU0"}}
    ran = double.run({**ill, "options": {"frame_seconds": 0.05}})
    assert not ran.of("frame_failed")
    assert len(ran.of("frame_done")) == len(set(ran.frames("frame_done"))) == 60
    assert {event["worker"] for event in ran.of("frame_done")} == {"CPU1"}
    assert [event["reason"] for event in ran.of("worker_lost")] == ["errors", "errors"]
    assert len([e for e in ran.of("frame_started") if e["worker"] == "CPU0"]) <= 12


def test_poison_frames_beside_each_other_do_not_end_a_place_for_workers(double: Double) -> None:
    double.add(40)
    double.env["DFLWRAP_WORKERS"] = "2"
    poison = [f"{number:05d}.png" for number in range(5, 17)]
    ran = double.run({**dict.fromkeys(poison, "raise"), "options": {"frame_seconds": 0.05}})
    assert sorted(ran.frames("frame_failed")) == poison
    assert len(ran.of("frame_done")) == 28
    starts = {event["worker"] for event in ran.of("frame_started")[-8:]}
    assert starts == {"CPU0", "CPU1"}, "both work to the end"


def test_poison_frames_in_a_row_do_not_replace_workers_for_ever(double: Double) -> None:
    ran = double.run({"*.png": "raise"})
    assert sorted(ran.frames("frame_failed")) == ALL
    assert len(ran.of("worker_lost")) <= 2
    assert ran.of("finished")[0]["failed"] == 6


def test_a_lost_console_reader_does_not_stop_the_run(double: Double) -> None:
    process = double.start({"options": {"frame_seconds": 0.1}})
    assert process.stdout is not None
    double.wait_for("frame_done")
    process.stdout.close()
    finished = double.wait_for("finished")[0]
    process.wait(20)
    assert finished["done"] == 6


def test_a_machine_on_which_every_frame_fails_blames_none(double: Double) -> None:
    double.add(60)
    ran = double.run({"*.png": {"fault": "raise", "text": "CUDA_ERROR_LAUNCH_FAILED"}})
    assert ran.code == 1
    assert not ran.of("frame_failed") and not ran.of("finished")
    assert "frames in a row have failed" in ran.text and "CUDA_ERROR_LAUNCH_FAILED" in ran.text
    assert len(ran.of("worker_lost")) <= 2


def test_ten_poison_frames_in_a_row_are_told_from_a_broken_machine(double: Double) -> None:
    double.add(30)
    poison = [f"{n:05d}.png" for n in range(11, 21)]
    ran = double.run(dict.fromkeys(poison, "raise"))
    assert ran.code == 0
    assert sorted(ran.frames("frame_failed")) == poison
    assert len(ran.of("frame_done")) == 20
    assert len(ran.of("worker_lost")) <= 4, "few workers are replaced for it"
