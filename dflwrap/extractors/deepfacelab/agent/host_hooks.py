"""The host process: hooks DeepFaceLab's extract step, then runs its main.py as `__main__`."""
# mypy: ignore-errors
# ruff: noqa: PTH100, PTH113, PTH120, RUF005, S102

import atexit
import builtins
import inspect
import os
import signal
import sys
import tokenize

from . import device_listing, import_hook, os_process
from .event_writer import Reporter
from .pool import Pool
from .settings import Settings

HOST_PID_ENV = "DFLWRAP_HOST_PID"


class HookError(Exception):
    """This DeepFaceLab differs from the ones the agent knows; the text says in what."""


class Host:
    """What lives as long as the host process: settings, events, and the wish to stop."""

    def __init__(self):
        self.settings = Settings()
        self.reporter = Reporter(self.settings.events)
        self.pool = None
        self.phase = "start"  # "start", "pool", "end"
        self.signals = 0

    def on_signal(self, number, _frame):
        """First: finish the frames in flight. Second, or before there is a pool: end now."""
        self.signals += 1
        if self.phase == "end":
            return
        if self.pool is not None and self.signals == 1:
            self.pool.stop()
            return
        device_listing.kill_children()
        if self.signals == 1:
            self.reporter.emit("finished", done=0, failed=0, total=0)
        os._exit(0 if self.signals == 1 else 130)

    def hook_extractor(self, module):
        """Replace the automatic extract step's `run`, or say why not and leave everything as it is."""
        self.phase = "hooked"
        if self.settings.tf_log_level:  # DeepFaceLab has set 3 by now, which hides CUDA's own warnings
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = self.settings.tf_log_level
        try:
            check(module)
        except HookError as error:
            self.reporter.emit("agent_failed", error=str(error))
            return
        extract = module.ExtractSubprocessor
        original_run = extract.run
        original_devices = extract.get_devices_for_config

        def run(subprocessor):
            reason = unsuitable(subprocessor)
            if reason is not None:
                self.reporter.emit("agent_failed", error=reason)
                return original_run(subprocessor)
            self.pool = Pool(subprocessor, self.settings, self.reporter, module.io)
            self.phase = "pool"
            try:
                return self.pool.run()
            finally:
                self.phase = "end"

        def get_devices(type, device_config):  # noqa: A002 - DeepFaceLab's name
            if type != "all" or self.settings.workers < 1:
                return original_devices(type, device_config)
            return multiplied(original_devices(type, device_config), self.settings.workers)

        extract.run = run
        extract.get_devices_for_config = staticmethod(get_devices)


def multiplied(devices, workers):
    """`workers` entries per GPU, or in all on the CPU; an entry: (index, kind, name, GiB)."""
    if not devices or devices[0][1] == "CPU":
        return [(i, "CPU", f"CPU{i}", 0) for i in range(workers)]
    result = []
    for index, kind, name, memory in devices:
        names = [name] if workers == 1 else [f"{name} #{i}" for i in range(workers)]
        result += [(index, kind, one, memory) for one in names]
    return result


def check(module):
    """That every seam the pool uses is there; `HookError` names the first that is not."""
    extract = getattr(module, "ExtractSubprocessor", None)
    if extract is None:
        raise HookError("mainscripts.Extractor has no class ExtractSubprocessor")
    cli = getattr(extract, "Cli", None)
    needed = ("run", "process_info_generator", "get_devices_for_config", "get_data", "on_result")
    for name in needed + ("on_clients_initialized", "on_clients_finalized", "get_result"):
        if not callable(getattr(extract, name, None)):
            raise HookError(f"ExtractSubprocessor has no {name}()")
    for name in ("process_data", "on_initialize", "_subprocess_run"):
        if not callable(getattr(cli, name, None)):
            raise HookError(f"ExtractSubprocessor.Cli has no {name}()")
    for function, expected in (
        (extract.run, ["self"]),
        (extract.get_devices_for_config, ["type", "device_config"]),
        (extract.on_result, ["self", "host_dict", "data", "result"]),
        (cli.process_data, ["self", "data"]),
        (cli._subprocess_run, ["self", "client_dict", "s2c", "c2s"]),
    ):
        found = list(inspect.signature(function).parameters)
        if found != expected:
            name = getattr(function, "__qualname__", "?")
            raise HookError(f"{name}({found}) takes other arguments than ({expected})")
    for name in ("log_info", "log_err", "progress_bar_inc"):
        if not callable(getattr(getattr(module, "io", None), name, None)):
            raise HookError(f"mainscripts.Extractor has no console `io.{name}`")


def unsuitable(subprocessor):
    """Why this object cannot be run by the pool (a manual pass, a video as input); None if it can."""
    if getattr(subprocessor, "type", None) != "all":
        return "extract step of type {!r} is left to DeepFaceLab".format(getattr(subprocessor, "type", None))
    items = getattr(subprocessor, "input_data", None)
    if not isinstance(items, list):
        return "the list of frames (input_data) is missing"
    if any(not hasattr(getattr(item, "filepath", None), "name") for item in items):
        return "frames without a file path (extraction from a video)"
    if not hasattr(subprocessor, "SubprocessorCli_class"):
        return "the worker class (SubprocessorCli_class) is missing"
    return None


def last_resort():
    """At exit, before multiprocessing joins its children without a bound: none may be left to join."""
    if not device_listing.kill_children(wait=5.0):
        sys.stdout.flush()
        os._exit(0)


def run_main(argv):
    """Run DeepFaceLab's main.py, named first in `argv`, with the hooks; the exit status."""
    if not argv or not os.path.isfile(argv[0]):
        sys.stderr.write("usage: start.py <path of DeepFaceLab's main.py> extract ...\n")
        return 2
    host = Host()
    os_process.die_with_parent(0)
    os.environ[HOST_PID_ENV] = str(os.getpid())
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), host.on_signal)
    main_path = os.path.abspath(argv[0])
    sys.argv = [main_path] + argv[1:]
    own_folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != own_folder]
    sys.path.insert(0, os.path.dirname(main_path))
    if "--cpu-only" in argv:
        os.environ.setdefault("NN_DEVICES_INITIALIZED", "1")
        os.environ.setdefault("NN_DEVICES_COUNT", "0")
    import multiprocessing.util  # noqa: F401 - its exit function must be registered before ours

    atexit.register(last_resort)
    import_hook.after_import("mainscripts.Extractor", host.hook_extractor)
    device_listing.watch(host)
    with tokenize.open(main_path) as stream:
        code = compile(stream.read(), main_path, "exec", dont_inherit=True)
    names = {"__name__": "__main__", "__file__": main_path, "__builtins__": builtins}
    names.update(dict.fromkeys(["__doc__", "__package__", "__spec__", "__cached__", "__loader__"]))
    exec(code, names)
    return 0
