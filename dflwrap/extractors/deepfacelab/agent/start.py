"""Runs DeepFaceLab's main.py from inside its own interpreter, and reports what becomes of every frame.

    <DeepFaceLab's python> agent/start.py <path of main.py> extract --input-dir ... (the rest as for main.py)

Standard library only, Python 3.6 syntax. DeepFaceLab's files are loaded unchanged from disk; an import
hook replaces the host side of its worker pool (`pool`) and wraps the worker side
(`worker_hooks`). The pool spawns its workers, and a spawned Python imports the start script of its
parent again, as `__mp_main__`: that is how this file gets into them.

If this DeepFaceLab cannot be hooked, one `agent_failed` event says why and main.py runs as it is.

Environment: DFLWRAP_EVENTS (path of the events file) and what `settings` reads. Signals:
SIGTERM or SIGINT finishes the frames in flight and ends with exit code 0; a second one ends at once.
"""

import importlib.util
import os
import sys

HOST_PID_ENV = "DFLWRAP_HOST_PID"


def load_agent():
    """The package that this file lies in, under a name of its own: sys.path belongs to DeepFaceLab."""
    name = "dflwrap_agent"
    if name not in sys.modules:
        folder = os.path.dirname(os.path.abspath(__file__))
        spec = importlib.util.spec_from_file_location(
            name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def main(argv):
    """Load the agent, and run DeepFaceLab under it; the exit status."""
    load_agent()
    from dflwrap_agent import host_hooks

    return host_hooks.run_main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
elif __name__ == "__mp_main__":
    load_agent()
    from dflwrap_agent import worker_hooks

    worker_hooks.prepare_process(int(os.environ.get(HOST_PID_ENV, "0")))
