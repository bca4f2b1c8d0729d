"""Started by DeepFaceLab's own Python: says what that Python has, or what its TensorFlow (PyTorch) says.

    python ask.py TOKEN packages MODULE...
    python ask.py TOKEN engine tensorflow|torch
    python ask.py TOKEN import MODULE

The answer is one line on stdout: the token, then JSON. Standard library only, Python 3.6 syntax (2.7 gets as far as
saying so).
"""

import json
import os
import re
import sys


def main(arguments):
    # Neither this folder nor the current one may stand in for a package.
    sys.path[:] = [path for path in sys.path[1:] if path not in ("", os.getcwd())]
    token, question = arguments[0], arguments[1]
    if question == "packages":
        answer = packages(arguments[2:])
    elif question == "import":
        answer = {"version": str(getattr(__import__(arguments[2]), "__version__", ""))}
    else:
        answer = engine(arguments[2])
    say(token, answer)


def say(token, answer):
    sys.stdout.write("\n%s%s\n" % (token, json.dumps(answer)))
    sys.stdout.flush()


def packages(modules):
    """The interpreter, the installed packages, and which of the modules it would not find."""
    try:
        from importlib.util import find_spec
    except ImportError:  # Python 2
        find_spec = None
    missing = []
    for name in modules:
        try:
            found = find_spec(name) is not None
        except Exception:  # a broken package: it cannot be imported either
            found = False
        if not found:
            missing.append(name)
    return {
        "python": "%d.%d.%d" % sys.version_info[:3],
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "prefix": sys.prefix,
        "packages": distributions(),
        "missing": missing,
    }


def distributions():
    """Name to version, by the folders *.dist-info and *.egg-info; the first on the path counts, as for imports."""
    found = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            match = re.match(r"(.+?)-(\d[^-]*)(?:-py[\d.]+)?\.(?:dist|egg)-info$", name)
            if match:
                found.setdefault(match.group(1).replace("_", "-").lower(), match.group(2))
    return found


def engine(name):
    if name == "torch":
        return torch_answer()
    return tensorflow_answer()


def tensorflow_answer():
    """Raises whatever the import does; ImportError for a package without its files."""
    import tensorflow as tf

    answer = {"version": str(tf.__version__), "devices": [], "cuda": "", "cudnn": "", "with_cuda": None}
    if not hasattr(tf, "Session") and not hasattr(tf, "compat"):
        raise ImportError("tensorflow is an empty package: its files are missing")
    answer["with_cuda"] = bool(tf.test.is_built_with_cuda())
    info = build_info(tf)
    answer["cuda"] = str(info.get("cuda_version", ""))
    answer["cudnn"] = str(info.get("cudnn_version", ""))
    answer["devices"] = gpu_devices(tf)
    return answer


def build_info(tf):
    try:
        return dict(tf.sysconfig.get_build_info())  # from 2.3
    except Exception:
        pass
    try:
        from tensorflow.python.platform import build_info as module

        return {
            "cuda_version": getattr(module, "cuda_version_number", ""),
            "cudnn_version": getattr(module, "cudnn_version_number", ""),
        }
    except Exception:
        return {}


def gpu_devices(tf):
    config = getattr(tf, "config", None)
    for place in (config, getattr(config, "experimental", None)):
        if hasattr(place, "list_physical_devices"):
            found = []
            for kind in ("GPU", "DML"):
                found += [device.name for device in place.list_physical_devices(kind)]
            return found
    from tensorflow.python.client import device_lib  # before 1.14

    return [device.name for device in device_lib.list_local_devices() if device.device_type in ("GPU", "DML")]


def torch_answer():
    import torch

    answer = {
        "version": str(torch.__version__),
        "devices": [],
        "cuda": str(torch.version.cuda or ""),
        "cudnn": "",
    }
    answer["with_cuda"] = bool(torch.version.cuda)
    if torch.cuda.is_available():
        answer["devices"] = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return answer


if __name__ == "__main__":
    main(sys.argv[1:])
