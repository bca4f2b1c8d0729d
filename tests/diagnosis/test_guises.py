# ruff: noqa: E501 - the lines of real logs are long
"""The same failure is named in whatever guise its log comes."""

from __future__ import annotations

import pytest

from dflwrap.diagnosis import Role, diagnose_text, load_catalogue

from .guises import GUISES


@pytest.mark.parametrize("guise", GUISES)
def test_every_positive_sample_is_named_in_this_guise(guise: str) -> None:
    wrong = []
    for rule in load_catalogue().rules:
        if rule.role is not Role.ROOT:
            continue
        for sample in rule.matches:
            verdict = diagnose_text([("x.log", GUISES[guise](sample))])
            got = verdict.primary.id if verdict.primary else verdict.health.value
            if got != rule.id:
                wrong.append((rule.id, got, sample[:80]))
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (
            "ImportError: DLL load failed: Не найден указанный модуль.\nДля продолжения нажмите любую клавишу . . .\n",
            "cp1251",
        ),
        (
            "ImportError: DLL load failed: Не найден указанный модуль.\nДля продолжения нажмите любую клавишу . . .\n",
            "cp866",
        ),
        ("ImportError: DLL load failed: 找不到指定的模块。\n请按任意键继续. . .\n", "gb18030"),
        (
            "ImportError: DLL load failed: Le module spécifié est introuvable.\nAppuyez sur une touche pour continuer...\n",
            "cp1252",
        ),
        ("ImportError: DLL load failed: No se puede encontrar el módulo especificado.\n", "cp1252"),
        ("ImportError: DLL load failed: Nie można odnaleźć określonego modułu.\n", "cp1250"),
        ("ImportError: DLL load failed: Não foi possível encontrar o módulo especificado.\n", "cp850"),
        (
            "ImportError: DLL load failed: Das angegebene Modul wurde nicht gefunden.\nDrücken Sie eine beliebige Taste . . .\n",
            "cp1252",
        ),
    ],
)
def test_windows_code_pages_are_read(text: str, codec: str) -> None:
    verdict = diagnose_text([("x.log", text.encode(codec))])
    assert verdict.primary is not None
    assert verdict.primary.id == "tf-dll-missing"
    assert verdict.primary.evidence[0].text == text.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("OSError: [WinError 1455] Die Auslagerungsdatei ist zu klein, um diesen Vorgang durchzuführen", "paging-file-too-small"),
        ("ImportError: DLL load failed: Le fichier de pagination est insuffisant pour terminer cette opération.", "paging-file-too-small"),
        ("ImportError: DLL load failed: El archivo de paginación es demasiado pequeño para completar la operación.", "paging-file-too-small"),
        ("ImportError: DLL load failed: O arquivo de paginação é muito pequeno para que esta operação seja concluída.", "paging-file-too-small"),
        ("ImportError: DLL load failed: Plik stronicowania jest za mały, aby ukończyć tę operację.", "paging-file-too-small"),
        ("ImportError: DLL load failed: 页面文件太小，无法完成操作。", "paging-file-too-small"),
        ("ImportError: DLL load failed: Eine DLL-Initialisierungsroutine ist fehlgeschlagen.", "no-avx"),
        ("ImportError: DLL load failed: Произошел сбой в программе инициализации библиотеки динамической компоновки (DLL).", "no-avx"),
        ("ImportError: DLL load failed: 动态链接库(DLL)初始化例程失败。", "no-avx"),
        ("PermissionError: [WinError 32] Der Prozess kann nicht auf die Datei zugreifen, da sie von einem anderen Prozess verwendet wird", "file-in-use"),
        ("PermissionError: [WinError 5] Отказано в доступе: 'C:\\\\Program Files\\\\DFL\\\\aligned'", "output-not-writable"),
        ("PermissionError: [WinError 5] 拒绝访问。: 'C:\\\\Program Files\\\\DFL\\\\aligned'", "output-not-writable"),
        ("OSError: [WinError 112] Недостаточно места на диске", "disk-full"),
        ("OSError: [WinError 193] %1 n’est pas une application Win32 valide", "bad-image-dll"),
    ],
)  # fmt: skip
def test_localised_windows_texts_are_known(text: str, cause: str) -> None:
    verdict = diagnose_text([("x.log", text.encode())])
    assert verdict.primary is not None
    assert verdict.primary.id == cause
