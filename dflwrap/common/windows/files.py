"""Windows: what `os.rename` and `os.unlink` do not do there.

Each call takes the kernel32 to use, so that a stand-in shows on every system what Windows would be asked.
Flags and structures: winbase.h, minwinbase.h.
"""

from __future__ import annotations

import ctypes
import errno
import sys
from ctypes import wintypes
from pathlib import Path
from typing import Any

MOVEFILE_WRITE_THROUGH = 0x8
DELETE_ACCESS = 0x00010000
SHARE_ALL = 0x7
OPEN_EXISTING = 3
OPEN_THE_NAME_ITSELF = 0x02200000
"""FILE_FLAG_BACKUP_SEMANTICS (folders too) and FILE_FLAG_OPEN_REPARSE_POINT (a link, not what it shows)."""
FILE_DISPOSITION_INFO_EX = 21
POSIX_DELETE = 0x1 | 0x2 | 0x10
"""FILE_DISPOSITION_DELETE, _POSIX_SEMANTICS (the name goes at once) and _IGNORE_READONLY_ATTRIBUTE (Windows 10
1809 and later, NTFS)."""
_INVALID_HANDLE = ctypes.c_void_p(-1).value

_ERRNOS = {
    2: errno.ENOENT,
    3: errno.ENOENT,
    5: errno.EACCES,
    17: errno.EXDEV,
    32: errno.EACCES,
    33: errno.EACCES,
    80: errno.EEXIST,
    112: errno.ENOSPC,
    183: errno.EEXIST,
}
"""As Python itself translates them (PC/errmap.h); on Windows it does."""


def move_file(source: Path, target: Path, kernel32: Any = None) -> None:
    """Give `source` the name `target` on the same volume; returns when the move is on the disk.

    Raises FileExistsError where `target` exists, OSError with EXDEV where it lies on another volume, and other
    OSErrors.
    """
    kernel32 = kernel32 or _kernel32()
    if not kernel32.MoveFileExW(str(source), str(target), MOVEFILE_WRITE_THROUGH):
        raise _error(target)


def delete_name(path: Path, kernel32: Any = None) -> None:
    """Remove one name of a file, or a link, though it is marked read-only.

    The mark belongs to the file, not to the name: another name of it, the user's own frame, keeps file and
    mark. Raises OSError; where the file system does not know this way (FAT, before Windows 10 1809) too.
    """
    kernel32 = kernel32 or _kernel32()
    handle = kernel32.CreateFileW(
        str(path), DELETE_ACCESS, SHARE_ALL, None, OPEN_EXISTING, OPEN_THE_NAME_ITSELF, None
    )
    if handle is None or handle == _INVALID_HANDLE:
        raise _error(path)
    try:
        flags = ctypes.c_uint32(POSIX_DELETE)
        if not kernel32.SetFileInformationByHandle(handle, FILE_DISPOSITION_INFO_EX, ctypes.byref(flags), 4):
            raise _error(path)
    finally:
        kernel32.CloseHandle(handle)


def _kernel32() -> Any:
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel32.MoveFileExW.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD)
    kernel32.CreateFileW.restype = wintypes.HANDLE
    kernel32.CreateFileW.argtypes = (
        wintypes.LPCWSTR,
        wintypes.DWORD,
        wintypes.DWORD,
        ctypes.c_void_p,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.HANDLE,
    )
    kernel32.SetFileInformationByHandle.argtypes = (
        wintypes.HANDLE,
        ctypes.c_int,
        ctypes.c_void_p,
        wintypes.DWORD,
    )
    kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    return kernel32


def _last_error() -> int:
    if sys.platform == "win32":
        return ctypes.get_last_error()
    return 0


def _error(path: Path) -> OSError:
    code = _last_error()
    text = f"Windows error {code}"
    if sys.platform == "win32":
        text = ctypes.FormatError(code).strip()
    return OSError(_ERRNOS.get(code, errno.EINVAL), text, str(path), code)
