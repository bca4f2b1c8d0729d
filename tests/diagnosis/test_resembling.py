# ruff: noqa: E501 - the lines of real logs are long
"""Wordings that stand close to another cause, and notices beside a whole run: nothing is called what it only resembles."""

from __future__ import annotations

import pytest

from dflwrap.common.verdict import Health
from dflwrap.diagnosis import diagnose_text

GPU = "Extracting faces...\nRunning on NVIDIA GeForce RTX 3070\n  0%|          | 0/90 [00:00<?, ?it/s]\n"
CPU = "Extracting faces...\nRunning on CPU0\n 10%|#         | 9/90 [00:10<01:30,  1.00it/s]\n"
WHOLE = "Extracting faces...\nRunning on NVIDIA GeForce RTX 3070\n100%|##########| 240/240 [01:12<00:00, 3.3it/s]\nImages found:        240\nFaces detected:      231\nDone.\n"
# fmt: off
RESEMBLING: dict[str, tuple[str, str]] = {
    'stdin spawn': ('Traceback (most recent call last):\n  File "C:\\Py\\lib\\runpy.py", line 10, in f\n    with io.open_code(decoded_path) as f:\nOSError: [Errno 22] Invalid argument: \'C:\\\\Users\\\\x\\\\<stdin>\'\n', 'mp-bootstrap-error unknown'),
    'inotify': ('OSError: [Errno 28] inotify watch limit reached\n', 'unknown'),
    'enospc watchers': ("Error: ENOSPC: System limit for number of file watchers reached, watch '/x'\n", 'unknown'),
    'sem creation perm': ('Traceback (most recent call last):\n  File "/usr/lib/python3.8/multiprocessing/synchronize.py", line 10, in f\n    sl = self._semlock = _multiprocessing.SemLock(\nOSError: [Errno 38] Function not implemented\n', 'shm-semaphore-exhausted'),
    'err13 port': ('PermissionError: [Errno 13] Permission denied\n  (socket bind port 80)', 'unknown output-not-writable'),
    'err13 write log': ('Traceback (most recent call last):\n  File "/usr/lib/python3.8/logging/__init__.py", line 10, in f\n    return open(self.baseFilename, self.mode)\nPermissionError: [Errno 13] Permission denied: \'/var/log/dfl.log\'\n', 'output-not-writable'),
    'err13 model read': ('Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/numpy/lib/npyio.py", line 10, in f\n    fid = stack.enter_context(open(os_fspath(file), "rb"))\nPermissionError: [Errno 13] Permission denied: \'/opt/DeepFaceLab/facelib/S3FD.npy\'\n', 'input-not-readable unknown library-access-denied model-file-not-readable'),
    'errno2 model': ('Traceback (most recent call last):\n  File "/opt/DeepFaceLab/core/leras/layers/Saveable.py", line 10, in f\n    d = open(x)\nFileNotFoundError: [Errno 2] No such file or directory: \'/opt/DeepFaceLab/facelib/S3FD.npy\'\n', 'model-file-missing'),
    'errno2 saehd train': ('Traceback (most recent call last):\n  File "/opt/DeepFaceLab/x.py", line 10, in f\n    d = open(x)\nFileNotFoundError: [Errno 2] No such file or directory: \'/home/u/.cache/torch/hub/checkpoints/s3fd-619a316812.pth\'\n', 'model-file-missing unknown'),
    'errno2 haarcascade': ("cv2.error: OpenCV(4.5) persistence.cpp:512: error: (-2:Unspecified error) in function 'open'\n> could not open file 'haarcascade_frontalface_default.xml'", 'model-file-missing unknown'),
    'haar empty': ("cv2.error: OpenCV(4.5.1) cascadedetect.cpp:1689: error: (-215:Assertion failed) !empty() in function 'cv::CascadeClassifier::detectMultiScale'", 'model-file-missing unknown'),
    'imread None': ('Traceback (most recent call last):\n  File "/w/x.py", line 10, in f\n    h,w = img.shape[:2]\nAttributeError: \'NoneType\' object has no attribute \'shape\'\n', 'unknown imread-failed poison-frame'),
    'imread none with latin ok': (CPU + 'Traceback (most recent call last):\n  File "/w/münchen/x.py", line 10, in f\n    h,w = img.shape[:2]\nAttributeError: \'NoneType\' object has no attribute \'shape\'\n', 'unknown imread-failed poison-frame non-ascii-path'),
    'value error shapes': (CPU + 'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/numpy/core/x.py", line 10, in f\n    x\nValueError: operands could not be broadcast together with shapes (3,2) (4,2)\n', 'unknown poison-frame landmark-geometry'),
    'nan': ('Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/scipy/linalg/x.py", line 10, in f\n    x\nValueError: array must not contain infs or NaNs\n', 'landmark-geometry unknown'),
    'disk full sqlite': ('sqlite3.OperationalError: database or disk is full', 'disk-full'),
    'sqlite locked': ('sqlite3.OperationalError: database is locked', 'file-in-use unknown'),
    'sqlite readonly': ('sqlite3.OperationalError: attempt to write a readonly database', 'output-not-writable unknown'),
    'np disk': ('OSError: 3110400 requested and 1232896 written', 'disk-full'),
    'np tofile 0': ('OSError: 6220800 requested and 0 written', 'disk-full'),
    'winerr 1': ("OSError: [WinError 1] Incorrect function: 'Z:\\\\x'", 'unknown'),
    'winerr 19': ("OSError: [WinError 19] The media is write protected: 'E:\\\\aligned'", 'output-not-writable'),
    'winerr 39': ('OSError: [WinError 39] The disk is full', 'disk-full'),
    'winerr 1314': ("OSError: [WinError 1314] A required privilege is not held by the client: 'a' -> 'b'", 'unknown output-not-writable'),
    'winerr 1224': ('OSError: [WinError 1224] The requested operation cannot be performed on a file with a user-mapped section open', 'file-in-use'),
    'winerr 1450': ('OSError: [WinError 1450] Insufficient system resources exist to complete the requested service', 'host-memoryerror'),
    'winerr 10055': ('OSError: [WinError 10055] An operation on a socket could not be performed because the system lacked sufficient buffer space or because a queue was full', 'unknown host-memoryerror'),
    'winerr 740': ('OSError: [WinError 740] The requested operation requires elevation', 'program-not-started unknown'),
    'winerr 5 mp': ('Traceback (most recent call last):\n  File "C:\\Py\\lib\\multiprocessing\\popen_spawn_win32.py", line 10, in f\n    x\nPermissionError: [WinError 5] Access is denied\n', 'spawn-child-died unknown output-not-writable'),
    'winerr 87 kill': ('Traceback (most recent call last):\n  File "C:\\Py\\lib\\multiprocessing\\connection.py", line 10, in f\n    x\nOSError: [WinError 87] The parameter is incorrect\n', 'unknown'),
    'need at most 63': ('ValueError: need at most 63 handles, got a sequence of length 64', 'unknown too-many-workers'),
    'torch OOM prior ok': ('RuntimeWarning: retrying after CUDA out of memory\n' + WHOLE, 'healthy'),
    'oom in complete': ('E cuda_driver.cc:806] failed to allocate 2.20G (2362232064 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory\n' + WHOLE, 'healthy'),
    'cudnn loaded ok': ('I tensorflow/stream_executor/cuda/cuda_dnn.cc:368] Loaded cuDNN version 8100\n' + WHOLE, 'healthy'),
    'tf rebuilt': ('I tensorflow/core/platform/cpu_feature_guard.cc:182] This TensorFlow binary is optimized to use available CPU instructions in performance-critical operations.\n' + WHOLE, 'healthy'),
    'absl': ('WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\nE0000 00:00:1727 1 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered\n' + WHOLE, 'healthy'),
    'insightface warn': ("Applied providers: ['CUDAExecutionProvider', 'CPUExecutionProvider'], with options: {}\nfind model: /root/.insightface/models/buffalo_l/det_10g.onnx detection [1, 3, '?', '?'] 127.5 128.0\n/x/insightface/utils/transform.py:68: FutureWarning: `rcond` parameter will change\n" + WHOLE, 'healthy'),
    'numexpr': ('INFO:numexpr.utils:NumExpr defaulting to 8 threads.\n' + WHOLE, 'healthy'),
    'onnx warn': ('2024 [W:onnxruntime:, execution_frame.cc:879 onnxruntime::ExecutionFrame::VerifyOutputSizes] Expected shape from model of {1} does not match actual shape of {2} for output x\n' + WHOLE, 'healthy'),
    'onnx mem pattern': ('[W:onnxruntime:, session_state.cc:1166] Some nodes were not assigned to the preferred execution providers which may or may not have an negative impact on performance.\n' + WHOLE, 'healthy'),
    'kernel oom other': ('Nov 1 kernel: Out of memory: Killed process 99 (chrome) total-vm:1kB\n' + WHOLE, 'healthy'),
    'h264 err ok': ('[h264 @ 0x5] error while decoding MB 3 4\n' + WHOLE, 'healthy'),
    'qt warn ok': ('QFontDatabase: Cannot find font directory /x/cv2/qt/fonts.\n' + WHOLE, 'healthy'),
    'qt xcb ok': ("QObject::moveToThread: Current thread (0x1) is not the object's thread (0x2).\nCannot move to target thread\n" + WHOLE, 'healthy'),
    'pkg warning ok': ("/x/numpy/core/getlimits.py:500: UserWarning: The value of the smallest subnormal for <class 'numpy.float64'> type is zero.\n" + WHOLE, 'healthy'),
    'requests dep ok': ("/x/requests/__init__.py:91: RequestsDependencyWarning: urllib3 (1.26.8) or chardet (3.0.4) doesn't match a supported version!\n" + WHOLE, 'healthy'),
    'pip conflict ok': ("ERROR: pip's dependency resolver does not currently take into account all the packages that are installed.\ntensorflow 2.4.0 requires numpy~=1.19.2, but you have numpy 1.21.0 which is incompatible.\n" + WHOLE, 'healthy'),
    'ssl warn then other': ('/x/urllib3/__init__.py:35: NotOpenSSLWarning: urllib3 v2 only supports OpenSSL 1.1.1+\nExtracting faces...\nRunning on NVIDIA GeForce RTX 3070\n  0%|          | 0/90 [00:00<?, ?it/s]\ntorch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB', 'gpu-oom-tensor'),
    'numpy too new torch warn': ('A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.0.2 as it may crash.\nExtracting faces...\nRunning on NVIDIA GeForce RTX 3070\n  0%|          | 0/90 [00:00<?, ?it/s]\nRuntimeError: CUDA error: no kernel image is available for execution on the device', 'no-kernel-image numpy-abi-mismatch'),
    'libpng warn + crash': ('libpng warning: iCCP: known incorrect sRGB profile\nExtracting faces...\nRunning on CPU0\n 10%|#         | 9/90 [00:10<01:30,  1.00it/s]\nSegmentation fault (core dumped)', 'worker-native-crash'),
    'segv tf import': ('2024 I tensorflow cpu_feature_guard\nSegmentation fault (core dumped)', 'worker-native-crash exit-code-005-import'),
    'driver err 43': ('Windows has stopped this device because it has reported problems. (Code 43)', 'cuinit-unknown unknown'),
    'tcmalloc': ('tcmalloc: large alloc 1073741824 bytes == 0x5555\nKilled', 'linux-oom-killer'),
    'slurm oom': ('slurmstepd: error: Detected 1 oom-kill event(s) in StepId=123.batch cgroup. Some of your processes may have been killed by the cgroup out-of-memory handler.', 'linux-oom-killer'),
    'slurm time': ('slurmstepd: error: *** JOB 123 ON n01 CANCELLED AT 2021-10-01T00:00:00 DUE TO TIME LIMIT ***', 'ctrl-c'),
    'k8s evict': ('The node was low on resource: ephemeral-storage. Container dfl was using 10Gi', 'unknown disk-full'),
    'k8s oom': ('Last State: Terminated\n  Reason: OOMKilled\n  Exit Code: 137', 'linux-oom-killer'),
    'docker gpu': ('docker: Error response from daemon: failed to create shim task: OCI runtime create failed: nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no such file or directory: unknown.', 'libcuda-missing-container'),
    'docker cuda req': ('nvidia-container-cli: requirement error: unsatisfied condition: cuda>=11.6, please update your driver to a newer version', 'driver-too-old'),
    'docker seccomp': ('OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 4: Operation not permitted', 'process-limit unknown'),
    'nvml lib mismatch tf': ('NVML: Driver/library version mismatch\nRuntimeError: No CUDA GPUs are available', 'driver-library-mismatch'),
    'rtx50 torch': ('NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.\nRuntimeError: CUDA error: no kernel image is available for execution on the device', 'no-kernel-image'),
    'tf keras legacy': ('ImportError: Keras cannot be imported. Check that it is installed.', 'unknown tf-api-mismatch module-not-found'),
    'tf keras ver': ('ImportError: This version of TensorFlow Probability requires TensorFlow version >= 2.15', 'package-mismatch unknown tf-api-mismatch'),
    'keras no backend': ("AttributeError: module 'keras.backend' has no attribute 'image_data_format'", 'tf-api-mismatch'),
    'keras recur': ('Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/keras/x.py", line 10, in f\n    x\nImportError: cannot import name \'get_config\' from \'tensorflow.python.eager.context\' (/x/context.py)\n', 'tf-api-mismatch'),
    'typing ext': ("ImportError: cannot import name 'deprecated' from 'typing_extensions' (/usr/lib/python3/dist-packages/typing_extensions.py)", 'package-mismatch'),
    'markupsafe': ('Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/jinja2/x.py", line 10, in f\n    x\nImportError: cannot import name \'soft_unicode\' from \'markupsafe\' (/x/markupsafe/__init__.py)\n', 'package-mismatch'),
    'werkzeug bare': ("ImportError: cannot import name 'url_quote' from 'werkzeug.urls'", 'package-mismatch'),
    'Py2': ('ImportError: No module named cv2', 'module-not-found'),
    'dfl core': ("ModuleNotFoundError: No module named 'core.leras'", 'mixed-source-tree unknown package-mismatch'),
    'dfl core 2': ("ModuleNotFoundError: No module named 'core'", 'mixed-source-tree unknown'),
    'yaml ns': ("ModuleNotFoundError: No module named 'ruamel.yaml'", 'module-not-found'),
    'google ns': ("ModuleNotFoundError: No module named 'google.protobuf'", 'module-not-found'),
    'mpl ns': ("ModuleNotFoundError: No module named 'mpl_toolkits.basemap'", 'module-not-found'),
    'cv2.cv2': ("ModuleNotFoundError: No module named 'cv2.cv2'", 'cv2-mixed-install package-mismatch module-not-found'),
    'torch._C': ("ModuleNotFoundError: No module named 'torch._C'", 'script-shadows-module package-mismatch module-not-found'),
    'h5py defs': ("ImportError: cannot import name 'defs' from 'h5py'", 'package-mismatch unknown'),
    'h5py dll': ('ImportError: DLL load failed while importing defs: The specified procedure could not be found.', 'library-wrong-version'),
    'lzma': ("ModuleNotFoundError: No module named '_lzma'", 'module-not-found'),
    'sqlite dll': ('ImportError: DLL load failed while importing _sqlite3: The specified module could not be found.', 'library-missing'),
    'ssl dll': ('ImportError: DLL load failed while importing _ssl: The specified module could not be found.', 'library-missing'),
    'ssl not avail': ('WARNING: pip is configured with locations that require TLS/SSL, however the ssl module in Python is not available.\nCould not fetch URL https://pypi.org/simple/x/: There was a problem confirming the ssl certificate', 'download-failed unknown module-not-found'),
    'onnx cuda win': ('[E:onnxruntime:Default, provider_bridge_ort.cc:1548] LoadLibrary failed with error 126 "" when trying to load "C:\\x\\onnxruntime\\capi\\onnxruntime_providers_cuda.dll"', 'cuda-dso-missing-silent-cpu library-missing'),
    'ort 127': ('provider_bridge_ort.cc:1209 LoadLibrary failed with error 127 "The specified procedure could not be found." when trying to load "C:\\x\\onnxruntime_providers_cuda.dll"', 'library-wrong-version cudnn-version-mismatch'),
    'ort trt': ('[E:onnxruntime:Default, provider_bridge_ort.cc:1389 TryGetProviderInfo_TensorRT] Failed to load library libonnxruntime_providers_tensorrt.so with error: libnvinfer.so.8: cannot open shared object file: No such file or directory\n' + WHOLE, 'healthy'),
    'ort sys 13': ('[ONNXRuntimeError] : 1 : FAIL : Load model from D:\\x\\a.onnx failed:system error number 13', 'unknown input-not-readable library-access-denied'),
    'ort bad alloc': ('onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException: [ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: bad allocation', 'host-memoryerror'),
    'pillow truncated': ('OSError: broken data stream when reading image file', 'decoder-warnings imread-failed unknown'),
    'tiff': ('TIFFReadDirectory: Warning, Unknown field with tag 700 (0x2bc) encountered.\n' + WHOLE, 'healthy'),
    'webp': ('cv2.error: OpenCV(4.6.0) grfmt_webp.cpp:75: error: (-215:Assertion failed) fs.is_open()', 'unknown imread-failed'),
}
# fmt: on
"""Name: (log, the answers that are right for it, parted by blanks)."""


@pytest.mark.parametrize("name", RESEMBLING)
def test_nothing_is_called_what_it_only_resembles(name: str) -> None:
    text, right = RESEMBLING[name]
    verdict = diagnose_text([("dfl.log", text.encode())])
    named = verdict.health is Health.FAILURE and verdict.primary is not None
    got = verdict.primary.id if named and verdict.primary is not None else verdict.health.value
    assert got in right.split()
