#!/bin/sh
# Written by: dflwrap scripts install (generic)
# Extracts the faces of data_src. Nothing is asked; with --ask DeepFaceLab's questions are. A folder of frames, or a video, may be dropped onto this file.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 2
python="${XDG_DATA_HOME:-$HOME/.local/share}/dflwrap/env/bin/python"
if [ ! -x "$python" ]; then
    echo "dflwrap is not here any more: $python" >&2
    echo "Install it again, then run: dflwrap scripts install" >&2
    exit 2
fi
trap : INT # dflwrap heeds Ctrl-C; this script passes its exit code on
"$python" -I -m dflwrap extract --dfl-root "$here" --clip data_src --on-conflict set-aside "$@"
code=$?
if "$python" -I -m dflwrap.cli.window; then
    printf 'Press Enter to close this window. '
    read -r _
fi
exit "$code"
