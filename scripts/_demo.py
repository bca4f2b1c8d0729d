"""What `demo.py` does."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from _environment import DEVELOPMENT, Environment


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="demo.py", description="Make sample frames and extract the faces in them."
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo"), help="folder for everything (default: demo)"
    )
    parser.add_argument("--frames", type=int, default=60, help="number of sample frames (default: 60)")
    parser.add_argument(
        "--ugly", action="store_true", help="add the broken and odd files that real folders hold"
    )
    arguments = parser.parse_args()
    if arguments.frames < 1:
        parser.error("--frames must be at least 1")
    python = Environment(DEVELOPMENT).python_with("builtin", "samples")
    output = arguments.output.absolute()
    frames, aligned = output / "frames", output / "aligned"
    if not frames.is_dir() or len(list(frames.glob("*.jpg"))) < arguments.frames or arguments.ugly:
        print(f"Making {arguments.frames} sample frames in {frames} ...", flush=True)
        command = [str(python), "-m", "dflwrap.samples", str(frames), "--frames", str(arguments.frames)]
        made = subprocess.run([*command, *(["--ugly"] if arguments.ugly else [])], check=False).returncode
        if made != 0:
            print("The sample frames could not be made.", file=sys.stderr)
            return made
    command = [str(python), "-m", "dflwrap", "extract", "--extractor", "builtin"]
    return subprocess.run(
        [*command, "--input-dir", str(frames), "--output-dir", str(aligned)], check=False
    ).returncode
