# ruff: noqa: E501 - the lines of real logs are long
"""Wordings of Python, the systems, CUDA, PyTorch, ONNX Runtime, OpenCV, pip and conda: each names its cause, or is called unknown."""

from __future__ import annotations

import pytest

from benchmarks._accuracy import answer
from dflwrap.diagnosis import diagnose_text

GPU = "Extracting faces...\nRunning on NVIDIA GeForce RTX 3070\n  0%|          | 0/90 [00:00<?, ?it/s]\n"
CPU = "Extracting faces...\nRunning on CPU0\n 10%|#         | 9/90 [00:10<01:30,  1.00it/s]\n"
WHOLE = "Extracting faces...\nRunning on CPU0\n100%|##########| 240/240 [41:12<00:00, 10.3s/it]\nImages found:        240\nFaces detected:      231\nDone.\n"
MISMATCH = "E cuda_diagnostics.cc:313] kernel version 515.65.1 does not match DSO version 525.60.13 -- cannot find working devices in this configuration\n"
WORDINGS: dict[str, tuple[str, str]] = {
    "err5 write local": (
        GPU
        + 'Traceback (most recent call last):\n  File "D:\\DFL\\_internal\\DeepFaceLab\\core/cv2ex.py", line 10, in f\n    with open(filename, "wb") as stream:\nOSError: [Errno 5] Input/output error: \'/srv/films/aligned/00412_0.jpg\'',
        "failing-disk disk-read-error unknown",
    ),
    "err5 no info": (
        GPU + "OSError: [Errno 5] Input/output error",
        "failing-disk disk-read-error cloud-sync-folder unknown",
    ),
    "err5 stdout gone": (
        CPU
        + 'Traceback (most recent call last):\n  File "D:\\DFL\\_internal\\DeepFaceLab\\mainscripts/Extractor.py", line 10, in f\n    print(x)\nOSError: [Errno 5] Input/output error\n',
        "unknown ctrl-c console",
    ),
    "err5 nfs write": (
        GPU
        + "Traceback (most recent call last):\n  File \"D:\\DFL\\_internal\\DeepFaceLab\\core/cv2ex.py\", line 10, in f\n    stream.write(buf)\nOSError: [Errno 5] Input/output error: '/mnt/nas/aligned/1_0.jpg'",
        "cloud-sync-folder",
    ),
    "cp io error": (
        "cp: error writing '/mnt/usb/x.png': Input/output error\n",
        "failing-disk disk-read-error",
    ),
    "err13 folder win": (
        "Traceback (most recent call last):\n  File \"D:\\DFL\\core\\cv2ex.py\", line 5\n    with open(path, 'rb') as f:\nPermissionError: [Errno 13] Permission denied: 'D:\\\\DFL\\\\workspace\\\\data_src'\n",
        "not-a-folder input-not-readable",
    ),
    "err13 folder write": (
        "Traceback (most recent call last):\n  File \"D:\\DFL\\x.py\", line 5\n    with open('D:\\\\out', 'wb') as f:\nPermissionError: [Errno 13] Permission denied: 'D:\\\\DFL\\\\workspace\\\\data_src\\\\aligned'\n",
        "not-a-folder output-not-writable",
    ),
    "err28 quota": (CPU + "OSError: [Errno 122] Disk quota exceeded: '/home/u/a.jpg'", "disk-full"),
    "E2BIG": ("OSError: [Errno 7] Argument list too long: '/usr/bin/ffmpeg'", "unknown ffmpeg-failed"),
    "ELOOP": ("OSError: [Errno 40] Too many levels of symbolic links: '/data/src'", "link-loop"),
    "EMLINK": ("OSError: [Errno 31] Too many links: '/data/x'", "unknown disk-full"),
    "EINVAL path": ("OSError: [Errno 22] Invalid argument: 'D:\\\\ws\\\\a:b.png'", "file-name-not-allowed"),
    "EFBIG": (CPU + "OSError: [Errno 27] File too large: '/media/usb/aligned.zip'", "file-too-large"),
    "winerror123": (
        "OSError: [WinError 123] The filename, directory name, or volume label syntax is incorrect: 'D:\\\\ws\\\\\"data_src\"'",
        "file-name-not-allowed",
    ),
    "xid61": (
        CPU
        + "kernel: NVRM: Xid (PCI:0000:01:00): 61, pid='<unknown>', name=<unknown>, 0cec(3098) 00000000 00000000",
        "tdr-launch-failed gpu-memcpy-failed",
    ),
    "xid74": (
        CPU + "kernel: NVRM: Xid (PCI:0000:3b:00): 74, NVLink: fatal error detected on link 4",
        "xid-79-off-bus nvlink",
    ),
    "xid154": (
        CPU
        + "NVRM: Xid (PCI:0000:01:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)",
        "xid tdr-launch-failed cuinit-unknown unknown xid-79-off-bus",
    ),
    "xid119": (
        CPU
        + "NVRM: Xid (PCI:0000:01:00): 119, pid=8422, name=python, Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76",
        "tdr-launch-failed",
    ),
    "cl not avail": (
        "plaidml.exceptions.PlaidMLError: CL_DEVICE_NOT_AVAILABLE",
        "gpu-busy cuinit-unknown unknown no-opencl",
    ),
    "cl not found": (
        "pyopencl._cl.LogicError: clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR",
        "unknown cuinit-unknown",
    ),
    "exit 135": (
        "Running on CPU0\nProcess finished with exit code 135 (interrupted by signal 7: SIGBUS)",
        "shm-semaphore-exhausted worker-native-crash",
    ),
    "sigbus file": (
        'Running on CPU0\nFatal Python error: Bus error\n\nThread 0x00007f (most recent call first):\n  File "numpy/core/memmap.py", line 264 in __new__\n',
        "shm-semaphore-exhausted worker-native-crash failing-disk unknown",
    ),
    "137": ("Extracting faces...\nRunning on CPU0\ncontainer exited with code 137\n", "linux-oom-killer"),
    "Getotet": (CPU + "Getötet\n", "linux-oom-killer"),
    "Killed fr": (CPU + "Processus arrêté\n", "linux-oom-killer"),
    "Убито": (CPU + "Убито\n", "linux-oom-killer"),
    "已杀死": (CPU + "已杀死\n", "linux-oom-killer"),
    "Terminado matado": (CPU + "Terminado (killed)\n", "linux-oom-killer"),
    "Killed win paths": (
        CPU + "/usr/bin/bash: line 1:  2345 Killed                  python main.py extract\n",
        "linux-oom-killer",
    ),
    "Kill fr": (CPU + "Tué\n", "linux-oom-killer"),
    "np mem": (
        CPU
        + "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 23.7 MiB for an array with shape (1080, 1920, 3) and data type float32",
        "host-memoryerror",
    ),
    "np huge": (
        CPU
        + "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 14.9 TiB for an array with shape (1080, 1920, 3) and data type float32",
        "host-memoryerror huge-image",
    ),
    "torch ill": (
        GPU + "RuntimeError: CUDA error: an illegal memory access was encountered",
        "gpu-memcpy-failed tdr-launch-failed",
    ),
    "torch AcceleratorError": (
        GPU + "torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device",
        "no-kernel-image",
    ),
    "torch launch": (GPU + "RuntimeError: CUDA error: unspecified launch failure", "tdr-launch-failed"),
    "torch invalid arg": (GPU + "RuntimeError: CUDA error: invalid argument", "unknown gpu-memcpy-failed"),
    "torch unknown err": (
        GPU
        + "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero.",
        "cuinit-unknown",
    ),
    "cuda err unknown": (
        GPU + "RuntimeError: CUDA error: unknown error",
        "cuinit-unknown tdr-launch-failed gpu-memcpy-failed",
    ),
    "cuda init err": ("RuntimeError: CUDA error: initialization error", "cuinit-unknown driver-too-old"),
    "uncorrectable": (GPU + "RuntimeError: CUDA error: uncorrectable ECC error encountered", "ecc-error"),
    "cudnn9 names": (
        GPU + "RuntimeError: cuDNN error: CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED",
        "cudnn-sublibrary-missing",
    ),
    "cudnn9 exec": (
        GPU + "RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED_CUDART",
        "wrong-build-new-gpu",
    ),
    "cudnn mapping": (
        GPU + "RuntimeError: cuDNN error: CUDNN_STATUS_MAPPING_ERROR",
        "wrong-build-new-gpu gpu-memcpy-failed",
    ),
    "cudnn notinit torch": (
        GPU + "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "cudnn-handle-oom",
    ),
    "cudnn not supp": (
        GPU
        + "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
        "unknown",
    ),
    "cublas exec torch": (
        GPU
        + "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa)`",
        "wrong-build-new-gpu gpu-memcpy-failed",
    ),
    "cublas invalid": (
        GPU + "RuntimeError: CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasGemmEx`",
        "unknown library-wrong-version",
    ),
    "trt benign ok": (
        "2024 W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: Could not find TensorRT\nExtracting faces...\nRunning on CPU0\n100%|##########| 4/4 [00:10<00:00,  2.50s/it]\nImages found:        4\nFaces detected:      4\nDone.\n",
        "healthy",
    ),
    "cudart benign + keyerror": (
        "W dso_loader.cc:60] Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file: No such file or directory\nI cudart_stub.cc:29] Ignore above cudart dlerror if you do not have a GPU set up on your machine.\nTraceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/mypkg/a.py\", line 10, in f\n    x()\nKeyError: 'landmarks'",
        "unknown poison-frame",
    ),
    "cudart benign + oom": (
        "W dso_loader.cc:60] Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file: No such file or directory\nRunning on CPU0\n 10%|#         | 9/90 [00:10<01:30,  1.00it/s]\nKilled\n",
        "linux-oom-killer",
    ),
    "protobuf": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/tensorflow/core/framework/tensor_shape_pb2.py", line 10, in f\n    x()\nTypeError: Descriptors cannot be created directly.\nIf this call came from a _pb2.py file, your generated code is out of date',
        "protobuf-descriptors",
    ),
    "multiarray": ("ImportError: numpy.core.multiarray failed to import", "numpy-abi-mismatch"),
    "numpy c-ext": (
        "ImportError: \n\nIMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!\n\nImporting the numpy C-extensions failed. This error can happen for\nmany reasons, often due to issues with your setup or how NumPy was\ninstalled.\n\nOriginal error was: DLL load failed while importing _multiarray_umath: The specified module could not be found.\n",
        "numpy-abi-mismatch library-missing",
    ),
    "numpy c-ext 2": (
        "ImportError: Unable to import required dependencies:\nnumpy: \n\nIMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!\n\nImporting the numpy C-extensions failed. \nOriginal error was: No module named 'numpy.core._multiarray_umath'\n",
        "numpy-abi-mismatch library-missing",
    ),
    "np.bool": (
        "AttributeError: module 'numpy' has no attribute 'bool'.\n`np.bool` was a deprecated alias for the builtin `bool`.",
        "np-int-removed",
    ),
    "np.Inf": (
        "AttributeError: `np.Inf` was removed in the NumPy 2.0 release. Use `np.inf` instead.",
        "np-int-removed",
    ),
    "np.dtypes": (
        "AttributeError: module 'numpy' has no attribute 'dtypes'",
        "numpy-abi-mismatch package-mismatch np-int-removed numpy-too-old unknown",
    ),
    "keras name": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/x/a.py\", line 10, in f\n    x()\nImportError: cannot import name 'Adam' from 'keras.optimizers' (/usr/local/lib/python3.7/dist-packages/keras/optimizers.py)",
        "tf-api-mismatch",
    ),
    "keras bare": (
        "ImportError: cannot import name 'multi_gpu_model'",
        "tf-api-mismatch unknown package-mismatch",
    ),
    "keras load": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/keras/src/models/model.py", line 10, in f\n    x()\nValueError: File format not supported: filepath=model.h5. Keras 3 only supports V3 `.keras` files',
        "unknown tf-api-mismatch",
    ),
    "gradio": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/gradio/utils.py\", line 10, in f\n    x()\nImportError: cannot import name 'HfFolder' from 'huggingface_hub' (/x/huggingface_hub/__init__.py)",
        "package-mismatch",
    ),
    "gradio port": ("OSError: Cannot find empty port in range: 7860-7860.", "unknown"),
    "mediapipe noise": (
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nW0000 00:00:1 inference_feedback_manager.cc:114] Feedback manager requires a model with a single signature inference. Disabling support for feedback tensors.\nExtracting faces...\nRunning on CPU0\n100%|##########| 4/4 [00:10<00:00,  2.50s/it]\nImages found:        4\nFaces detected:      4\nDone.\n",
        "healthy",
    ),
    "ffmpeg deprecated": (
        "[swscaler @ 0x55] deprecated pixel format used, make sure you did set range correctly\nExtracting faces...\nRunning on CPU0\n100%|##########| 4/4 [00:10<00:00,  2.50s/it]\nImages found:        4\nFaces detected:      4\nDone.\n",
        "healthy",
    ),
    "ffmpeg h264 err": (
        "[h264 @ 0x55] error while decoding MB 10 20, bytestream -5\n[mov,mp4 @ 0x1] moov atom not found\nsrc.mp4: Invalid data found when processing input\n",
        "ffmpeg-failed",
    ),
    "moov in ok": (
        "[mov] moov atom not found\nExtracting faces...\nRunning on CPU0\n 10%|#         | 9/90 [00:10<01:30,  1.00it/s]\nOSError: [Errno 28] No space left on device: '/a/1.jpg'",
        "disk-full",
    ),
    "onnx ver": (
        "onnxruntime.capi.onnxruntime_pybind11_state.Fail: [ONNXRuntimeError] : 1 : FAIL : Load model from x.onnx failed:Unsupported model IR version: 9, max supported IR version: 8",
        "unknown package-mismatch model-too-new",
    ),
    "onnx opset": (
        "onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented: [ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for ConvInteger(10) node",
        "unknown package-mismatch",
    ),
    "onnx invalid graph": (
        "[ONNXRuntimeError] : 10 : INVALID_GRAPH : Load model from x.onnx failed:This is an invalid model.",
        "model-file-corrupt unknown",
    ),
    "onnx cuda": (
        "[E:onnxruntime:Default, provider_bridge_ort.cc:1480 onnxruntime::TryGetProviderInfo_CUDA] Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.11: cannot open shared object file: No such file or directory",
        "cuda-dso-missing-silent-cpu linux-cuda-so-missing",
    ),
    "onnx dml": (
        "2024 [E:onnxruntime:, sequential_executor.cc:514] Non-zero status code returned while running Conv node. Status Message: D:\\a\\dml\\MLOperatorAuthorImpl.cpp(2557)\\onnxruntime.pyd: (caller: 00007F) Exception(3) tid(4) 887A0006 The GPU will not respond to more commands",
        "dml-device-removed",
    ),
    "onnx dml oom": (
        "onnxruntime RUNTIME_EXCEPTION : DmlCommittedResourceAllocator.cpp(22)\\onnxruntime.pyd: (caller: 0) Exception(2) tid(1) 8007000E Not enough memory resources are available to complete this operation.",
        "gpu-oom-tensor",
    ),
    "onnx cudnn fail": (
        "CUDNN failure 4: CUDNN_STATUS_INTERNAL_ERROR ; GPU=0 ; hostname=X ; file=cuda_execution_provider.cc",
        "cudnn-handle-oom",
    ),
    "onnx cuda 700": (
        "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
        "gpu-memcpy-failed tdr-launch-failed",
    ),
    "onnx cuda 35": (
        "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=0",
        "driver-too-old",
    ),
    "onnx cublas": ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", "cublas-alloc-failed"),
    "pth zip": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/torch/serialization.py", line 10, in f\n    x()\nRuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory',
        "model-file-corrupt",
    ),
    "weights_only": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/torch/serialization.py", line 10, in f\n    x()\n_pickle.UnpicklingError: Weights only load failed. This file can still be loaded, to do so you have two options\n WeightsUnpickler error: Unsupported global: GLOBAL numpy.core.multiarray.scalar was not an allowed global by default.',
        "unknown package-mismatch weights-only",
    ),
    "state dict": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/torch/nn/modules/module.py", line 10, in f\n    x()\nRuntimeError: Error(s) in loading state_dict for FAN:\n\tMissing key(s) in state_dict: "conv1.weight".',
        "unknown model-version",
    ),
    "h5 sig": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/h5py/_hl/files.py", line 10, in f\n    x()\nOSError: Unable to open file (file signature not found)',
        "model-file-corrupt",
    ),
    "h5 lock": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/h5py/_hl/files.py\", line 10, in f\n    x()\nBlockingIOError: [Errno 11] Unable to open file (unable to lock file, errno = 11, error message = 'Resource temporarily unavailable')",
        "file-in-use",
    ),
    "h5 synch": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/h5py/_hl/files.py", line 10, in f\n    x()\nOSError: Unable to synchronously open file (truncated file: eof = 3145728, sblock->base_addr = 0, stored_eof = 9323032)',
        "model-file-corrupt",
    ),
    "h5 missing": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/h5py/_hl/files.py\", line 10, in f\n    x()\nOSError: Unable to open file (unable to open file: name = 'model.h5', errno = 2, error message = 'No such file or directory', flags = 0, o_flags = 0)",
        "model-file-missing unknown",
    ),
    "zip": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/zipfile.py", line 10, in f\n    x()\nzipfile.BadZipFile: File is not a zip file',
        "corrupt-archive unknown model-file-corrupt",
    ),
    "pil": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/PIL/Image.py\", line 10, in f\n    x()\nPIL.UnidentifiedImageError: cannot identify image file 'D:\\\\x\\\\1.png'",
        "imread-failed decoder-warnings unknown poison-frame",
    ),
    "pil trunc": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/PIL/ImageFile.py", line 10, in f\n    x()\nOSError: image file is truncated (5 bytes not processed)',
        "imread-failed decoder-warnings unknown",
    ),
    "pil bomb": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/PIL/Image.py", line 10, in f\n    x()\nPIL.Image.DecompressionBombError: Image size (324000000 pixels) exceeds limit of 178956970 pixels, could be decompression bomb DOS attack.',
        "huge-image",
    ),
    "cv cvtcolor": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/x.py\", line 10, in f\n    x()\ncv2.error: OpenCV(4.5.1) color.cpp:182: error: (-215:Assertion failed) !_src.empty() in function 'cv::cvtColor'",
        "imread-failed unknown non-ascii-path poison-frame",
    ),
    "cv gpu": (
        "cv2.error: OpenCV(4.5.5) cuda_info.cpp:62: error: (-217:Gpu API call) no CUDA-capable device is detected in function 'getCudaEnabledDeviceCount'",
        "cuinit-unknown",
    ),
    "cv no cuda": (
        "cv2.error: OpenCV(4.5.5) (-216:No CUDA support) The library is compiled without CUDA support in function 'throw_no_cuda'",
        "cpu-only-build",
    ),
    "cv cuda dnn": (
        "cv2.error: OpenCV(4.5.2) op_cuda.hpp:39: error: (-216:No CUDA support) OpenCV was not built to work with the selected device. Please check CUDA_ARCH_PTX or CUDA_ARCH_BIN in your build configuration.",
        "no-kernel-image cpu-only-build unknown",
    ),
    "typing": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/tensorflow/x.py\", line 10, in f\n    x()\nImportError: cannot import name 'Literal' from 'typing' (/usr/lib/python3.7/typing.py)",
        "package-mismatch python-too-old unknown",
    ),
    "importlib": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/x/y.py\", line 10, in f\n    x()\nAttributeError: 'EntryPoints' object has no attribute 'get'",
        "unknown package-mismatch",
    ),
    "pkg_resources": ("ModuleNotFoundError: No module named 'pkg_resources'", "module-not-found"),
    "pil antialias": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/x.py\", line 10, in f\n    x()\nAttributeError: module 'PIL.Image' has no attribute 'ANTIALIAS'",
        "package-mismatch",
    ),
    "skimage": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/x.py\", line 10, in f\n    x()\nAttributeError: module 'skimage' has no attribute 'io'",
        "package-mismatch",
    ),
    "shadow": (
        "Traceback (most recent call last):\n  File \"D:\\w\\test.py\", line 1, in <module>\n    import cv2\n  File \"D:\\w\\cv2.py\", line 3\nAttributeError: partially initialized module 'cv2' has no attribute 'imread' (most likely due to a circular import)",
        "script-shadows-module",
    ),
    "shadow random": (
        "Traceback (most recent call last):\n  File \"C:\\w\\random.py\", line 3, in <module>\nImportError: cannot import name 'Random' from partially initialized module 'random' (most likely due to a circular import) (C:\\w\\random.py)",
        "script-shadows-module",
    ),
    "dnn lib": (
        "2023 E tensorflow/compiler/xla/stream_executor/cuda/cuda_dnn.cc:439] Could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED\nE cuda_dnn.cc:443] Memory usage: 1048576 bytes free, 8589934592 bytes total.\nUnimplementedError: DNN library is not found.",
        "cudnn-handle-oom",
    ),
    "jit compile": (
        "E tensorflow/stream_executor/cuda/cuda_driver.cc: failed to load PTX text as a module: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available",
        "no-kernel-image",
    ),
    "cuda no dev + disk": (
        "E cuda_driver.cc:271] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\nRunning on CPU0\n 10%|#         | 9/90 [00:10<01:30,  1.00it/s]\nOSError: [Errno 28] No space left on device: '/x/1.jpg'",
        "disk-full",
    ),
    "nccl": (
        "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.",
        "unknown",
    ),
    "dataloader killed": (
        "RuntimeError: DataLoader worker (pid 1234) is killed by signal: Killed.",
        "linux-oom-killer",
    ),
    "dataloader bus": (
        "RuntimeError: DataLoader worker (pid 1234) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory.",
        "shm-semaphore-exhausted",
    ),
    "dataloader segv": (
        "RuntimeError: DataLoader worker (pid(s) 1234) exited unexpectedly",
        "unknown worker-native-crash",
    ),
    "broken pool": (
        "concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while the future was running or pending.",
        "unknown worker-native-crash",
    ),
    "mps": ("RuntimeError: MPS backend out of memory (MPS allocated: 18.00 GB)", "gpu-oom-tensor"),
    "mps notimpl": (
        "NotImplementedError: The operator 'aten::upsample_bicubic2d.out' is not currently implemented for the MPS device.",
        "unknown",
    ),
    "hsa": ("hipErrorNoBinaryForGpu: Unable to find code object for all current devices!", "no-kernel-image"),
    "rocm hip": (
        "RuntimeError: HIP error: the operation cannot be performed in the present state",
        "unknown",
    ),
    "amdgpu reset": (
        CPU
        + "kernel: amdgpu 0000:03:00.0: amdgpu: GPU reset begin!\nkernel: [drm:amdgpu_job_timedout] *ERROR* ring gfx_0.0.0 timeout, signaled seq=1",
        "tdr-launch-failed dml-device-removed",
    ),
    "nvidia-smi none": (
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "cuinit-unknown",
    ),
    "nvml no devices": ("No devices were found", "unknown cuinit-unknown"),
    "unable to determine": (
        "Unable to determine the device handle for GPU0000:01:00.0: Unknown Error",
        "xid-79-off-bus",
    ),
    "nvml unknown err": (
        "Failed to initialize NVML: Unknown Error",
        "cuinit-unknown unknown libcuda-missing-container",
    ),
    "ssl": (
        "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1056)",
        "download-failed",
    ),
    "hf": (
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url: /x (Caused by NameResolutionError)",
        "download-failed",
    ),
    "gdown": (
        "Cannot retrieve the public link of the file. You may need to change the permission to 'Anyone with the link', or have had many accesses.",
        "download-failed unknown",
    ),
    "wget 404": ("urllib.error.HTTPError: HTTP Error 404: Not Found", "download-failed"),
    "pip hash": (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
        "unknown pip-no-distribution download-failed",
    ),
    "pip disk": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "disk-full",
    ),
    "pip perm": (
        "ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: 'c:\\\\python\\\\lib\\\\site-packages\\\\cv2.pyd'\nConsider using the `--user` option or check the permissions.",
        "output-not-writable unknown file-in-use",
    ),
    "pip memory": ("Collecting torch\n  Downloading torch.whl (800 MB)\nMemoryError", "host-memoryerror"),
    "pip timeout": (
        "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='files.pythonhosted.org', port=443): Read timed out.",
        "download-failed",
    ),
    "git": (
        "fatal: unable to access 'https://github.com/iperov/DeepFaceLab.git/': Could not resolve host: github.com",
        "download-failed",
    ),
    "winerror 10013": (
        "OSError: [WinError 10013] An attempt was made to access a socket in a way forbidden by its access permissions",
        "unknown",
    ),
    "winerror 10054": (
        "ConnectionResetError: [WinError 10054] An existing connection was forcibly closed by the remote host",
        "unknown",
    ),
    "winerror 2": (
        "FileNotFoundError: [WinError 2] The system cannot find the file specified",
        "unknown program-not-started ffmpeg-failed",
    ),
    "winerror 87": ("OSError: [WinError 87] The parameter is incorrect: 'D:\\\\x'", "unknown"),
    "winerror 183": (
        "FileExistsError: [WinError 183] Cannot create a file when that file already exists: 'D:\\\\ws\\\\aligned'",
        "unknown",
    ),
    "winerror 145": (
        "OSError: [WinError 145] The directory is not empty: 'D:\\\\ws\\\\aligned_debug'",
        "unknown file-in-use",
    ),
    "winerror 17": (
        "OSError: [WinError 17] The system cannot move the file to a different disk drive: 'D:\\\\a' -> 'E:\\\\b'",
        "unknown",
    ),
    "errno 18": ("OSError: [Errno 18] Invalid cross-device link: '/a' -> '/b'", "unknown"),
    "errno 2 file": (
        CPU
        + "Traceback (most recent call last):\n  File \"D:\\DFL\\_internal\\DeepFaceLab\\core/cv2ex.py\", line 10, in f\n    open(x)\nFileNotFoundError: [Errno 2] No such file or directory: 'D:\\\\ws\\\\data_src\\\\0001.png'",
        "unknown imread-failed poison-frame input-file-gone",
    ),
    "errno 4": ("InterruptedError: [Errno 4] Interrupted system call", "unknown"),
    "recursion": ("RecursionError: maximum recursion depth exceeded in comparison", "unknown"),
    "assert": (
        'Traceback (most recent call last):\n  File "D:\\DFL\\_internal\\DeepFaceLab\\core/x.py", line 10, in f\n    assert\nAssertionError',
        "unknown",
    ),
    "tk": ("_tkinter.TclError: no display name and no $DISPLAY environment variable", "qt-xcb-headless"),
    "gtk": ("(python:123): Gtk-WARNING **: cannot open display: ", "qt-xcb-headless"),
    "waitkey": (
        "cv2.error: OpenCV(4.1.0) error: (-2:Unspecified error) Can't initialize GTK backend in function 'cvInitSystem'",
        "qt-xcb-headless",
    ),
    "avx2": (
        "F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was compiled to use AVX2 instructions, but these aren't available on your machine.",
        "no-avx",
    ),
    "ill cuda": (
        GPU + "RuntimeError: CUDA error: an illegal instruction was encountered",
        "gpu-memcpy-failed",
    ),
    "python not found": (
        "'python' is not recognized as an internal or external command,\noperable program or batch file.",
        "program-not-started",
    ),
    "no module main": (
        "python: can't open file 'main.py': [Errno 2] No such file or directory",
        "colab-runtime program-not-started",
    ),
    "f-string": (
        '  File "main.py", line 41\n    print(f"x {y}")\n                 ^\nSyntaxError: invalid syntax',
        "python-too-old",
    ),
    "match py": ("TypeError: 'type' object is not subscriptable", "unknown python-too-old"),
    "union": (
        "TypeError: unsupported operand type(s) for |: 'type' and 'NoneType'",
        "unknown python-too-old",
    ),
    "walrus": (
        '  File "/opt/env/lib/python3.7/site-packages/x/y.py", line 41\n    if (n := 3):\n          ^\nSyntaxError: invalid syntax',
        "python-too-old unknown package-mismatch",
    ),
    "json": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/json/decoder.py", line 10, in f\n    x()\njson.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)',
        "settings-file-damaged unknown",
    ),
    "pickle proto": ("ValueError: unsupported pickle protocol: 5", "python-too-old unknown"),
    "np pickle false": (
        "ValueError: Object arrays cannot be loaded when allow_pickle=False",
        "unknown package-mismatch",
    ),
    "tf eager": ("RuntimeError: tf.placeholder() is not compatible with eager execution.", "tf-api-mismatch"),
    "tf op reg": (
        "NotFoundError: Op type not registered 'DivNoNan' in binary running on X",
        "tf-api-mismatch",
    ),
    "shape": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/tensorflow/python/client/session.py\", line 10, in f\n    x()\nValueError: Cannot feed value of shape (1, 3) for Tensor 'x:0', which has shape '(?, 4)'",
        "unknown",
    ),
    "nhwc cpu": (
        'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/tensorflow/python/client/session.py", line 10, in f\n    x()\ntensorflow.python.framework.errors_impl.UnimplementedError: The Conv2D op currently only supports the NHWC tensor format on the CPU. The op was given the format: NCHW',
        "cuda-dso-missing-silent-cpu",
    ),
    "resource gpu tf2": (
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: failed to allocate memory [Op:Mul]",
        "gpu-oom-tensor",
    ),
    "oom on cpu tf": (
        "ResourceExhaustedError: OOM when allocating tensor with shape[100,64,64,64] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu",
        "host-memoryerror",
    ),
    "alloc exceeds": (
        "W tensorflow/core/framework/allocator.cc:107] Allocation of 37748736 exceeds 10% of system memory.\nKilled\n",
        "linux-oom-killer",
    ),
    "alloc exceeds ok": (
        "W tensorflow/core/framework/cpu_allocator_impl.cc:80] Allocation of 37748736 exceeds 10% of free system memory.\nExtracting faces...\nRunning on CPU0\n100%|##########| 4/4 [00:10<00:00,  2.50s/it]\nImages found:        4\nFaces detected:      4\nDone.\n",
        "healthy",
    ),
    "bluescreen": ("The computer has rebooted from a bugcheck.  The bugcheck was: 0x00000124", "psu-reboot"),
    "nvlddmkm": (
        "Display driver nvlddmkm stopped responding and has successfully recovered.",
        "tdr-launch-failed",
    ),
    "hang nv": (
        CPU + "kernel: INFO: task python:1234 blocked for more than 120 seconds.",
        "unknown failing-disk extractor-deadlocked",
    ),
    "ext4 ro": (
        CPU
        + "EXT4-fs (sda1): Remounting filesystem read-only\nOSError: [Errno 30] Read-only file system: '/data/aligned/1.jpg'",
        "failing-disk output-not-writable",
    ),
    "usb": (
        CPU
        + "kernel: usb 2-1: USB disconnect, device number 4\nOSError: [Errno 5] Input/output error: '/mnt/x/1.png'",
        "drive-gone failing-disk",
    ),
    "snapd": ("bash: python: command not found", "program-not-started"),
    "conda": (
        "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://repo.anaconda.com/pkgs/main/win-64/current_repodata.json>",
        "download-failed",
    ),
    "conda solve": (
        "UnsatisfiableError: The following specifications were found to be incompatible with each other",
        "pip-no-distribution",
    ),
    "torchvision": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/torchvision/x.py\", line 10, in f\n    x()\nModuleNotFoundError: No module named 'torchvision.transforms.functional_tensor'",
        "package-mismatch module-not-found",
    ),
    "attr submodule": ("ModuleNotFoundError: No module named 'keras.utils.generic_utils'", "tf-api-mismatch"),
    "mp spawn pickling": (
        "AttributeError: Can't pickle local object 'main.<locals>.f'",
        "mp-bootstrap-error",
    ),
    "dlib": (
        "RuntimeError: Error while calling cudaOccupancyMaxPotentialBlockSize(&num_blocks,&num_threads,K) in file /dlib/cuda_utils.h:164. code: 98, reason: invalid device function",
        "no-kernel-image",
    ),
    "dlib cuda": (
        "RuntimeError: Error while calling cudaGetDevice(&the_device_id) in file gpu_data.cpp:201. code: 35, reason: CUDA driver version is insufficient for CUDA runtime version",
        "driver-too-old",
    ),
    "cufft": ("RuntimeError: cuFFT error: CUFFT_INTERNAL_ERROR", "unknown wrong-build-new-gpu"),
    "cusolver": (
        "RuntimeError: cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnCreate(handle)`",
        "unknown cublas-alloc-failed",
    ),
    "decord noise DONE": (
        "[libprotobuf WARNING google/protobuf/io/coded_stream.cc:604] Reading dangerously large protocol message.\nExtracting faces...\nRunning on CPU0\n100%|##########| 4/4 [00:10<00:00,  2.50s/it]\nImages found:        4\nFaces detected:      4\nDone.\n",
        "healthy",
    ),
    "symbols lookup": (
        "python: symbol lookup error: /usr/lib/libcublas.so.11: undefined symbol: cublasLtGetEnvironmentMode, version libcublasLt.so.11",
        "library-wrong-version",
    ),
    "pytorch sym": (
        "ImportError: /opt/env/lib/python3.8/site-packages/torch/lib/libtorch_cuda.so: undefined symbol: cudaGraphInstantiateWithFlags, version libcudart.so.11.0",
        "library-wrong-version",
    ),
    "cv2 procedure": (
        "ImportError: DLL load failed while importing cv2: The specified procedure could not be found.",
        "library-wrong-version",
    ),
    "api-ms": (
        "The program can't start because api-ms-win-crt-runtime-l1-1-0.dll is missing from your computer. Try reinstalling the program to fix this problem.",
        "tf-dll-missing library-missing",
    ),
    "python38.dll": (
        "The code execution cannot proceed because python36.dll was not found. Reinstalling the program may fix this problem.",
        "library-missing program-not-started tf-dll-missing",
    ),
    "side": (
        "The application has failed to start because its side-by-side configuration is incorrect.",
        "program-not-started",
    ),
    "torch shm.dll": (
        'OSError: [WinError 126] The specified module could not be found. Error loading "C:\\x\\torch\\lib\\shm.dll" or one of its dependencies.',
        "library-missing",
    ),
    "torch fbgemm": (
        'OSError: [WinError 127] The specified procedure could not be found. Error loading "C:\\x\\torch\\lib\\torch_python.dll" or one of its dependencies.',
        "library-wrong-version",
    ),
    "locale": (
        "UnicodeDecodeError: 'ascii' codec can't decode byte 0xc3 in position 0: ordinal not in range(128)",
        "non-ascii-path console-encode-error",
    ),
    "utf8 codec pip": (
        "Traceback (most recent call last):\n  File \"/opt/env/lib/python3.8/site-packages/pip/x.py\", line 10, in f\n    x()\nUnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        "unknown non-ascii-path console-encode-error",
    ),
    # A run on the CPU is whole, but the log says that the driver kept the card away.
    "mismatch, silently on the CPU": (MISMATCH + WHOLE, "driver-library-mismatch"),
    "mismatch, nvidia-smi after a run on the CPU": (
        WHOLE + "Failed to initialize NVML: Driver/library version mismatch\n",
        "driver-library-mismatch",
    ),
    "mismatch, the CPU was asked for": (
        "$ python main.py extract --cpu-only\n" + MISMATCH + WHOLE,
        "healthy",
    ),
    "mismatch, the card worked": (
        MISMATCH
        + WHOLE.replace("CPU0", "NVIDIA GeForce GTX 1650")
        .replace("10.3s", "3.30it")
        .replace("it/it", "it/s"),
        "healthy",
    ),
    "mismatch, the CPU was chosen beside a card": (
        "[CPU] : CPU\n  [0] : NVIDIA GeForce GTX 1650\n[0] Which GPU indexes to choose? : CPU\n"
        + WHOLE
        + "Failed to initialize NVML: Driver/library version mismatch\n",
        "healthy",
    ),
    "a tool typed after the failure": (
        'Traceback (most recent call last):\n  File "/x/dist-packages/tensorflow/python/pywrap_tensorflow.py", line 58, in <module>\nImportError: libcuda.so.1: cannot open shared object file: No such file or directory\nroot@e0:/w# nvidia-smi\nbash: nvidia-smi: command not found\n',
        "libcuda-missing-container",
    ),
    "own random.py": (
        "Traceback (most recent call last):\n  File \"/usr/lib/python3.9/tempfile.py\", line 3\nImportError: cannot import name 'Random' from 'random' (/home/a/w/random.py)\n",
        "script-shadows-module",
    ),
    "Python's own typing.py": (
        "ImportError: cannot import name 'Literal' from 'typing' (C:\\Python37\\Lib\\typing.py)\n",
        "package-mismatch",
    ),
    "driver too old, silently on the CPU": (
        "E cuda_driver.cc:271] failed call to cuInit: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: forward compatibility was attempted on non supported HW\n"
        + WHOLE,
        "driver-too-old",
    ),
    "driver too old, the CPU was asked for": (
        "E cuda_driver.cc:271] failed call to cuInit: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: forward compatibility was attempted on non supported HW\n$ python main.py extract --cpu-only\n"
        + WHOLE,
        "healthy",
    ),
}
"""Name: (log, the answers that are right for it, parted by blanks)."""


@pytest.mark.parametrize("name", WORDINGS)
def test_each_wording_is_named_for_what_it_is(name: str) -> None:
    text, right = WORDINGS[name]
    verdict = diagnose_text([("dfl.log", text.encode())])
    assert answer(verdict) in right.split()
