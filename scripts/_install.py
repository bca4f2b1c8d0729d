"""What `install.py` does: an environment of dflwrap's own, and a command `dflwrap` that starts it."""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from _environment import SIZES, Environment, fail
from _user_path import add_to_path, is_on_path, take_from_path

ANSWER_BOUND = 120.0
"""Seconds that the one question waits; then its answer is yes."""
REMOVE_BOUND = 600.0


@dataclass
class Home:
    """Where dflwrap is installed. Its mark is written first, and says what else was put where."""

    folder: Path
    command: str = ""
    """The command outside of `folder`; "" where it lies in it."""
    path_entries: list[str] = field(default_factory=list)
    """Where PATH was changed: start-up files of the shell, or "registry"."""

    @property
    def mark(self) -> Path:
        return self.folder / "dflwrap-home.json"

    @property
    def environment(self) -> Environment:
        return Environment(self.folder / "env", editable=False)

    @property
    def own_command(self) -> Path:
        return self.folder / "bin" / ("dflwrap.exe" if os.name == "nt" else "dflwrap")

    @property
    def start(self) -> Path:
        """The command to start."""
        return Path(self.command) if self.command else self.own_command

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.mark.write_text(json.dumps({**asdict(self), "folder": str(self.folder)}), encoding="utf-8")

    def load(self) -> bool:
        """Read the mark; False where there is none."""
        try:
            said = json.loads(self.mark.read_text(encoding="utf-8"))
        except OSError:
            return False
        except ValueError:
            said = {}
        if isinstance(said, dict):
            self.command = str(said.get("command", ""))
            self.path_entries = [str(entry) for entry in said.get("path_entries", ())]
        return True


def default_folder() -> Path:
    """On Windows not in AppData: what the Python of the Microsoft Store writes there, no other program sees."""
    if os.name == "nt":
        return Path.home() / ".dflwrap"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "dflwrap"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="install.py",
        description="Install dflwrap into an environment of its own, or upgrade the one that is there.",
        epilog="Exit codes: 0 done, 2 it could not be done (the reason is shown), 4 interrupted.",
    )
    parser.add_argument(
        "dfl_root",
        nargs="?",
        type=Path,
        help="folder of your DeepFaceLab: its scripts for dflwrap are written too",
    )
    builtin = parser.add_mutually_exclusive_group()
    builtin.add_argument(
        "--builtin", action="store_true", default=None, help="with the built-in extractor, unasked"
    )
    builtin.add_argument("--no-builtin", dest="builtin", action="store_false", help="without it, unasked")
    parser.add_argument("--add-to-path", action="store_true", help="put the command on your PATH")
    parser.add_argument("--folder", type=Path, help=f"where to (default: {default_folder()})")
    parser.add_argument("--uninstall", action="store_true", help="remove what this script has installed")
    parser.add_argument(
        "--any-python", action="store_true", help="try a Python newer than those dflwrap was tested with"
    )
    arguments = parser.parse_args()
    home = Home((arguments.folder or default_folder()).expanduser().absolute())
    if home.folder.is_symlink():
        fail(f"{home.folder} is a link. Name the folder itself with --folder.")
    known = home.load()
    if arguments.uninstall:
        return uninstall(home) if known else _nothing(home)
    if not known and home.folder.exists() and any(home.folder.iterdir()):
        fail(f"{home.folder} is there, and not from this script. Name another folder with --folder.")
    return install(home, arguments, is_default=arguments.folder is None)


def install(home: Home, arguments: argparse.Namespace, *, is_default: bool) -> int:
    home.save()
    parts = home.environment.parts
    if arguments.builtin or (arguments.builtin is None and "builtin" not in parts and wants_builtin()):
        parts.add("builtin")
    try:
        python = home.environment.python_with(*parts)
    except BaseException:
        if not home.environment.folder.exists():
            home.mark.unlink(missing_ok=True)
            with suppress(OSError):
                home.folder.rmdir()
        raise
    put_command(home, is_default=is_default)
    if arguments.add_to_path:
        home.path_entries = sorted({*home.path_entries, *add_to_path(home.start.parent)})
    home.save()
    code = 0
    if arguments.dfl_root is not None:
        root = str(arguments.dfl_root.absolute())
        code = subprocess.run(
            [str(python), "-I", "-m", "dflwrap", "scripts", "install", root],
            timeout=REMOVE_BOUND,
            check=False,
        ).returncode
    tell(home, "builtin" in parts)
    return code


def wants_builtin() -> bool:
    """Asked where somebody is there. Nobody: no, and the last lines say how to get it."""
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    print(
        f"With the built-in extractor ({SIZES['builtin']} MB)? It needs no DeepFaceLab and no video card, steps in "
        "where a card cannot do the work, and checks frames without a face. [Y/n] ",
        end="",
        flush=True,
    )
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        with suppress(OSError):
            answers.put(os.read(0, 4096).decode("utf-8", "replace").strip().lower())

    threading.Thread(target=read, daemon=True).start()
    for _ in range(int(ANSWER_BOUND / 0.2)):  # in slices: on Windows Ctrl-C does not end a longer wait
        with suppress(queue.Empty):
            return not answers.get(timeout=0.2).startswith("n")
    print("yes (no answer)", flush=True)
    return True


def put_command(home: Home, *, is_default: bool) -> None:
    """POSIX: a link in ~/.local/bin, or in the home's own `bin` where another `dflwrap` is there already."""
    program = home.environment.program("dflwrap")
    home.own_command.parent.mkdir(exist_ok=True)
    if os.name == "nt":
        shutil.copyfile(
            program, home.own_command
        )  # holds the full path of its Python: it starts from anywhere
        return
    outside = Path.home() / ".local" / "bin" / "dflwrap"
    if is_default and (not os.path.lexists(outside) or leads_into(outside, home.folder)):
        outside.parent.mkdir(parents=True, exist_ok=True)
        home.command = str(outside)
    home.save()
    home.start.unlink(missing_ok=True)
    home.start.symlink_to(program)


def leads_into(link: Path, folder: Path) -> bool:
    return link.is_symlink() and folder in link.readlink().parents


def tell(home: Home, builtin: bool) -> None:
    quoted = f'"{home.start}"' if " " in str(home.start) or "&" in str(home.start) else str(home.start)
    print(f"\ndflwrap is installed. Start it with:\n\n    {quoted} --help\n")
    if is_on_path(home.start.parent) or home.path_entries:
        print('In a new terminal "dflwrap" alone does as well.')
    else:
        print('(Its folder is not on your PATH; with --add-to-path "dflwrap" alone will do.)')
    print(f"Scripts beside those of your DeepFaceLab:  {quoted} scripts install FOLDER_OF_DEEPFACELAB")
    if not builtin:
        print(f"The built-in extractor ({SIZES['builtin']} MB):  {quoted} setup builtin")
    print("The same script again upgrades it; --uninstall removes it.", flush=True)


def _nothing(home: Home) -> int:
    print(f"dflwrap is not installed in {home.folder}: nothing to remove.")
    return 0


def uninstall(home: Home) -> int:
    """Remove what the mark and the environment's own stamp say is ours; everything else stays."""
    python = home.environment.program("python")
    try:
        subprocess.run(
            [str(python), "-I", "-m", "dflwrap", "setup", "remove"], timeout=REMOVE_BOUND, check=True
        )
    except (OSError, subprocess.SubprocessError):
        print("Its scripts in DeepFaceLab folders and its caches could not be removed: it no longer starts.")
    if home.environment.folder.exists() and not (home.environment.is_ours and home.environment.remove()):
        fail(f"{home.environment.folder} cannot be removed: close what still uses it, and start again.")
    outside = Path(home.command) if home.command else None
    if outside is not None and leads_into(outside, home.folder):
        outside.unlink()
    take_from_path(home.start.parent, home.path_entries)
    home.own_command.unlink(missing_ok=True)
    for folder in (home.own_command.parent, home.folder):
        if folder == home.folder:
            home.mark.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()  # only where nothing of the user's lies in it
    print(f"dflwrap is removed from {home.folder}. Your facesets and their run folders are untouched.")
    return 0
