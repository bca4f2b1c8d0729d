"""Which encoding a log is in: UTF-8, UTF-16 (PowerShell), or the ANSI or OEM code page of a Windows."""

from __future__ import annotations

import codecs

from dflwrap.diagnosis.lazy import lazy

SAMPLE = 256 * 1024
"""Bytes of the head that decide."""

_PHRASES = (
    "для продолжения", "нажмите", "файл", "подкачки", "не найден", "модуль", "отказано", "доступе", "процесс",
    "недостаточно", "места", "диске", "памяти", "работы", "программы", "драйвер", "стол",
    "beliebige", "drücken", "taste", "zugriff", "verweigert", "für", "auslagerungsdatei", "dateiname",
    "angegebene", "prozess", "können", "wurde", "größe", "datenträger", "verfügung", "möglich", "ungültig",
    "appuyez", "touche", "fichier", "spécifié", "accès", "refusé", "mémoire", "déjà", "périphérique", "échec",
    "presione", "tecla", "archivo", "paginación", "pequeño", "módulo", "especificado", "está", "operación",
    "pressione", "não", "acesso", "memória", "paginação", "operação", "possível", "área", "continuação",
    "naciśnij", "dowolny", "odmowa", "dostępu", "pliku", "określonego", "można", "odnaleźć", "jest", "ścieżki",
    "请按任意键继续", "页面文件太小", "找不到指定的", "拒绝访问", "磁盘空间不足", "模块", "无法完成操作",
    "文件", "内存", "程序",
    "続行するには", "ページング", "ファイル", "アクセス", "モジュール", "見つかりません",
    "指定された", "プロシージャ", "拒否", "メモリ",
    "지정된", "모듈", "없습니다", "액세스", "거부", "프로그램", "페이징", "파일", "메모리", "차단", "아닙니다",
    "找不到指定的", "模組", "檔案", "記憶體", "程式", "belirtilen", "bulunamadı", "erişim", "dosyası",
)  # fmt: skip
_CODE_PAGES = ("cp1251", "cp866", "cp1252", "cp850", "cp1250", "cp852", "gb18030", "cp932", "cp949", "big5")
_ODD = lazy("[\x80-\x9f\u2500-\u259f\ufffd¤¦¨©ªº¯¶¸¬±]")
_LATIN_WORD = lazy("[a-zA-Z]{2}[äöüßéèêàçñãõóíáúąćęłńśźż][a-zA-Z]|[a-zA-Z][äöüßéèêàçñãõóíáúąćęłńśźż][a-z]{2}")
_CYRILLIC = lazy("[а-яё]{3}")
_HAN = lazy("[\u4e00-\u9fff]{2}")


def detect(head: bytes) -> str:
    """The codec name for a log that starts with `head` (up to SAMPLE bytes are looked at).

    "utf-8" stands for everything that is ASCII or mostly valid UTF-8; a BOM decides at once. UTF-16
    without a BOM is told by its NUL bytes. Otherwise the code page that turns the bytes into words that a
    Windows says in a console wins; without any such word, the one with the fewest odd characters.
    """
    head = head[:SAMPLE]
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith(codecs.BOM_UTF32_LE):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) >= 16:
        half = len(head) // 2
        odd, even = head[1::2].count(0), head[0::2].count(0)
        if odd > 0.4 * half and even < 0.1 * half:
            return "utf-16-le"
        if even > 0.4 * half and odd < 0.1 * half:
            return "utf-16-be"
    if head.isascii():
        return "utf-8"
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head)
    good = sum(1 for char in text if char > "\x7f" and char != "\ufffd")
    if good > 4 * text.count("\ufffd"):
        return "utf-8"
    return _code_page(head)


def _code_page(head: bytes) -> str:
    lines = [line for line in head.splitlines() if not line.isascii()][:400]
    sample = b"\n".join(lines)
    best, best_score = "cp1252", float("-inf")
    for codec in _CODE_PAGES:
        text = sample.decode(codec, "replace")
        low = text.lower()
        score = 12.0 * sum(
            low.count(phrase) for phrase in _PHRASES if not phrase.isascii() or len(phrase) > 7
        )
        score += len(_LATIN_WORD.findall(text)) * 1.0
        score += len(_CYRILLIC.findall(low)) * 1.0
        score += len(_HAN.findall(text)) * 0.7
        score -= 2.0 * len(_ODD.findall(text))
        if score > best_score:
            best, best_score = codec, score
    return best
