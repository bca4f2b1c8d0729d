"""Made-up installs of every layout, and the names of the scripts that belong beside them."""

from __future__ import annotations

from pathlib import Path

BAT = (
    "4) data_src faceset extract (dflwrap).bat",
    "5) data_dst faceset extract (dflwrap).bat",
    "diagnose last run (dflwrap).bat",
)
SH = (
    "4_data_src_extract_faces_dflwrap.sh",
    "5_data_dst_extract_faces_dflwrap.sh",
    "diagnose_last_run_dflwrap.sh",
)
STOCK = "4) data_src faceset extract.bat"
HARD = "sp ace & (1) 100% !x! ^c 'q' Größe 写真"


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def source(folder: Path) -> Path:
    (folder / "mainscripts").mkdir(parents=True)
    (folder / "mainscripts" / "Extractor.py").touch()
    (folder / "main.py").touch()
    return folder


def windows_build(root: Path) -> Path:
    source(root / "_internal" / "DeepFaceLab")
    program(root / "_internal" / "python-3.6.8" / "python.exe")
    (root / STOCK).write_text("stock", encoding="utf-8")
    (root / "workspace" / "data_src").mkdir(parents=True)
    return root


def linux_scripts(root: Path) -> Path:
    source(root / "DeepFaceLab")
    program(root / "conda" / "bin" / "python3.7")
    (root / "scripts").mkdir()
    (root / "scripts" / "env.sh").write_text(
        'cd ..\nexport DFL_WORKSPACE="workspace/"\nexport DFL_PYTHON="../conda/bin/python3.7"\n'
        'export DFL_SRC="./DeepFaceLab"\n',
        encoding="utf-8",
    )
    (root / "scripts" / "4_data_src_extract_faces_S3FD.sh").write_text("stock", encoding="utf-8")
    (root / "workspace" / "data_src").mkdir(parents=True)
    return root


def revamped(root: Path) -> Path:
    """DeepFaceLab-Revamped on Linux: the tree of a Windows build, with an environment of its own."""
    source(root / "_internal" / "DeepFaceLab")
    program(root / "_internal" / ".venv" / "bin" / "python")
    (root / "workspace" / "data_src").mkdir(parents=True)
    return root


def mve(root: Path) -> Path:
    """DeepFaceLab-MVE, a copy of its sources."""
    source(root)
    program(root / "venv" / "bin" / "python")
    (root / "workspace" / "data_src").mkdir(parents=True)
    return root
