"""Which files of a folder are frames."""

import os
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


def get_image_paths(folder):
    if not Path(folder).exists():
        return []
    with os.scandir(str(folder)) as entries:
        return sorted(entry.path for entry in entries if Path(entry.name).suffix.lower() in SUFFIXES)


def get_image_unique_filestem_paths(folder, verbose_print_func=None):
    stems, result = set(), []
    for path in get_image_paths(folder):
        if Path(path).stem in stems:
            if verbose_print_func is not None:
                name = Path(path).name
                verbose_print_func(f"Duplicate filenames are not allowed, skipping: {name}")
            continue
        stems.add(Path(path).stem)
        result.append(path)
    return sorted(result)
