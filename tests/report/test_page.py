"""report.html says what the ledger says, escapes what others wrote, and stays small."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path

import psutil
import pytest
from nights import Night, make_night
from support import contents, dflwrap, until

from dflwrap.common.errors import DflwrapError
from dflwrap.ledger.history import ProgressLog, begin_session, closed, end_session, points_of, sessions_of
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import Counts
from dflwrap.report.night.faces import in_stretches
from dflwrap.report.night.gathering import gather
from dflwrap.report.night.series import MOST_POINTS
from dflwrap.report.page import background
from dflwrap.report.page.answers import answers, headline, to_do
from dflwrap.report.page.background import PageMaker
from dflwrap.report.page.rendering import asset, render
from dflwrap.report.page.writing import make_page, write_page
from dflwrap.report.summary import build_report

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=http://x.invalid/a onerror=alert(1)>"
    '"\' onmouseover="alert(2)" {{ 7777*7777 }} {% raw %} <!-- ]]> \u202e\x1b[2J javascript:alert(3)'
)
MOST_BYTES = 3_000_000


class Elements(HTMLParser):
    """What is in a page: elements with their attributes, and its text without scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.ids: set[str] = set()
        self._inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.ids |= {dict(attrs)["id"] or ""} if "id" in dict(attrs) else set()
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(night: Night, *, pictures: bool = False) -> str:
    return render(gather(night.database, alive=False, seconds=20, pictures=pictures))


def test_the_page_says_what_the_ledger_says(tmp_path: Path) -> None:
    night = make_night(tmp_path, [f"{n:05d}.png" for n in range(300)])
    page = Elements(page_of(night))
    for words in (
        "It went well, but for 3 frames.",
        "3 of 300 frames: 3 quarantined.",
        "No face was found in 6 frames",
        "was busy 90 % of the time, held 9.0 of 12.0 GiB at most, 79 °C at its hottest",
        "slowed down (sw_thermal_slowdown)",
        "The graphics card ran out of memory",
        "stderr.log:12: OOM",
        "2 workers -> 1: GPU 0 was full",
        "Close other programs that use the card.",
        "cut off: it never came to its end",
        "8 h 00 min in 2 starts of dflwrap",
        "00007.png",
        "deepfacelab, GPU 0, 2 workers",
    ):
        assert words in page.text, words
    links = {attrs["href"] for tag, attrs in page.elements if tag == "a"}
    assert links and all(link and link.startswith("#") and link[1:] in page.ids for link in links)


def test_everything_on_the_time_axis_is_in_the_data_of_the_charts(tmp_path: Path) -> None:
    night = make_night(tmp_path, [f"{n:05d}.png" for n in range(300)], samples=2000)
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page_of(night), re.S)
    assert text is not None
    data = json.loads(text[1])
    charts = {chart["id"]: chart for chart in data["charts"]}
    assert charts.keys() == {"rate", "width", "gpu", "vram", "cpu", "memory", "disk"}
    for chart in charts.values():
        assert all(
            len(curve["values"]) == len(chart["times"]) <= MOST_POINTS + 2 for curve in chart["curves"]
        )
        assert chart["times"] == sorted(chart["times"])
    assert [curve["label"] for curve in charts["gpu"]["curves"]] == ["GPU 0 temperature", "GPU 0 use"]
    assert {band["kind"] for band in data["bands"]} == {"ok", "partly", "wait"}
    assert sorted(mark["kind"] for mark in data["marks"]) == ["end", "end", "rung", "start", "start"]


def test_what_others_wrote_is_text_and_nothing_else(tmp_path: Path) -> None:
    names = [f"{n}{HOSTILE.replace('/', '_')}.png"[:200] for n in range(150)]
    calm = make_night(tmp_path / "calm", [f"{n:05d}.png" for n in range(150)])
    night = make_night(tmp_path / "hostile", names, hostile=HOSTILE)
    plain, page = Elements(page_of(calm)), page_of(night)
    found = Elements(page)
    kinds = sorted({tag for tag, _ in plain.elements})
    assert sorted({tag for tag, _ in found.elements}) == kinds, "no element that the calm page has not"
    for tag in ("script", "img", "style", "link", "meta"):
        assert sum(t == tag for t, _ in found.elements) == sum(t == tag for t, _ in plain.elements)
    attributes = {name for _, attrs in found.elements for name in attrs}
    assert attributes == {name for _, attrs in plain.elements for name in attrs}
    assert not any(name.startswith("on") for name in attributes)
    assert "60481729" not in page and "{{ 7777*7777 }}" in found.text, "no template in a name"
    assert "\u202e" not in page and "\x1b" not in page
    data = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert data is not None and "<" not in data[1]
    assert any("owned" in mark["label"] for mark in json.loads(data[1])["marks"]), "it is shown, as text"


def test_a_ledger_full_of_nonsense_makes_a_page(tmp_path: Path) -> None:
    night = make_night(tmp_path, [f"{n:05d}.png" for n in range(20)])
    ledger = Ledger(night.database)
    for key in ("sessions", "progress", "machine", "second_look", "no_face_reasons", "extractor"):
        ledger.put(key, [[None], {"started": "x"}, 1e999, "<b>", {"reasons": 3, "looked": []}])
    with ledger.transaction():
        for body in ("[]", "{", '{"devices": 3, "host": [1]}', '{"devices": [{"index": NaN}, 7]}', "nul"):
            ledger.db.execute("INSERT INTO samples (attempt, time, body) VALUES (1, 1e300, ?)", (body,))
        ledger.db.execute("INSERT INTO samples (attempt, time, body) VALUES (1, 'x', '{}')")
        ledger.db.execute(
            "INSERT INTO events (attempt, time, kind, body) VALUES (1, 5, 'width_changed', ?)",
            ('{"device": [], "workers": "many", "reason": {}}',),
        )
        ledger.db.execute('UPDATE attempts SET verdict = \'{"primary": [1], "facts": 3}\'')
    ledger.close()
    (night.database.parent / "report.json").write_text("[" * 100_000)
    assert "<h1" in page_of(night)


def test_a_night_of_75000_frames_and_twelve_hours_stays_small(tmp_path: Path) -> None:
    night = make_night(tmp_path, [f"{n:06d}.png" for n in range(75_000)], hours=12.0, samples=43_200)
    began = time.process_time()
    facts = gather(night.database, alive=False, seconds=30, pictures=False)
    page = render(facts)
    print(f"{len(page):,} bytes, {time.process_time() - began:.1f} s of CPU")
    assert len(page.encode()) < 1_500_000, "half is for the pictures"
    assert "74,250 frames" not in page and "750 quarantined" in Elements(page).text
    data = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert data is not None
    assert max(len(chart["times"]) for chart in json.loads(data[1])["charts"]) <= MOST_POINTS + 2


def pictures_in(folder: Path, names: list[str], size: int = 700) -> None:
    """Noise: the least that a picture can be compressed."""
    import cv2
    import numpy as np

    noise = np.random.default_rng(7)
    for name in names:
        done, data = cv2.imencode(".jpg", noise.integers(0, 255, (size, size, 3), np.uint8))
        assert done
        (folder / name).write_bytes(data.tobytes())


def test_pictures_stay_within_their_budget_and_say_what_they_show(tmp_path: Path) -> None:
    names = [f"{n:05d}.jpg" for n in range(400)]
    night = make_night(tmp_path, names)
    pictures_in(night.frames, [name for n, name in enumerate(names) if n % 100 == 7 or n % 50 == 3])
    page = page_of(night, pictures=True)
    assert len(page.encode()) < MOST_BYTES
    shown = [attrs for tag, attrs in Elements(page).elements if tag == "img"]
    assert len(shown) == 4 + 8, "the quarantined and those without a face"
    assert all(attrs["alt"] and (attrs["src"] or "").startswith("data:image/webp;base64,") for attrs in shown)
    assert sum(len(attrs["src"] or "") for attrs in shown) <= 1_500_000


def test_a_picture_that_breaks_its_decoder_costs_that_picture(tmp_path: Path) -> None:
    names = [f"{n:05d}.jpg" for n in range(300)]
    night = make_night(tmp_path, names)
    pictures_in(night.frames, ["00007.jpg"], 50)
    (night.frames / "00107.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    (night.frames / "00207.jpg").mkdir()
    page = Elements(page_of(night, pictures=True))
    assert sum(tag == "img" for tag, _ in page.elements) == 1
    assert page.text.count("no picture") >= 2


def test_faces_are_read_in_stretches_over_the_whole_clip() -> None:
    for count in (0, 1, 399, 400, 401, 5000, 12_345):
        files = [str(number) for number in range(count)]
        assert sorted(in_stretches(files), key=int) == files
    half = [int(name) for name in islice(in_stretches([str(n) for n in range(40_000)]), 20_000)]
    quarters = [sum(start <= n < start + 10_000 for n in half) for start in range(0, 40_000, 10_000)]
    assert min(quarters) > 4000, "no part of the clip is left out"


def test_a_file_of_the_users_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("<html>mine</html>")
    with pytest.raises(DflwrapError, match="not dflwrap's"):
        write_page(target, "x")
    assert target.read_text() == "<html>mine</html>"
    target.unlink()
    night = make_night(tmp_path / "night", ["1.png"])
    for _ in range(2):
        write_page(target, page_of(night))
    assert list(tmp_path.glob("*.part")) == []


# -- starts and stops -------------------------------------------------------------------------------


def test_starts_and_stops_are_kept_and_a_start_without_an_end_was_cut_off(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "run.db")
    begin_session(ledger)
    ledger.begin_attempt(1, "builtin", {}, "first", 1)
    begin_session(ledger)  # the first one was killed
    ledger.begin_attempt(2, "builtin", {}, "again", 1)
    end_session(ledger, "stopped", cause="disk-full", sentence="The disk is full.", steps=("Make room.",))
    states = [(s.state, s.cause, s.ended is not None) for s in sessions_of(ledger)]
    assert states == [("cut_off", "", True), ("stopped", "disk-full", True)]
    begin_session(ledger)  # finds nothing to do
    end_session(ledger, "complete")
    assert len(sessions_of(ledger)) == 2
    report = build_report(ledger, state="stopped", stop=None, ignored=[])
    assert [s["state"] for s in report["run"]["sessions"]] == ["cut_off", "stopped"]
    for moment in (report["written_at"], report["run"]["started_at"], report["attempts"][0]["started_at"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", moment)
    assert closed([], 3.0) == []


def test_the_log_of_progress_is_bounded_and_loses_the_oldest_detail(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "run.db")
    ledger.put("progress", [[float(n), n, n] for n in range(1500)])
    log = ProgressLog(ledger)
    log.end(Counts(9999, 5000, 0, 0, 0, 0, 5000))
    points = points_of(ledger)
    assert 1100 < len(points) <= 1500 and points[-1].done == 9999
    times = [point.time for point in points]
    assert times[:3] == [0.0, 2.0, 4.0] and times[-3:-1] == [1498.0, 1499.0]


def test_a_ledger_that_cannot_be_written_costs_the_log_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "run.db")
    begin_session(ledger)
    log = ProgressLog(ledger)
    ledger.db.execute("PRAGMA query_only=ON")  # every write fails, as on a disk that became read-only
    log.look(Counts(1, 0, 0, 0, 0, 1, 0))
    log.end(Counts(1, 0, 0, 0, 0, 1, 0))
    end_session(ledger, "complete")


@pytest.mark.parametrize(
    ("alive", "state"), [(True, "running"), (False, "cut_off")], ids=["at work", "cut off"]
)
def test_a_run_without_an_end_is_at_work_or_was_cut_off(tmp_path: Path, alive: bool, state: str) -> None:
    night = make_night(tmp_path, [f"{n}.png" for n in range(10)])
    ledger = Ledger(night.database)
    ledger.put("sessions", [{"started": time.time() - 9000, "ended": None, "state": "running"}])
    ledger.close()
    facts = gather(night.database, alive=alive, seconds=5, pictures=False)
    assert facts.state == state
    by_id = {answer.id: answer.answer for answer in answers(facts)}
    assert by_id["finished"].startswith("Not yet" if alive else "No: dflwrap itself ended")
    assert headline(facts)[0].startswith("Still at work" if alive else "dflwrap was cut off")


def test_what_needs_the_user_comes_with_its_steps(tmp_path: Path) -> None:
    night = make_night(tmp_path, [f"{n}.png" for n in range(300)])
    ledger = Ledger(night.database)
    ledger.reopen("outcome = 'no_face'")
    end_session(ledger, "stopped", cause="disk-full", sentence="The disk is full.", steps=("Make room.",))
    ledger.close()
    facts = gather(night.database, alive=False, seconds=5, pictures=False)
    assert to_do(facts)[0] == "Make room."
    by_id = {answer.id: answer for answer in answers(facts)}
    assert by_id["finished"].answer.endswith("The disk is full.") and by_id["finished"].tone == "bad"
    assert "continues with 6 frames" in by_id["go-on"].answer
    assert headline(facts)[0] == "The run stopped with 6 frames to go. It needs you."


# -- beside a run -------------------------------------------------------------------------------------


def test_the_last_page_is_made_in_a_process_of_its_own(tmp_path: Path) -> None:
    night = make_night(tmp_path, ["1.png"])
    maker = PageMaker(night.database, night.page)
    maker.begin()
    maker.last()
    assert "It went well" in Elements(night.page.read_text("utf-8")).text


def test_a_page_is_made_every_while_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "EVERY", 0.1)
    night = make_night(tmp_path, ["1.png"])
    maker = PageMaker(night.database, night.page)
    maker.begin()
    try:
        assert until(night.page.exists, 60)
    finally:
        maker.close()


@pytest.mark.parametrize("trouble", ["hangs", "fails", "floods", "is not there"])
def test_whatever_happens_to_the_page_the_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """The process in its place misbehaves; what lay there before stays."""
    night = make_night(tmp_path, ["1.png"])
    make_page(night.database, night.page, seconds=5)
    before = contents(night.page.parent)
    code = {
        "hangs": "import time; time.sleep(600)",
        "fails": "1/0",
        "floods": "while True: print('x' * 9999)",
    }
    program = "/nowhere/python" if trouble == "is not there" else sys.executable
    real = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []

    def instead(_: list[str], **more: object) -> subprocess.Popen[bytes]:
        started.append(real([program, "-c", code.get(trouble, "")], **more))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", instead)
    monkeypatch.setattr(background, "BOUND", 2.0)
    PageMaker(night.database, night.page).last()
    assert contents(night.page.parent) == before
    assert all(child.poll() is not None for child in started)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_the_process_ends_with_dflwrap(tmp_path: Path) -> None:
    """Its parent is killed while the page waits for a decoder: nothing is left."""
    night = make_night(tmp_path, [f"{n}.png" for n in range(10)])
    request = {"database": str(night.database), "target": str(night.page), "alive": False, "seconds": 5}
    slow = "import time, dflwrap.report.page.process as p; p.make_page = lambda *a, **k: time.sleep(600); p.main()"
    child = subprocess.Popen([sys.executable, "-c", slow], stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    child.stdin.close()
    assert until(lambda: child.poll() is not None, 60)


# -- the command --------------------------------------------------------------------------------------


def test_the_command_makes_it_anew_and_touches_nothing_else(tmp_path: Path) -> None:
    night = make_night(tmp_path, [f"{n:05d}.png" for n in range(300)])
    before = contents(tmp_path)
    for named in (night.faceset, night.database.parent, night.database.parent / "report.json"):
        done = dflwrap("report", named)
        assert done.code == 0, done.stderr
        assert done.stdout.strip() == str(night.page)
    after = contents(tmp_path)
    assert "3 quarantined" in Elements(str(after.pop("aligned_dflwrap/report.html"), "utf-8")).text
    assert after == before
    elsewhere = dflwrap("report", night.faceset, "--output", tmp_path / "here.html")
    assert elsewhere.code == 0 and (tmp_path / "here.html").is_file()


def test_a_run_that_waits_in_silence_is_not_called_cut_off(tmp_path: Path) -> None:
    """Two hours for video memory leave no sign in the ledger; that its process lives, does."""
    night = make_night(tmp_path, [f"{n}.png" for n in range(10)])
    ledger = Ledger(night.database)
    ledger.put("sessions", [{"started": time.time() - 9000, "ended": None, "state": "running"}])
    with ledger.transaction():
        for table in ("attempts SET ended", "decisions SET time", "samples SET time"):
            ledger.db.execute(f"UPDATE {table} = ?", (time.time() - 7200,))
    ledger.put("progress", [])
    me = psutil.Process()
    alive = {"pid": me.pid, "started": me.create_time(), "host": platform.node()[:200], "state": "running"}
    for presence, words in (
        ({**alive, "time": time.time() - 7000}, "Still at work"),
        ({**alive, "started": 1.0}, "dflwrap was cut off"),
        ({}, "dflwrap was cut off"),
    ):
        ledger.put("presence", presence)
        done = dflwrap("report", night.faceset)
        assert done.code == 0, done.stderr
        assert words in Elements(night.page.read_text("utf-8")).text
    ledger.close()


def test_a_job_has_a_page_for_each_run_and_an_index(tmp_path: Path) -> None:
    for person in ("anna", "bert & <b>co"):
        make_night(tmp_path / person, [f"{n}.png" for n in range(120)])
    done = dflwrap("report", tmp_path)
    assert done.code == 0, done.stderr
    index = Elements((tmp_path / "dflwrap-report.html").read_text("utf-8"))
    assert "2 runs" in index.text and "bert & <b>co/aligned" in index.text
    assert not any(tag == "b" and "co" in str(attrs) for tag, attrs in index.elements)
    links = [attrs["href"] or "" for tag, attrs in index.elements if tag == "a"]
    assert links == ["anna/aligned_dflwrap/report.html", "bert%20%26%20%3Cb%3Eco/aligned_dflwrap/report.html"]
    damaged = tmp_path / "anna" / "aligned_dflwrap" / "run.db"
    damaged.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    again = dflwrap("report", tmp_path)
    assert again.code == 1 and "ledger" in again.stderr
    assert (
        "Its ledger cannot be read." in Elements((tmp_path / "dflwrap-report.html").read_text("utf-8")).text
    )
    (tmp_path / "dflwrap-report.html").write_text("mine")
    assert dflwrap("report", tmp_path).code == 2
    assert (tmp_path / "dflwrap-report.html").read_text() == "mine"


def test_where_no_run_is_there_it_says_so(tmp_path: Path) -> None:
    done = dflwrap("report", tmp_path)
    assert done.code == 2 and "No run of dflwrap is known there" in done.stderr


def test_the_library_in_the_page_is_the_one_that_was_released() -> None:
    import hashlib

    notice = (Path(__file__).parents[2] / "NOTICE").read_text()
    for name in ("uPlot.iife.min.js", "uPlot.min.css", "LICENSE"):
        digest = hashlib.sha256(asset(f"vendor/uplot/{name}").encode()).hexdigest()
        assert f"{digest}  {name}" in notice


# -- what was slow --------------------------------------------------------------------------------------


def slow(tmp_path: Path, rates: list[float], seconds: float) -> str:
    """The answer for a night of 12 stretches of equal length with these frames per second, `seconds` in all."""
    night = make_night(tmp_path, [f"{n}.png" for n in range(10)], hours=seconds / 3600)
    ledger = Ledger(night.database)
    began = time.time() - seconds
    points, done = [[began, 0, 0]], 0.0
    for number in range(240):
        done += rates[number // 20] * seconds / 240
        points.append([began + (number + 1) * seconds / 240, round(done), 0])
    ledger.put("progress", points)
    ledger.put("sessions", [{"started": began - 1, "ended": began + seconds, "state": "complete"}])
    ledger.close()
    facts = gather(night.database, alive=False, seconds=5, pictures=False)
    return next(answer.answer for answer in answers(facts) if answer.id == "slow")


def test_the_slowest_stretch_is_named_with_its_times(tmp_path: Path) -> None:
    said = slow(tmp_path, [4.0] * 7 + [1.0] + [4.0] * 4, 12 * 3600)
    assert re.search(
        r"Slowest was \d\d:\d\d.* to \d\d:\d\d.*: 1\.0 frames/s, where 4\.0 frames/s is usual", said
    )


@pytest.mark.parametrize("seconds", [300.0, 12 * 3600.0])
def test_an_even_or_a_short_run_has_no_slow_stretch(tmp_path: Path, seconds: float) -> None:
    even = [4.0] * 12 if seconds > 600 else [4.0] * 7 + [1.0] + [4.0] * 4
    said = slow(tmp_path, even, seconds)
    assert "Slowest" not in said
    assert seconds < 600 or "The speed was even: 4.0 frames/s." in said


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("it is 07:30 (--stop-at)", ": it is 07:30 (--stop-at)."),
        ("", " (Ctrl-C, a closed window, or a signal)."),
        ("<b>x</b>\u202e", ": <b>x</b>"),
    ],
)
def test_what_interrupted_a_run_is_said(tmp_path: Path, sentence: str, words: str) -> None:
    night = make_night(tmp_path, ["00001.png"], state="interrupted", hostile=sentence)
    text = Elements(page_of(night)).text
    assert re.search(r"No: interrupted at \d\d:\d\d[^:(]*" + re.escape(words), text), text[:1500]
