# ruff: noqa: E501 - the lines of real logs are long
"""What stood under a neighbour, or nowhere: each in another guise than that of the thread it was found in."""

from __future__ import annotations

import pytest

from dflwrap.common.verdict import Health, Verdict
from dflwrap.diagnosis import diagnose_text, load_catalogue
from dflwrap.diagnosis.tables.statuses import tables


def judge(text: str) -> Verdict:
    return diagnose_text([("dfl.log", text.encode())])


def named(text: str) -> str | None:
    verdict = judge(text)
    return verdict.primary.id if verdict.primary and verdict.health is Health.FAILURE else None


START = "Extracting faces...\nRunning on NVIDIA GeForce RTX 3070\n  0%|          | 0/90 [00:00<?, ?it/s]\n"
NEIGHBOURS = {
    "ptx of a newer toolkit": (START + "RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.\n", "driver-too-old"),
    "driver hint of cuDNN": (START + "E tensorflow/stream_executor/cuda/cuda_dnn.cc:332] Could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED\nE cuda_dnn.cc:340] Possibly insufficient driver version: 388.13.0\n", "driver-too-old"),
    "errno 5 with a dying nvme": (START + "OSError: [Errno 5] Input/output error: '/films/0412.png'\nkernel: nvme0n1: I/O Cmd(0x2) @ LBA 61231104, 8 blocks, I/O Error\nkernel: critical medium error, dev nvme0n1, sector 61231104\n", "failing-disk"),
    "errno 5 on a drive of the cloud": (START + "OSError: [Errno 5] Input/output error: '/content/drive/MyDrive/src/0412.png'\n", "cloud-sync-folder"),
    "errno 5 on reading, no share named": (START + '  File "/x/imageio/core/request.py", line 300, in get_file\n    self._file = open(self.filename, "rb")\nOSError: [Errno 5] Input/output error: \'/films/0412.png\'\n', "disk-read-error"),
    "errno 5 on reading from a share": (START + '  File "/x/PIL/ImageFile.py", line 234, in load\n    s = read(self.decodermaxblock)\nOSError: [Errno 5] Input/output error: \'/run/user/1000/gvfs/smb-share:server=nas/0412.png\'\n', "cloud-sync-folder"),
    "memory of the OpenCL card": (START + "ERROR:plaidml:unable to run OpenCL kernel: CL_MEM_OBJECT_ALLOCATION_FAILURE\nplaidml.exceptions.ResourceExhausted: unable to run OpenCL kernel: CL_MEM_OBJECT_ALLOCATION_FAILURE\n", "gpu-oom-tensor"),
    "memory of the OpenCL host": (START + "plaidml.exceptions.Unknown: unable to enqueue OpenCL kernel: CL_OUT_OF_HOST_MEMORY\n", "host-memoryerror"),
    "no memory for each frame": ("Failed to extract from image: /a/1.png. Reason: bad allocation\n100%|##########| 90/90 [00:04<00:00, 21.80it/s]\nImages found:        90\nFaces detected:      0\nDone!\n", "host-memoryerror"),
    "no memory for an array": (START + "terminate called after throwing an instance of 'std::bad_array_new_length'\n  what():  std::bad_array_new_length\n", "host-memoryerror"),
    "output of a child read": ('  File "C:\\Python38\\lib\\subprocess.py", line 1366, in _readerthread\n    buffer.append(fh.read())\nUnicodeDecodeError: \'gbk\' codec can\'t decode byte 0x80 in position 2: illegal multibyte sequence\n', "console-encode-error"),
    "path read in a code page": (START + "  File \"D:\\DFL\\core\\pathex.py\", line 20, in get_image_paths\nUnicodeDecodeError: 'gbk' codec can't decode byte 0xaf in position 30: illegal multibyte sequence\n", "non-ascii-path"),
    "cuDNN, Windows' reason 126": (START + "Could not load library cudnn_cnn_infer64_8.dll. Error code 126\nPlease make sure cudnn_cnn_infer64_8.dll is in your library path!\n", "cudnn-sublibrary-missing"),
    "cuDNN, Windows' reason 127": (START + "Could not load library cudnn_cnn_infer64_8.dll. Error code 127\nPlease make sure cudnn_cnn_infer64_8.dll is in your library path!\n", "cudnn-version-mismatch"),
    "cuDNN, Windows' reason 193": (START + "Could not load library cudnn_cnn_infer64_8.dll. Error code 193\nPlease make sure cudnn_cnn_infer64_8.dll is in your library path!\n", "bad-image-dll"),
    "cuDNN, Windows' reason 1114": (START + "Could not load library cudnn_cnn_infer64_8.dll. Error code 1114\n", "library-init-failed"),
    "cuDNN, Windows' reason 1455": (START + "Could not load library cudnn_cnn_infer64_8.dll. Error code 1455\nPlease make sure cudnn_cnn_infer64_8.dll is in your library path!\n", "paging-file-too-small"),
    "cuDNN, Windows' reason 5": (START + "Could not load library cudnn_cnn_infer64_8.dll. Error code 5\nPlease make sure cudnn_cnn_infer64_8.dll is in your library path!\n", "library-access-denied"),
    "cuDNN, Windows' reason 4551": (START + "Could not load library cudnn_cnn_infer64_8.dll. Error code 4551\nPlease make sure cudnn_cnn_infer64_8.dll is in your library path!\n", "application-control"),
    "cuDNN, another version's symbol": (START + "Could not load library libcudnn_cnn_train.so.8. Error: /opt/cuda/lib/libcudnn_ops_train.so.8: symbol _Z22cudnnGenericOpTensorNd, version libcudnn_ops_infer.so.8 not defined in file libcudnn_ops_infer.so.8 with link time reference\nAborted\n", "cudnn-version-mismatch"),
    "cuDNN not unpacked whole": (START + "Could not load library libcudnn_cnn_infer.so.8. Error: /usr/lib/libcudnn_cnn_infer.so.8: file too short\n", "bad-image-dll"),
    "a folder for a file": (START + "IsADirectoryError: [Errno 21] Is a directory: '/data/src/old.png'\n", "not-a-folder"),
    "the drive is not ready": (START + "PermissionError: [WinError 21] The device is not ready: 'E:\\\\src'\n", "drive-gone"),
    "the card's memory, onnxruntime": (START + "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Status Message: bfc_arena.cc:376 onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 643840\n", "gpu-oom-tensor"),
    "a model that is not there, onnxruntime": (START + "NoSuchFile: [ONNXRuntimeError] : 3 : NO_SUCHFILE : Load model from det_10g.onnx failed. File doesn't exist\n", "model-file-missing"),
    "an address that is not the card's": (START + "E tensorflow/stream_executor/cuda/cuda_event.cc:29] Error polling for event status: failed to query event: CUDA_ERROR_MISALIGNED_ADDRESS: misaligned address\nF tensorflow/core/common_runtime/gpu/gpu_event_mgr.cc:273] Unexpected Event status: 1\n", "gpu-memcpy-failed"),
    "reading refused": ('  File "/opt/DeepFaceLab/mainscripts/Extractor.py", line 741, in main\n  File "/opt/DeepFaceLab/core/pathex.py", line 20, in get_image_paths\n    for x in scandir(str(path)):\nPermissionError: [Errno 13] Permission denied: \'/mnt/share/film\'\n', "input-not-readable"),
    "writing refused": ('  File "/opt/DeepFaceLab/mainscripts/Extractor.py", line 741, in main\n    output_path.mkdir(parents=True, exist_ok=True)\nPermissionError: [Errno 13] Permission denied: \'/mnt/share/film/aligned\'\n', "output-not-writable"),
    "protobuf too old": ("google.protobuf.runtime_version.VersionError: gencode 5.27.2 runtime 4.25.3. Runtime version cannot be older than the linked gencode version.\n", "protobuf-too-old"),
    "protobuf too new": ("TypeError: Descriptors cannot be created directly.\n", "protobuf-descriptors"),
    "headless OpenCV": ("cv2.error: OpenCV(4.9.0) window.cpp:1272: error: (-2:Unspecified error) The function is not implemented. Rebuild the library with Windows, GTK+ 2.x or Cocoa support.\n", "cv2-headless"),
    "no screen": ("qt.qpa.xcb: could not connect to display :0\nAborted (core dumped)\n", "qt-xcb-headless"),
    "OpenCV over OpenCV": ("AttributeError: module 'cv2' has no attribute 'imdecode'\n", "cv2-mixed-install"),
    "h5py 3": ('  File "/opt/env/lib/python3.7/site-packages/tensorflow_core/python/keras/saving/hdf5_format.py", line 651, in load_weights_from_hdf5_group\n    original_keras_version = f.attrs[\'keras_version\'].decode(\'utf8\')\nAttributeError: \'str\' object has no attribute \'decode\'\n', "h5py-too-new"),
    "window closed": (START + "forrtl: error (200): program aborting due to window-CLOSE event\n", "ctrl-c"),
    "interrupted in Fortran": (START + "forrtl: error (200): program aborting due to control-BREAK event\n", "ctrl-c"),
    "a DLL of the runtime": ("ImportError: Could not find the DLL(s) 'msvcp140_1.dll'. TensorFlow requires that these DLLs be installed\n", "tf-dll-missing"),
    "DirectML lost its card": (START + "F tensorflow/c/logging.cc:43] HRESULT failed with 0x887a0005: device->GetDeviceRemovedReason()\n", "dml-device-removed"),
    "RTX 50": ("W tf_gpu_runtime_wrappers.cc:40] 'cuModuleGetFunction(&function, module, kernel_name)' failed with 'CUDA_ERROR_INVALID_HANDLE'\n" + START, "no-kernel-image"),
    "no temporary folder": ("FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/root']\n", "no-temp-directory"),
    "address limit": ("ImportError: libcudnn_cnn_infer.so.8: failed to map segment from shared object: Cannot allocate memory\n", "host-memoryerror"),
    "numpy 2": ("AttributeError: `np.Inf` was removed in the NumPy 2.0 release. Use `np.inf` instead.\n", "np-int-removed"),
    "Python 3.12": ("ModuleNotFoundError: No module named 'distutils.util'\n", "python-too-new"),
    "OpenMP twice": ("OMP: Error #15: Initializing libomp140.x86_64.dll, but found libiomp5md.dll already initialized.\n", "openmp-twice"),
    "status of cuDNN 9": (START + "E cuda_dnn.cc:99] CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED\n", "cudnn-sublibrary-missing"),
    "row remapping": (START + "kernel: NVRM: Xid (PCI:0000:65:00): 64, pid=99, name=python3.8, Row Remapper: Error\n", "ecc-error"),
    "system processor": (START + "kernel: NVRM: Xid (PCI:0000:65:00): 119, pid=99, name=python, Timeout after 6s of waiting for RPC response from GPU0 GSP!\n", "tdr-launch-failed"),
}  # fmt: skip


@pytest.mark.parametrize("case", NEIGHBOURS)
def test_each_is_named_for_what_it_is(case: str) -> None:
    text, cause = NEIGHBOURS[case]
    assert named(text) == cause


NOT_STARTED = [
    "'\"\"' is not recognized as an internal or external command,\noperable program or batch file.\n",
    'C:\\Windows\\System32>call _internal\\setenv.bat\nDer Befehl "_internal\\setenv.bat" ist entweder falsch geschrieben oder\nkonnte nicht gefunden werden.\n',
    "'_internal\\setenv.bat' n’est pas reconnu en tant que commande interne\nou externe, un programme exécutable ou un fichier de commandes.\n",
    '"_internal\\setenv.bat" не является внутренней или внешней\nкомандой, исполняемой программой или пакетным файлом.\n',
    "'_internal\\setenv.bat' 不是内部或外部命令，也不是可运行的程序\n或批处理文件。\n",
    "Das System kann den angegebenen Pfad nicht finden.\n",
    "Системе не удается найти указанный путь.\n",
    "Python wurde nicht gefunden; ohne Argumente ausführen, um aus dem Microsoft Store zu installieren.\n",
    "Windows protected your PC\nMicrosoft Defender SmartScreen prevented an unrecognized app from starting.\n",
    "./4_data_src_extract_faces_S3FD.sh: line 3: $'\\r': command not found\n",
    "bash: ./4_data_src_extract_faces_S3FD.sh: Permission denied\n",
    "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
    "CondaError: Run 'conda init' before 'conda activate'\n",
    "Fatal Python error: init_fs_encoding: failed to get the Python codec of the filesystem encoding\n",
]


@pytest.mark.parametrize("text", NOT_STARTED)
def test_what_fails_before_python_starts_is_that(text: str) -> None:
    assert named(text) == "program-not-started"


def test_its_steps_are_for_what_is_wrong() -> None:
    def steps(text: str) -> str:
        primary = judge(text).primary
        assert primary is not None
        return " ".join(primary.steps)

    assert "not as administrator" in steps(NOT_STARTED[1])
    assert "App execution aliases" in steps(NOT_STARTED[7])
    assert "Unblock" in steps(NOT_STARTED[8])
    assert "line ends" in steps(NOT_STARTED[9])
    assert "chmod +x" in steps(NOT_STARTED[10])


def test_every_status_and_xid_leads_to_a_rule_or_is_explicitly_unknown() -> None:
    names, xids = tables()
    rules = load_catalogue().by_id
    assert len(names) >= 190
    assert len(xids) >= 120
    assert {status.rule for status in names.values()} - {""} <= set(rules)
    assert {xid.rule for xid in xids.values()} - {""} <= set(rules)
    assert all(status.meaning for status in names.values())


@pytest.mark.parametrize(
    "name",
    [
        "CUDNN_STATUS_BAD_PARAM",
        "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED",
        "CUBLAS_STATUS_NOT_SUPPORTED",
        "CUDA_ERROR_NEVER_HEARD_OF",
    ],
)
def test_a_status_that_tells_no_cause_is_the_unknown_error(name: str) -> None:
    verdict = judge(
        START
        + f"E tensorflow/stream_executor/cuda/x.cc:61] something said {name}\nNVIDIA GeForce RTX 3070 doesnt response, terminating it.\n"
    )
    assert (verdict.health, verdict.primary) == (Health.UNKNOWN, None)
    assert verdict.facts["unknown_error"]["type"] == name


def test_an_xid_is_told_in_words() -> None:
    primary = judge(START + "kernel: NVRM: Xid (PCI:0000:65:00): 54, pid=99, name=python\n").primary
    assert primary is not None
    assert "auxiliary power is not connected" in primary.explanation


@pytest.mark.parametrize(
    "line",
    [
        "'ffmpeg' is not recognized as an internal or external command,",
        "'ffprobe' is not recognized as an internal or external command,",
    ],
)
def test_a_missing_ffmpeg_is_its_own_cause(line: str) -> None:
    assert named(line + "\noperable program or batch file.\n") in ("ffmpeg-failed", "program-not-started")


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("0xC0000142", "library-init-failed"),
        ("-1073741511", "library-wrong-version"),
        ("3221225595", "bad-image-dll"),
        ("0xC0000006", "failing-disk"),
        ("-529697949", "worker-native-crash"),
        ("0xC0000428", "application-control"),
        ("0xC000013A", "ctrl-c"),
    ],
)
def test_a_status_of_windows_is_read_in_any_form(status: str, cause: str) -> None:
    assert (
        named(f"Extracting faces...\nRunning on GeForce GTX 1080\nProcess finished with exit code {status}\n")
        == cause
    )


NOTICED = "/opt/env/lib/python3.9/site-packages/"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "torch/cuda/__init__.py:80: UserWarning: CUDA initialization: The NVIDIA driver on your system"
            " is too old (found version 9010).",
            "driver-too-old",
        ),
        (
            "torch/cuda/__init__.py:146: UserWarning: NVIDIA H100 with CUDA capability sm_90 is not compatible"
            " with the current PyTorch installation.",
            "no-kernel-image",
        ),
        (
            "onnxruntime/capi/session.py:65: UserWarning: Specified provider 'CUDAExecutionProvider' is not in"
            " available provider names.Available providers: 'AzureExecutionProvider, CPUExecutionProvider'",
            "cpu-only-build",
        ),
    ],
)
def test_what_a_warning_says_goes_before_that_it_is_one(line: str, cause: str) -> None:
    assert named(NOTICED + line + "\n") == cause


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "UnimplementedError: Generic conv implementation only supports NHWC tensor format for now.",
            "cuda-dso-missing-silent-cpu",
        ),
        (
            "InvalidArgumentError: NodeDef mentions attr 'explicit_paddings' not in Op<name=MaxPool;",
            "tf-api-mismatch",
        ),
        ("ValueError: bad marshal data (unknown type code)", "tf-api-mismatch"),
        ("exec /opt/dfl/bin/python: exec format error", "program-not-started"),
        (
            'Error response from daemon: could not select device driver "nvidia" with capabilities: [[compute gpu]]',
            "libcuda-missing-container",
        ),
        (
            "nvidia-container-cli: container error: cgroup subsystem devices not found: unknown.",
            "libcuda-missing-container",
        ),
        (
            "Using plaidml.keras.backend backend.\n"
            "0x00007FF9A1B2C3D4 (0x0000000000000000 0x00000000FFFFFFF5), clBuildProgram() + 0x1D2F bytes(s)",
            "plaidml-access-violation",
        ),
        (
            START
            + "NVRM: The NVIDIA GPU 0000:65:00.0\n      NVRM: (PCI ID: 10de:2684) installed in this system has\n"
            "      NVRM: fallen off the bus and is not responding to commands.",
            "xid-79-off-bus",
        ),
        (START + "NVRM: GPU 0000:65:00.0: RmInitAdapter failed! (0x25:0x40:1220)", "cuinit-unknown"),
        (
            START
            + "systemd-oomd[911]: Killed /user.slice/user-1001.slice/app.scope due to memory pressure for /user.slice",
            "linux-oom-killer",
        ),
        (START + "client_loop: send disconnect: Broken pipe", "ctrl-c"),
        (START + "Connection to gpu7 closed by remote host.", "ctrl-c"),
        (START + "The system will reboot now!", "ctrl-c"),
        (
            START + "OMP: Error #34: System unable to allocate necessary resources for OMP thread:",
            "process-limit",
        ),
        (
            START
            + "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from d.onnx failed:Protobuf parsing failed.",
            "model-file-corrupt",
        ),
        (
            START
            + "[ WARN:0] global loadsave.cpp (725) cv::imwrite_ imwrite_('out/0.jpg'): can't open file for writing: permission denied",
            "output-not-writable",
        ),
        (
            "conda: error: argument COMMAND: invalid choice: 'activate' (choose from 'clean')",
            "program-not-started",
        ),
        ("ERROR: ResolutionImpossible: for help visit https://pip.example/", "package-mismatch"),
        ("SystemError: initialization of _pywrap_tfe raised unreported exception", "numpy-abi-mismatch"),
        ("ERROR: Package 'tqdm' requires a different Python: 3.6.9 not in '>=3.7'", "python-too-old"),
        ("RuntimeError: Run initialize_main_env()", "nn-devices-not-initialized"),
        (
            "InternalError: cudaGetDevice() failed. Status: cudaGetErrorString symbol not found.",
            "cuda-dso-missing-silent-cpu",
        ),
        (
            'Traceback (most recent call last):\n  File "D:\\lab\\gpu\\load.py", line 9, in load\n    import dlib\n'
            "ImportError: DLL load failed: The specified module could not be found.",
            "library-missing",
        ),
    ],
)
def test_more_words_for_a_known_cause(line: str, cause: str) -> None:
    assert named(line + "\n") == cause


def test_a_person_is_not_a_slow_card() -> None:
    log = "Running on GeForce GTX 1080 Ti\n 25%|##5       | 40/160 [31:20<1:34:00, 47.00s/it]\n"
    assert named("Extracting faces...\n" + log) == "env-not-activated-cpu"
    assert named("Performing manual extract...\n" + log) != "env-not-activated-cpu"
