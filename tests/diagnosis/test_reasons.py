# ruff: noqa: E501 - the lines of real logs are long
"""After "DLL load failed" and "cannot open shared object file" the system's reason is the cause."""

from __future__ import annotations

import pytest

from dflwrap.common.verdict import Health
from dflwrap.diagnosis import diagnose_text, load_catalogue
from dflwrap.diagnosis.tables.reasons import by_number, by_words, table

TF = '  File "D:\\DFL\\_internal\\python-3.6.8\\lib\\site-packages\\tensorflow\\python\\pywrap_tensorflow.py", line 58, in <module>\n    from tensorflow.python.pywrap_tensorflow_internal import *\n'
AFTER = "\nFailed to load the native TensorFlow runtime.\nException: Unable to start subprocesses.\n"


def named(text: str) -> str | None:
    verdict = diagnose_text([("dfl.log", text.encode())])
    return verdict.primary.id if verdict.primary and verdict.health is Health.FAILURE else None


REASONS = {
    "tf-dll-missing": ["The specified module could not be found.", "Не найден указанный модуль.", "Impossibile trovare il modulo specificato.", "No se encontró el módulo especificado.", "指定されたモジュールが見つかりません。", "A megadott modul nem található."],
    "library-access-denied": ["Access is denied.", "Zugriff verweigert", "Accès refusé.", "Отказано в доступе.", "拒绝访问。", "アクセスが拒否されました。", "Erişim engellendi.", "The file cannot be accessed by the system."],
    "application-control": ["An Application Control policy has blocked this file.", "Una directiva de Control de aplicaciones bloqueó este archivo.", "Eine Anwendungssteuerungsrichtlinie hat diese Datei blockiert.", "应用程序控制策略已阻止此文件。", "Это программа заблокирована групповой политикой.", "Uma política de Controle de Aplicativo bloqueou este arquivo."],
    "certificate-revoked": ["A certificate was explicitly revoked by its issuer.", "Certificado explicitamente revogado por seu emissor.", "Un certificat a été explicitement révoqué par son émetteur.", "证书被其颁发者明确吊销。"],
    "av-quarantine": ["Operation did not complete successfully because the file contains a virus or potentially unwanted software."],
    "bad-image-dll": ["%1 is not a valid Win32 application.", "%1 ist keine zulässige Win32-Anwendung.", "%1 não é um aplicativo Win32 válido.", "%1은(는) 올바른 Win32 응용 프로그램이 아닙니다."],
    "paging-file-too-small": ["The paging file is too small for this operation to complete.", "Not enough quota is available to process this command.", "配额不足，无法处理此命令。", "Недостаточно квот для обработки команды."],
    "host-memoryerror": ["Not enough memory resources are available to process this command.", "内存资源不足，无法处理此命令。", "Insufficient system resources exist to complete the requested service.", "Недостаточно системных ресурсов для завершения операции."],
    "library-wrong-version": ["The specified procedure could not be found.", "Не найдена указанная процедура.", "找不到指定的程序。", "Die angegebene Prozedur wurde nicht gefunden."],
    "no-avx": ["A dynamic link library (DLL) initialization routine failed.", "动态链接库(DLL)初始化例程失败。"],
    "failing-disk": ["Data error (cyclic redundancy check).", "The file or directory is corrupted and unreadable.", "Die Datei oder das Verzeichnis ist beschädigt und nicht lesbar."],
}  # fmt: skip


@pytest.mark.parametrize("cause", REASONS)
@pytest.mark.parametrize("head", ["ImportError: DLL load failed: {}", "ImportError: DLL load failed while importing _pywrap_tensorflow_internal: {}"])  # fmt: skip
def test_the_reason_decides_in_every_language(cause: str, head: str) -> None:
    for reason in REASONS[cause]:
        assert named(TF + head.format(reason) + AFTER) == cause, reason


_PAGES = {
    "а": ("cp1251", "cp866"), "가": ("cp949",), "ア": ("cp932",), "中": ("gb18030", "big5"), "a": ("cp1252", "cp850"),
}  # fmt: skip
"""The ANSI and OEM code pages of a Windows, by the script of its language."""


def _script(text: str) -> str:
    for first, last, name in (
        ("\u0400", "\u04ff", "а"),
        ("\uac00", "\ud7a3", "가"),
        ("\u3040", "\u30ff", "ア"),
        ("\u4e00", "\u9fff", "中"),
    ):
        if any(first <= char <= last for char in text):
            return name
    return "a"


@pytest.mark.parametrize("cause", REASONS)
def test_the_reason_is_read_in_the_code_page_of_its_windows(cause: str) -> None:
    more = {
        "tf-dll-missing": ["지정된 모듈을 찾을 수 없습니다.", "找不到指定的模組。"],
        "paging-file-too-small": ["페이징 파일이 너무 작아 이 작업을 완료할 수 없습니다."],
    }
    for reason in [*REASONS[cause], *more.get(cause, [])]:
        for page in _PAGES[_script(reason)]:
            try:
                data = (TF + f"ImportError: DLL load failed: {reason}" + AFTER).encode(page)
            except UnicodeEncodeError:
                continue
            primary = diagnose_text([("dfl.log", data)]).primary
            assert primary is not None and primary.id == cause, (page, reason)


@pytest.mark.parametrize(
    ("number", "cause"),
    [(126, "tf-dll-missing"), (5, "library-access-denied"), (4551, "application-control"), (193, "bad-image-dll"), (1455, "paging-file-too-small"), (1816, "paging-file-too-small"), (127, "library-wrong-version"), (225, "av-quarantine"), (1450, "host-memoryerror"), (1117, "failing-disk")],
)  # fmt: skip
def test_a_number_decides_whatever_the_words(number: int, cause: str) -> None:
    line = f'OSError: [WinError {number}] ?????? ??? ???? Error loading "D:\\x\\site-packages\\tensorflow\\python\\a.dll" or one of its dependencies.\n'
    assert named(line) == cause


def test_a_status_behind_dll_load_failed_decides() -> None:
    assert named("ImportError: DLL load failed with error code -1073741795\n") == "no-avx"
    assert named("ImportError: DLL load failed with error code -1073741701\n") == "bad-image-dll"


@pytest.mark.parametrize(
    "reason",
    [
        "?? ?????? ????????? ??????.",
        "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd\ufffd",
        "Zamyk neveci.",
    ],
)
def test_a_reason_that_cannot_be_read_is_unknown_never_missing(reason: str) -> None:
    verdict = diagnose_text([("dfl.log", (TF + "ImportError: DLL load failed: " + reason + AFTER).encode())])
    assert verdict.health is Health.UNKNOWN
    assert verdict.primary is not None
    assert verdict.primary.id == "library-load-failed"


def test_without_any_reason_the_most_frequent_one_is_a_guess() -> None:
    primary = diagnose_text([("dfl.log", (TF + "ImportError: DLL load failed: " + AFTER).encode())]).primary
    assert primary is not None
    assert (primary.id, primary.confidence.value) == ("tf-dll-missing", "possible")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("ImportError: libcudnn.so.8: cannot open shared object file: No such file or directory", "linux-cuda-so-missing"),
        ("ImportError: libcudnn.so.8: cannot open shared object file: Permission denied", "library-access-denied"),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "libgl-missing"),
        ("ImportError: libGL.so.1: cannot open shared object file: Permission denied", "library-access-denied"),
        ("python3: error while loading shared libraries: libpython3.8.so.1.0: cannot open shared object file: No such file or directory", "library-missing"),
        ("ImportError: /opt/env/libtensorflow_framework.so.2: failed to map segment from shared object: Cannot allocate memory", "host-memoryerror"),
        ("ImportError: /tmp/env/_x.so: failed to map segment from shared object: Operation not permitted", "library-access-denied"),
        ("OSError: /opt/env/lib/libfoo.so: invalid ELF header", "bad-image-dll"),
        ("ImportError: /opt/env/lib/python3.8/site-packages/torchx/_C.so: undefined symbol: _ZN3c10", "library-wrong-version"),
        ("OSError: libcublas.so.11: cannot open shared object file: Input/output error", "failing-disk"),
    ],
)  # fmt: skip
def test_the_reason_decides_on_linux_too(text: str, cause: str) -> None:
    assert named(text + "\n") == cause


@pytest.mark.parametrize(
    ("package", "cause"),
    [
        ("cv2", "cv2-dll-missing"),
        ("tensorflow", "tf-dll-missing"),
        ("h5py", "library-missing"),
        ("numpy", "library-missing"),
    ],
)
def test_what_is_missing_belongs_to_the_package_that_asked_for_it(package: str, cause: str) -> None:
    text = f'  File "D:\\DFL\\_internal\\python-3.6.8\\lib\\site-packages\\{package}\\__init__.py", line 3, in <module>\n    from .x import *\nImportError: DLL load failed: The specified module could not be found.\n'
    assert named(text) == cause


def test_the_number_of_onnx_runtime_is_a_reason_too() -> None:
    head = '[E:onnxruntime:Default, provider_bridge_ort.cc:1548] FAIL : LoadLibrary failed with error {} "" when trying to load "C:\\x\\onnxruntime_providers_cuda.dll"\n'
    assert named(head.format(126)) == "cuda-dso-missing-silent-cpu"
    assert named(head.format(1455)) == "paging-file-too-small"
    assert named(head.format(4551)) == "application-control"


def test_a_reason_that_a_narrow_window_broke_off_is_read_on_the_next_line() -> None:
    assert (
        named(
            "ImportError: DLL load failed while importing _pywrap_tensorflow_internal: The paging\nfile is too small for this operation to complete.\n"
        )
        == "paging-file-too-small"
    )


def test_numbers_and_words_of_the_table_agree_and_lead_to_rules() -> None:
    rules = load_catalogue().by_id
    seen: set[int] = set()
    for reason in table():
        assert reason.loading in rules or reason.loading == "missing"
        assert not reason.elsewhere or reason.elsewhere in rules
        assert not seen & reason.numbers
        seen |= reason.numbers
    assert by_number(-1073741701) is by_number(0xC000007B)
    found = by_words("Una directiva de Control de aplicaciones bloque? este archivo.")
    assert found is not None
    assert found.key == "application control"
