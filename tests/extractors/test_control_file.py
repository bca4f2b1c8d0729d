"""The control file, with no pytest: it runs as a program under DeepFaceLab's Python as well (3.6 syntax)."""

# ruff: noqa: PTH100, PTH102, PTH110, PTH113, PTH118, PTH123, UP032
import importlib.util
import json
import os
import shutil
import sys
import tempfile

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("control_file", sys.argv[1])
    control_file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(control_file)
else:
    from dflwrap.extractors import control_file


class Folder:
    """A control file in a folder of its own, its reader, and what the reader has noted."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp()
        self.path = os.path.join(self.folder, "control.jsonl")
        self.notes = []
        self.reader = control_file.ControlReader(self.path, self.notes.append)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def append(self, data):
        with open(self.path, "ab") as stream:
            stream.write(data)


def test_what_is_sent_is_read_once_and_in_order():
    with Folder() as it:
        writer = control_file.ControlWriter(it.path)
        assert it.reader.poll() == []  # not there yet
        writer.workers("GPU0", 3, "room for one more")
        writer.send({"type": "frames", "names": [[7, "7 \u00fc.png"]]})
        assert [one["type"] for one in it.reader.poll()] == ["workers", "frames"]
        writer.send({"type": "no_copy", "frame": "7 \u00fc.png"})
        writer.send({"type": "frames_end"})
        assert it.reader.poll() == [{"type": "no_copy", "frame": "7 \u00fc.png"}, {"type": "frames_end"}]
        assert it.reader.poll() == [] and it.notes == []


def test_half_a_line_waits_for_its_end():
    with Folder() as it:
        line = json.dumps({"type": "workers", "device": "CPU", "workers": 1, "reason": ""}).encode()
        it.append(line[:20])
        assert it.reader.poll() == []
        it.append(line[20:])
        assert it.reader.poll() == []  # 1 might become 12
        it.append(b"\r\n")
        assert [one["workers"] for one in it.reader.poll()] == [1]


def test_hostile_lines_are_passed_over_with_one_note():
    bad = [
        b"\x00\xff\xfe",
        b"[" * 100000,
        b"null",
        b"[1]",
        b'{"type": ["workers"]}',
        b'{"type": "shell", "command": "rm"}',
        b'{"type": "workers", "device": "GPU0"}',
        b'{"type": "workers", "device": "GPU0", "workers": -1, "reason": ""}',
        b'{"type": "workers", "device": "GPU0", "workers": true, "reason": ""}',
        b'{"type": "workers", "device": "GPU0", "workers": 1e9, "reason": ""}',
        b'{"type": "workers", "device": "GPU0", "workers": 100000000, "reason": ""}',
        b'{"type": "workers", "device": 0, "workers": 1, "reason": ""}',
        b'{"type": "workers", "device": "GPU0", "workers": 1, "room": "yes"}',
        b'{"type": "workers", "device": "GPU0", "workers": 1, "threads": -2}',
        b'{"type": "frames", "names": [[1, "../secret.png"]]}',
        b'{"type": "frames", "names": [[1, "C:\\\\x.png"]]}',
        b'{"type": "frames", "names": [[1, ".."]]}',
        b'{"type": "frames", "names": [["1", "a.png"]]}',
        b'{"type": "frames", "names": "abc"}',
        b'{"type": "frames", "names": [[1, "a.png"]], "folder": "not/from/the/root"}',
        b'{"type": "frames", "names": [[1, "a.png"]], "folder": ["/clip"]}',
        b'{"type": "frames", "names": [[1, "../a.png"]], "folder": "/clip"}',
        b'{"type": "no_copy", "frame": "../a.png"}',
        b'{"type": "no_copy", "frame": 1}',
    ]
    with Folder() as it:
        it.append(b"\n".join(bad) + b"\n\n" + b'{"type": "frames_end"}\n')
        assert it.reader.poll() == [{"type": "frames_end"}]
        assert len(it.notes) == 1 and "no message" in it.notes[0]


def test_a_folder_of_frames_leads_to_its_files_whatever_its_letters():
    with Folder() as it:
        folder = os.path.join(os.path.abspath(it.folder), "Gr\u00f6\u00dfe \u5199\u771f")
        raw = folder.encode("utf-8") if os.name == "posix" else folder
        os.mkdir(raw)
        open(os.path.join(raw, b"1.png" if os.name == "posix" else "1.png"), "wb").close()
        message = {"type": "frames", "names": [[1, "1.png"]], "folder": folder}
        control_file.ControlWriter(it.path).send(message)
        assert it.reader.poll() == [message] and it.notes == []
        assert os.path.isfile(control_file.path_of(folder, "1.png"))


def test_a_line_without_an_end_takes_no_memory():
    with Folder() as it:
        for _ in range(control_file.MOST_BYTES // control_file.CHUNK + 4):
            it.append(b"x" * control_file.CHUNK)
            assert it.reader.poll() == []
        assert len(it.reader._rest) <= control_file.MOST_BYTES
        it.append(b'\n{"type": "frames_end"}\n')
        assert it.reader.poll() == [{"type": "frames_end"}]
        assert len(it.notes) == 1


def test_a_long_file_is_read_in_pieces():
    with Folder() as it:
        names = [[number, "{:05d}.png".format(number)] for number in range(500)]
        line = json.dumps({"type": "frames", "names": names}).encode() + b"\n"
        count = control_file.CHUNK * 2 // len(line)
        it.append(line * count)
        seen = []
        for _ in range(4):
            seen += it.reader.poll()
        assert len(seen) == count and it.notes == []


def test_nothing_is_sent_that_no_host_would_follow():
    with Folder() as it:
        writer = control_file.ControlWriter(it.path)
        for message in ({"type": "workers", "device": "GPU0", "workers": -1}, {"type": "x"}):
            try:
                writer.send(message)
            except ValueError:
                continue
            raise AssertionError(message)
        assert not os.path.exists(it.path)


def test_after_somebody_deleted_or_cut_the_file_what_is_sent_arrives_all_the_same():
    for harm in (os.remove, lambda path: os.truncate(path, 0), lambda path: os.truncate(path, 30)):
        with Folder() as it:
            writer = control_file.ControlWriter(it.path)
            writer.send({"type": "frames", "names": [[n, "{}.png".format(n)] for n in range(50)]})
            assert len(it.reader.poll()) == 1
            harm(it.path)
            writer.workers("GPU0", 2, "")
            writer.send({"type": "frames_end"})
            assert [one["type"] for one in it.reader.poll()] == ["workers", "frames_end"]
            assert len(it.notes) <= 1


if __name__ == "__main__":
    for name, case in sorted(globals().items()):
        if name.startswith("test_"):
            case()
    print("passed under {}.{}".format(*sys.version_info))
