"""Runs DeepFaceLab's main.py from inside its own interpreter, and reports what becomes of every frame.

    <DeepFaceLab's python> agent.py <path of main.py> extract --input-dir ... (the rest as for main.py)

Standard library only, Python 3.6 syntax. DeepFaceLab's files are loaded unchanged from disk; an import
hook replaces the host side of its worker pool (`inside.pool`) and wraps the worker side
(`inside.worker`). The pool spawns its workers, and a spawned Python imports the start script of its
parent once more, as `__mp_main__`: that is how this file gets into them.

If this DeepFaceLab cannot be hooked, one `agent_failed` event says why and main.py runs as it is.

Environment: DFLWRAP_EVENTS (path of the events file) and what `inside.settings` reads. Signals:
SIGTERM or SIGINT finishes the frames in flight and ends with exit code 0; a second one ends at once.
"""

import importlib.util
import os
import sys

HOST_PID_ENV = "DFLWRAP_HOST_PID"


def load_inside():
    """The package beside this file, under a name of its own: sys.path belongs to DeepFaceLab."""
    name = "dflwrap_inside"
    if name not in sys.modules:
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside")
        spec = importlib.util.spec_from_file_location(
            name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def main(argv):
    load_inside()
    from dflwrap_inside import host

    return host.run_main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
elif __name__ == "__mp_main__":
    load_inside()
    from dflwrap_inside import worker

    worker.prepare_process(int(os.environ.get(HOST_PID_ENV, "0")))
