# ruff: noqa: E501 - the lines of real logs are long
"""Errors of many public threads, in their usual words: named for what they are, or unknown, never for a neighbour."""

from __future__ import annotations

import pytest

from dflwrap.common.verdict import Health
from dflwrap.diagnosis import diagnose_text

CASES = [
    ('torch oom', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\ntorch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 4.00 GiB total capacity; 3.2 GiB already allocated)\n', {'gpu-oom-tensor'}),
    ('tf2 oom', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\ntensorflow.python.framework.errors_impl.ResourceExhaustedError: Graph execution error:\n\nOOM when allocating tensor with shape[1,64,640,360] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc\n', {'gpu-oom-tensor'}),
    ('cublas create', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nE tensorflow/stream_executor/cuda/cuda_blas.cc:226] failed to create cublas handle: cublas error\nE tensorflow/stream_executor/cuda/cuda_blas.cc:229] Failure to initialize cublas may be due to OOM (cublas needs some free memory when you initialize it, and your deep-learning framework may have preallocated more than its fair share), or may be because this binary was not built with support for the GPU in your machine.\n', {'cublas-alloc-failed'}),
    ('dml oom', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nHRESULT failed with 0x8007000e: device_->CreateCommittedResource\n', {'gpu-oom-tensor'}),
    ('xla cudnn', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nE external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:456] Could not create cudnn handle: CUDNN_STATUS_INTERNAL_ERROR\nE external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:460] Memory usage: 3276800 bytes free, 8589606912 bytes total.\nDNN library is not found.\n', {'cudnn-handle-oom'}),
    ('cudart 35', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\ncudaGetDevice() failed. Status: CUDA driver version is insufficient for CUDA runtime version\n', {'driver-too-old'}),
    ('torch old driver', 'Traceback (most recent call last):\nRuntimeError: The NVIDIA driver on your system is too old (found version 10010). Please update your GPU driver\n', {'driver-too-old'}),
    ('no nvidia torch', 'Traceback (most recent call last):\nRuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU\n', {'cuinit-unknown', 'libcuda-missing-container'}),
    ('nvml mismatch', 'Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.161\n', {'driver-library-mismatch'}),
    ('cuinit 100', 'Extracting faces...\nRunning on CPU0\n  0%|          | 0/500 [00:00<?, ?it/s]\nE tensorflow/stream_executor/cuda/cuda_driver.cc:271] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n1%|          | 5/500 [00:40<1:00:00,  8.0s/it]\n', {'cuinit-unknown'}),
    ('xla cuinit', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nE external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:152] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)\n', {'cuinit-unknown', 'cuda-dso-missing-silent-cpu'}),
    ('illegal mem', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nRuntimeError: CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported\n', {'gpu-memcpy-failed'}),
    ('unspecified', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nF tensorflow/stream_executor/cuda/cuda_driver.cc:153] Failed setting context: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure\n', {'tdr-launch-failed'}),
    ('display driver event', 'Display driver nvlddmkm stopped responding and has successfully recovered.\n', {'tdr-launch-failed'}),
    ('event 153', 'Event ID 153: The description for Event ID 153 from source nvlddmkm cannot be found. \\Device\\Video3 Error occurred on GPUID: 100\n', {'tdr-launch-failed'}),
    ('cuda busy', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nRuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable\n', {'gpu-busy'}),
    ('sm86', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\ntensorflow.python.framework.errors_impl.InternalError: no kernel image is available for execution on the device [Op:Add]\n', {'no-kernel-image'}),
    ('ptxas silent', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nW tensorflow/stream_executor/gpu/asm_compiler.cc:63] Running ptxas --version returned 256\nW tensorflow/stream_executor/gpu/redzone_allocator.cc:314] Internal: ptxas exited with non-zero error code 256, output:\nRelying on driver to perform ptx compilation.\n100%|##########| 500/500 [02:03<00:00,  4.64it/s]\n-------------------------\nImages found:        500\nFaces detected:      490\n-------------------------\nDone.\n', {'healthy'}),
    ('libcudart import', 'Traceback (most recent call last):\nImportError: libcudart.so.10.0: cannot open shared object file: No such file or directory\n', {'linux-cuda-so-missing'}),
    ('tf2 missing dso gpu', "Running on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nW tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'cudnn64_8.dll'; dlerror: cudnn64_8.dll not found\nW tensorflow/core/common_runtime/gpu/gpu_device.cc:1850] Cannot dlopen some GPU libraries.\nSkipping registering GPU devices...\n", {'cuda-dso-missing-silent-cpu'}),
    ('cudnn ver', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nE tensorflow/stream_executor/cuda/cuda_dnn.cc:362] Loaded runtime CuDNN library: 8.0.5 but source was compiled with: 8.1.0.  CuDNN library needs to have matching major version and equal or higher minor version.\n', {'cudnn-version-mismatch'}),
    ('nvrtc', 'Traceback (most recent call last):\nImportError: libnvrtc.so.11.0: cannot open shared object file: No such file or directory\n', {'linux-cuda-so-missing'}),
    ('tf keras 3', "Traceback (most recent call last):\nAttributeError: module 'keras.backend' has no attribute 'set_session'\n", {'tf-api-mismatch'}),
    ('no module tf contrib', "Traceback (most recent call last):\nModuleNotFoundError: No module named 'tensorflow.contrib'\n", {'tf-api-mismatch'}),
    ('placeholder', 'Traceback (most recent call last):\nRuntimeError: tf.placeholder() is not compatible with eager execution.\n', {'tf-api-mismatch'}),
    ('np bool8', "Traceback (most recent call last):\nAttributeError: module 'numpy' has no attribute 'bool8'\n", {'np-int-removed'}),
    ('numpy dtype size', 'Traceback (most recent call last):\nValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject\n', {'numpy-abi-mismatch'}),
    ('multiarray', 'Traceback (most recent call last):\nImportError: numpy.core.multiarray failed to import\n', {'numpy-abi-mismatch'}),
    ('pkg_resources', "Traceback (most recent call last):\nModuleNotFoundError: No module named 'pkg_resources'\n", {'python-too-new', 'module-not-found'}),
    ('pip rust', "error: can't find Rust compiler\n  ERROR: Failed building wheel for tokenizers\n", {'pip-no-distribution'}),
    ('vc++ 14', 'error: Microsoft Visual C++ 14.0 or greater is required. Get it with "Microsoft C++ Build Tools"\n', {'pip-no-distribution'}),
    ('attr flags', "Traceback (most recent call last):\nAttributeError: module 'tensorflow.python.framework.ops' has no attribute '_TensorLike'\n", {'tf-api-mismatch'}),
    ('setuptools', 'Traceback (most recent call last):\n  File "/opt/env/lib/python3.12/site-packages/x/y.py", line 4, in <module>\nAttributeError: module \'pkgutil\' has no attribute \'ImpImporter\'. Did you mean: \'zipimporter\'?\n', {'python-too-new'}),
    ('glibcxx', "Traceback (most recent call last):\nImportError: /opt/conda/lib/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by /opt/x.so)\n", {'glibc-too-old'}),
    ('ssl', 'Traceback (most recent call last):\nImportError: DLL load failed while importing _ssl: The specified module could not be found.\n', {'library-missing'}),
    ('libomp mac', 'Traceback (most recent call last):\nOSError: dlopen(/opt/x/lib.so, 6): Library not loaded: @rpath/libomp.dylib\n  Reason: image not found\n', {'library-missing'}),
    ('illegal rosetta', 'zsh: illegal hardware instruction  python main.py extract\n', {'no-avx'}),
    ('abort trap mac', 'zsh: abort      python main.py extract\n', {'worker-native-crash'}),
    ('metal', "Metal device set to: Apple M1\nExtracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\ntensorflow.python.framework.errors_impl.InvalidArgumentError: Cannot assign a device for operation S3FD/conv1: Could not satisfy explicit device specification '/device:GPU:0'\n", {'cuda-dso-missing-silent-cpu'}),
    ('memoryerror', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nError while processing data: Traceback (most recent call last):\n  File "x.py", line 3, in y\nnumpy.core._exceptions._ArrayMemoryError: Unable to allocate 23.7 MiB for an array with shape (1080, 1920, 3) and data type float32\n', {'host-memoryerror'}),
    ('killed bash', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\n 40%|####      | 200/500 [02:03<03:03,  1.64it/s]\n./4_data_src_extract.sh: line 8:  5214 Killed                  $DFL_PYTHON "$DFL_SRC/main.py" extract\n', {'linux-oom-killer'}),
    ('slurm oom', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\n 40%|####      | 200/500 [02:03<03:03,  1.64it/s]\nslurmstepd: error: Detected 1 oom-kill event(s) in StepId=123.batch. Some of your processes may have been killed by the cgroup out-of-memory handler.\n', {'linux-oom-killer'}),
    ('commit', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nOSError: [WinError 1455] La fichier de pagination est insuffisant pour terminer cette opération\n', {'paging-file-too-small'}),
    ('openblas', 'OpenBLAS error: Memory allocation still failed after 10 retries, giving up.\n', {'host-memoryerror'}),
    ('shm docker', "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nRuntimeError: DataLoader worker (pid 123) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.\n", {'shm-semaphore-exhausted'}),
    ('segv py', 'Extracting faces...\nFatal Python error: Segmentation fault\n\nThread 0x00007f (most recent call first):\n  File "/opt/x.py", line 3 in y\n', {'worker-native-crash'}),
    ('assert', "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\npython: ../nptl/pthread_mutex_lock.c:117: ___pthread_mutex_lock: Assertion `mutex->__data.__owner == 0' failed.\nAborted (core dumped)\n", {'worker-native-crash', 'unknown'}),
    ('win crash popup', 'Faulting application name: python.exe, version: 3.6.8\nFaulting module name: nvcuda64.dll, version: 31.0\nException code: 0xc0000005\n', {'worker-native-crash', 'exit-code-005-import'}),
    ('cannot pickle', "Traceback (most recent call last):\nTypeError: cannot pickle 'module' object\n", {'mp-bootstrap-error'}),
    ('freeze support', 'Traceback (most recent call last):\nRuntimeError: \n        An attempt has been made to start a new process before the\n        current process has finished its bootstrapping phase.\n', {'mp-bootstrap-error'}),
    ('ro fs', "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nOSError: [Errno 30] Read-only file system: '/kaggle/input/aligned'\n", {'output-not-writable'}),
    ('nospace pip', 'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n', {'disk-full'}),
    ('win5 mkdir', "Traceback (most recent call last):\n    output_path.mkdir()\nPermissionError: [WinError 5] Access is denied: 'C:\\\\DFL\\\\workspace\\\\data_src\\\\aligned'\n", {'output-not-writable'}),
    ('winerror 32 unlink', "Traceback (most recent call last):\n    p.unlink()\nPermissionError: [WinError 32] El proceso no tiene acceso al archivo porque está siendo utilizado por otro proceso: 'x.jpg'\n", {'file-in-use'}),
    ('network', "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nOSError: [WinError 59] An unexpected network error occurred: 'Z:\\\\src\\\\1.png'\n", {'cloud-sync-folder'}),
    ('errno 117', "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nOSError: [Errno 117] Structure needs cleaning: '/data/x.png'\n", {'failing-disk'}),
    ('too long', "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nOSError: [Errno 36] File name too long: 'a'\n", {'path-too-long'}),
    ('errno 22', "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nOSError: [Errno 22] Invalid argument: 'C:\\\\ws\\\\data_src\\\\a?b.png'\n", {'unknown', 'file-name-not-allowed'}),
    ('no images', 'Images found:        0\nFaces detected:      0\nDone.\n', {'images-found-0'}),
    ('libpng', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nlibpng error: Read Error\n/!\\ Failed to open /data/12.png, reason: cv2_imread() fail.\n100%|##########| 500/500 [02:03<00:00,  4.64it/s]\n-------------------------\nImages found:        500\nFaces detected:      480\n-------------------------\nDone.\n', {'imread-failed'}),
    ('moov', '[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55] moov atom not found\ndata_src.mp4: Invalid data found when processing input\n', {'ffmpeg-failed'}),
    ('enter', 'Press any key to continue . . .\n', {'unknown'}),
    ('waiting', '[0] Which GPU indexes to choose? : \n', {'prompt-waiting'}),
    ('scheduler', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\n 40%|####      | 200/500 [02:03<03:03,  1.64it/s]\nslurmstepd: error: *** JOB 77 ON gpu01 CANCELLED AT 2021-02-14T10:00:00 DUE TO TIME LIMIT ***\n', {'ctrl-c'}),
    ('hup', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\n 40%|####      | 200/500 [02:03<03:03,  1.64it/s]\nHangup\n', {'ctrl-c'}),
    ('sigterm docker', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\n 40%|####      | 200/500 [02:03<03:03,  1.64it/s]\nReceived signal 15, shutting down\n', {'ctrl-c'}),
    ('sleep', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\n 40%|####      | 200/500 [02:03<03:03,  1.64it/s]GeForce RTX 2070 doesnt response, terminating it.\nkernel: PM: suspend entry (deep)\nkernel: PM: suspend exit\n', {'sleep-hibernate'}),
    ('bsod', 'The computer has rebooted from a bugcheck.  The bugcheck was: 0x00000116 (VIDEO_TDR_ERROR)\n', {'psu-reboot'}),
    ('xid79', "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\n 40%|####      | 200/500 [02:03<03:03,  1.64it/s]\nNVRM: GPU at PCI:0000:01:00: GPU-x\nNVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.\n", {'xid-79-off-bus'}),
    ('thermal', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\n 40%|####      | 200/500 [02:03<03:03,  1.64it/s]\n    GPU Shutdown Temp : 98 C\n        SW Thermal Slowdown               : Active\n', {'thermal'}),
    ('ecc', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nRuntimeError: CUDA error: uncorrectable ECC error encountered\n', {'ecc-error'}),
    ('lfs', 'Traceback (most recent call last):\n  File "/opt/DeepFaceLab/core/leras/layers/Saveable.py", line 64, in load_weights\n_pickle.UnpicklingError: invalid load key, \'v\'.\n', {'model-file-corrupt'}),
    ('npy reshape', 'Traceback (most recent call last):\nValueError: cannot reshape array of size 1048576 into shape (3,3,512,1024)\n', {'unknown', 'model-file-corrupt'}),
    ('model missing', "Traceback (most recent call last):\nFileNotFoundError: [Errno 2] No such file or directory: '/opt/DeepFaceLab/facelib/2DFAN.npy'\n", {'model-file-missing'}),
    ('h5 trunc', 'Traceback (most recent call last):\nOSError: Unable to open file (truncated file: eof = 1024, sblock->base_addr = 0, stored_eof = 2048)\n', {'model-file-corrupt'}),
    ('h5 sig', 'Traceback (most recent call last):\nOSError: Unable to open file (file signature not found)\n', {'model-file-corrupt'}),
    ('novel1', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nError while processing data: Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/skimage/transform/_geometric.py", line 9, in estimate\nnumpy.linalg.LinAlgError: Array must not contain infs or NaNs\n', {'unknown', 'landmark-geometry'}),
    ('novel2', 'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/google/auth/_default.py", line 9, in default\ngoogle.auth.exceptions.DefaultCredentialsError: Could not automatically determine credentials.\nException: Unable to start subprocesses.\n', {'unknown'}),
    ('novel3', 'Error while subprocess initialization: Traceback (most recent call last):\n  File "/opt/DeepFaceLab/core/leras/nn.py", line 98, in initialize\nValueError: Unknown device type XPU\n\nException: Unable to start subprocesses.\n', {'unknown'}),
    ('novel4', 'Traceback (most recent call last):\n  File "/opt/env/lib/python3.8/site-packages/requests/sessions.py", line 9, in send\nUnicodeDecodeError: \'utf-8\' codec can\'t decode byte 0x92 in position 3: invalid start byte\n', {'unknown'}),
    ('novel6', 'Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n  0%|          | 0/500 [00:00<?, ?it/s]\nF tensorflow/core/util/tensor_slice.cc:41] Check failed: 1 == shape.dims() (1 vs. 3)\nGeForce RTX 2070 doesnt response, terminating it.\n', {'unknown'}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "accepted"), CASES, ids=[case[0] for case in CASES])
def test_a_log_of_the_field(name: str, text: str, accepted: set[str]) -> None:
    verdict = diagnose_text([("dfl.log", text.encode())])
    named = verdict.health is Health.FAILURE and verdict.primary is not None
    got = verdict.primary.id if named and verdict.primary is not None else verdict.health.value
    assert got in accepted, name
