"""What the launcher wants of the agent, read from environment variables (see `Settings`)."""
# mypy: ignore-errors
# ruff: noqa: PTH118

import os
import sys


def _number(environ, name, default, kind=float):
    try:
        return kind(environ.get(name, ""))
    except ValueError:
        return default


class Settings:
    r"""Times are seconds. A missing or unreadable variable takes its default.

    events            DFLWRAP_EVENTS            path of the events file; "" = no events
    control           DFLWRAP_CONTROL           path of the control file (`control_file`); "" = nothing changes
    stream            DFLWRAP_STREAM            "1": the input folder is being filled; the control file tells
                                                of the frames, and of their end
    version           DFLWRAP_DFL_VERSION       passed through into `extractor_started`
    workers           DFLWRAP_WORKERS           workers per device (CPU: in all); 0 = DeepFaceLab's own choice
    weights_on_cpu    DFLWRAP_WEIGHTS_ON_CPU    "1": keep the weights in the computer's memory
    startup_timeout   DFLWRAP_STARTUP_TIMEOUT   1800: a worker's start, and its first frame, however busy it
                                                is. A new GPU may compile kernels for half an hour.
    frame_timeout     DFLWRAP_FRAME_TIMEOUT     300: a later frame, however busy the worker is
    idle_timeout      DFLWRAP_IDLE_TIMEOUT      180: any frame or start, with no message and no CPU time used
    tf_log_level      DFLWRAP_TF_LOG_LEVEL      TensorFlow's C++ log level in the workers; "" = as it is
    enum_timeout      DFLWRAP_ENUM_TIMEOUT      600: listing the devices (imports TensorFlow once)
    stopped_timeout   DFLWRAP_STOPPED_TIMEOUT   3: a worker in state "stopped"
    kernel_cache      CUDA_CACHE_PATH           where the GPU's compiled kernels go (Windows: APPDATA\\NVIDIA,
                                                which DeepFaceLab insists on); growing, it excuses silence
    repaired          DFLWRAP_REPAIRED          folder where copies of failed frames appear; "" = there are none
    repair_timeout    DFLWRAP_REPAIR_TIMEOUT    60: waiting for such a copy (the largest picture takes half
                                                a minute); then the first failure stands
    spare             DFLWRAP_SPARE             start a second worker while a suspicious frame is tried again
    """

    def __init__(self, environ=None):
        env = os.environ if environ is None else environ
        self.events = env.get("DFLWRAP_EVENTS", "")
        self.control = env.get("DFLWRAP_CONTROL", "")
        self.stream = bool(self.control) and env.get("DFLWRAP_STREAM", "") == "1"
        self.version = env.get("DFLWRAP_DFL_VERSION", "")
        self.workers = _number(env, "DFLWRAP_WORKERS", 0, int)
        self.weights_on_cpu = env.get("DFLWRAP_WEIGHTS_ON_CPU", "") == "1"
        self.startup_timeout = _number(env, "DFLWRAP_STARTUP_TIMEOUT", 1800.0)
        self.frame_timeout = _number(env, "DFLWRAP_FRAME_TIMEOUT", 300.0)
        self.idle_timeout = _number(env, "DFLWRAP_IDLE_TIMEOUT", 180.0)
        self.tf_log_level = env.get("DFLWRAP_TF_LOG_LEVEL", "")
        self.enum_timeout = _number(env, "DFLWRAP_ENUM_TIMEOUT", 600.0)
        self.stopped_timeout = _number(env, "DFLWRAP_STOPPED_TIMEOUT", 3.0)
        self.kernel_cache = env.get("CUDA_CACHE_PATH", "")
        if sys.platform == "win32":
            self.kernel_cache = os.path.join(env.get("APPDATA", ""), "NVIDIA")
        self.repaired = env.get("DFLWRAP_REPAIRED", "")
        self.repair_timeout = _number(env, "DFLWRAP_REPAIR_TIMEOUT", 60.0)
        self.spare = env.get("DFLWRAP_SPARE", "1") != "0"
