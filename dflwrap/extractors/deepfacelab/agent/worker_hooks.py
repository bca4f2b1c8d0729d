"""The worker side: a frame that raises becomes a report, not the worker's end.

The report travels home as a plain dict on the result (`REPORT`). DeepFaceLab's landmark stage swallows
every exception, so the detector and the landmark model are wrapped: what is raised inside them and never
comes out is a failure of the frame, except a crop that lies outside of the picture, which is how
DeepFaceLab drops such a rectangle.
"""
# mypy: ignore-errors
# ruff: noqa: PTH119

import functools
import os
import signal
import time
import traceback

from . import event_writer, import_hook, os_process
from .settings import Settings

REPORT = "dflwrap_report"


def prepare_process(host_pid):
    """In every child of the host (workers, and the child that lists the devices): keep it light.

    Signals that mean "finish" are the host's to act upon; the children end with the host.
    """
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    os_process.die_with_parent(host_pid)
    settings = Settings()
    if settings.tf_log_level:  # DeepFaceLab has set 3, which hides why a GPU was not found
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = settings.tf_log_level
    import_hook.after_import("mainscripts.Extractor", hook_extractor)
    if settings.weights_on_cpu:
        import_hook.after_import("core.leras.device", small_devices)


def small_devices(module):
    """DeepFaceLab keeps the weights in main memory for devices under 4 GiB: let them look like that."""
    original = module.Devices.getDevices

    @functools.wraps(original)
    def get_devices(*args, **kwargs):
        devices = original(*args, **kwargs)
        for device in devices:
            device.total_mem = min(device.total_mem, 4 * 1024**3 - 1)
            device.total_mem_gb = device.total_mem / 1024**3
        return devices

    module.Devices.getDevices = staticmethod(get_devices)


def hook_extractor(module):
    """Wrap `process_data`. A fork without it runs unhooked: the host then reads the bare results."""
    cli = getattr(getattr(module, "ExtractSubprocessor", None), "Cli", None)
    original = getattr(cli, "process_data", None)
    if original is None:
        return

    @functools.wraps(original)
    def process_data(self, data):
        if getattr(self, "type", "all") != "all" or getattr(data, "filepath", None) is None:
            return original(self, data)
        return _reported(self, data, original)

    cli.process_data = process_data


class _Watch:
    """What the models of one worker did during the current frame."""

    def __init__(self, cli):
        self.raised = []  # [(where, exception, traceback text)] of the current frame
        self.detected = 0
        self.detector_calls = 0
        self.in_landmarks = False
        self.unreadable = None
        self.sees_detector = self._wrap(getattr(cli, "rects_extractor", None), "extract", self._detector)
        landmarks = getattr(cli, "landmarks_extractor", None)
        self._wrap(landmarks, "extract", self._landmarks)
        for owner, name in ((landmarks, "crop"), (landmarks, "get_pts_from_predict")):
            self._wrap(owner, name, self._errors(name))
        self._wrap(landmarks, "_net_run", self._errors("model"))  # a fork's name for it
        for owner in (landmarks, getattr(cli, "rects_extractor", None)):
            self._wrap(getattr(owner, "model", None), "run", self._errors("model"))
        self._wrap(cli, "log_err", self._log_err)

    def clear(self):
        self.raised, self.detected, self.detector_calls = [], 0, 0
        self.in_landmarks, self.unreadable = False, None

    @staticmethod
    def _wrap(owner, name, wrapper):
        original = getattr(owner, name, None)
        if original is None:
            return False
        setattr(owner, name, functools.partial(wrapper, original))
        return True

    def _detector(self, original, *args, **kwargs):
        if self.in_landmarks:
            return original(*args, **kwargs)
        self.detector_calls += 1
        rects = original(*args, **kwargs)
        self.detected = max(self.detected, len(rects))
        return rects

    def _landmarks(self, original, *args, **kwargs):
        self.in_landmarks = True
        return original(*args, **kwargs)

    def _errors(self, where):
        def call(original, *args, **kwargs):
            try:
                return original(*args, **kwargs)
            except Exception as error:
                if len(self.raised) < 20:
                    self.raised.append((where, error, traceback.format_exc()))
                raise

        return call

    def _log_err(self, original, message, *args, **kwargs):
        if "cv2_imread" in str(message):
            self.unreadable = str(message)
        return original(message, *args, **kwargs)

    def swallowed(self, rects, landmarks):
        """(last line, traceback) of a failure that the landmark stage kept to itself, or None."""
        for where, error, text in self.raised:
            if where != "crop" or not _geometry(error):
                return event_writer.last_line(text), text
        nothing = len(rects) > 0 and all(points is None for points in landmarks)
        if nothing and not self.raised:
            return "rectangles found but no landmarks, and no error was seen", ""
        return None


def _geometry(error):
    """An array or a picture of an impossible size: what cropping outside of the frame ends in."""
    from_cv2 = type(error).__module__.split(".")[0] == "cv2" and "Insufficient memory" not in str(error)
    return from_cv2 or isinstance(error, (ValueError, IndexError))


def _reported(cli, data, original):
    watch = cli.__dict__.get("_dflwrap_watch")
    if watch is None:
        watch = cli.__dict__["_dflwrap_watch"] = _Watch(cli)
    watch.clear()
    started = time.monotonic()
    report = {"pid": os.getpid()}
    result = data
    try:
        result = original(cli, data)
    except Exception as error:
        text = traceback.format_exc()
        report.update(kind="exception", error=event_writer.last_line(text) or repr(error))
        report["traceback"] = event_writer.bounded(text)
        result = data
    else:
        _describe(watch, result, report)
    report["seconds"] = round(time.monotonic() - started, 4)
    try:
        setattr(result, REPORT, report)
    except AttributeError:  # a fork whose results take no new attribute: the host reads the bare ones
        if "kind" in report:
            raise RuntimeError(report.get("traceback") or report["error"]) from None
    return result


def _describe(watch, result, report):
    rects = getattr(result, "rects", None) or []
    landmarks = getattr(result, "landmarks", None)
    landmarks = [] if landmarks is None else landmarks
    files = getattr(result, "final_output_files", None) or []
    report["rects"] = max(watch.detected, len(rects))
    report["faces"] = [os.path.basename(str(path)) for path in files]
    if watch.sees_detector and watch.detector_calls == 0:
        report["looked"] = False
    failure = watch.swallowed(rects, landmarks)
    if failure is not None:
        report.update(kind="landmarks", error=failure[0], traceback=event_writer.bounded(failure[1]))
    elif watch.unreadable is not None and not files and watch.detector_calls == 0:
        report.update(kind="unreadable", error=watch.unreadable[:500], traceback="")
