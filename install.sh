#!/bin/sh
# Installs dflwrap, or upgrades it:  sh install.sh [FOLDER OF YOUR DEEPFACELAB]
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 2
python=
for name in python3.13 python3.12 python3.11 python3 python; do
    if "$name" -c "" >/dev/null 2>&1; then # a shim of pyenv may be there without its Python
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11, 3.12 or 3.13 was not found. Install it from your system's packages (python3)." >&2
    code=2
else
    "$python" "$here/scripts/install.py" "$@"
    code=$?
fi
# A terminal that was opened for this script alone closes with it.
case $(ps -o comm= -p "$PPID" 2>/dev/null) in
*terminal* | konsole | xterm | kitty | alacritty | tilix | foot | ptyxis*)
    if [ -t 0 ]; then
        printf 'Press Enter to close this window. '
        read -r _
    fi
    ;;
esac
exit "$code"
