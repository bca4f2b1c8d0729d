"""Frames that the agent is told of while it works."""

from __future__ import annotations

from typing import Any

from dflwrap.extractors.control_file import CONTROL_ENV, NO_FRAME, STREAM_ENV, ControlWriter

from .conftest import Double, png


def streamed(double: Double) -> ControlWriter:
    control = double.folder / "control.jsonl"
    double.env = {CONTROL_ENV: str(control), STREAM_ENV: "1", "DFLWRAP_WORKERS": "2"}
    return ControlWriter(str(control))


def tell(double: Double, writer: ControlWriter, *numbers: int) -> None:
    names = [[number, f"{number:05d}.png"] for number in numbers]
    for _, name in names:
        (double.frames / str(name)).write_bytes(png())
    writer.send({"type": "frames", "names": names})


def finished(double: Double, faults: dict[str, Any], more: Any) -> Any:
    process = double.start(faults)
    try:
        more()
        text = process.communicate(timeout=240)[0].decode("utf-8", "replace")
    finally:
        process.kill()
    return double.ran(process.returncode, 0.0, text)


def test_frames_that_come_later_are_extracted_each_once_and_the_end_is_waited_for(double: Double) -> None:
    writer = streamed(double)

    def more() -> None:
        double.wait_for("frame_done", 6)  # all that DeepFaceLab has listed
        tell(double, writer, 6, 7, 8)
        double.wait_for("frame_done", 8)
        assert not [event for event in double.read_events() if event["event"] == "finished"]
        tell(double, writer, 9)
        writer.send({"type": "frames_end"})

    ran = finished(double, {}, more)
    assert ran.code == 0
    assert sorted(ran.frames("frame_done")) == [f"{number:05d}.png" for number in range(1, 10)]
    assert sorted(ran.frames("frame_started")) == sorted(ran.frames("frame_done"))
    assert len(ran.faces) == 9
    (end,) = ran.of("finished")
    assert (end["done"], end["total"]) == (9, 9)
    assert "frames_end" in ran.of("extractor_started")[0]["supported"]


def test_a_worker_killed_amid_the_stream_loses_no_frame_of_it(double: Double) -> None:
    writer = streamed(double)

    def more() -> None:
        double.wait_for("frame_done", 4)
        tell(double, writer, 7, 8)
        writer.send({"type": "frames_end"})

    ran = finished(double, {"00007.png": {"fault": "segfault", "times": 1}}, more)
    assert len(ran.of("worker_lost")) == 1
    assert sorted(set(ran.frames("frame_done"))) == [f"{number:05d}.png" for number in range(1, 9)]


def test_a_stop_is_heard_while_the_end_of_the_stream_is_waited_for(double: Double) -> None:
    streamed(double)
    process = double.start({})
    double.wait_for("frame_done", 6)
    process.terminate()
    try:
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0


def test_frames_that_lie_elsewhere_are_read_there_and_nothing_stands_in_the_batch_folder(
    double: Double, each_python: str
) -> None:
    """DeepFaceLab lists an empty stand-in: it is no frame. The locale of an old Python does not matter."""
    double.python = each_python
    for path in double.frames.iterdir():
        path.unlink()
    (double.frames / NO_FRAME).touch()
    clip = double.folder / "Größe 写真"
    clip.mkdir()
    for number in range(1, 6):
        (clip / f"{number:05d}.png").write_bytes(png())
    writer = streamed(double)
    double.env |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    names = [[number, f"{number:05d}.png"] for number in range(1, 6)]
    writer.send({"type": "frames", "names": names[:3], "folder": str(clip)})  # before it starts, too

    def more() -> None:
        double.wait_for("frame_done", 3)
        (double.frames / "00006.png").write_bytes(png())
        writer.send({"type": "frames", "names": names[3:], "folder": str(clip)})
        writer.send({"type": "frames", "names": [[6, "00006.png"]]})
        writer.send({"type": "frames_end"})

    ran = finished(double, {"00002.png": {"fault": "segfault", "times": 1}}, more)
    assert ran.code == 0, ran.text
    assert sorted(ran.frames("frame_done")) == [f"{number:05d}.png" for number in range(1, 7)]
    assert not ran.of("frame_failed")
    assert ran.faces == [f"{number:05d}_0.jpg" for number in range(1, 7)]
    (end,) = ran.of("finished")
    assert (end["done"], end["total"]) == (6, 6)
    assert sorted(path.name for path in clip.iterdir()) == [name for _, name in names]
