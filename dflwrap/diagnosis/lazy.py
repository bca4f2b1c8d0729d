"""Regular expressions that are compiled when first used: a short log needs few of them, and starts at once."""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

Text = TypeVar("Text", str, bytes)


class _Lazy:
    """Stands in for a compiled pattern; becomes one on the first look at any of its attributes."""

    def __init__(self, pattern: Any, flags: int) -> None:
        self.__dict__["_source"] = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        pattern, flags = self.__dict__["_source"]
        value = getattr(re.compile(pattern, flags), name)
        self.__dict__[name] = value
        return value


def lazy(pattern: Text, flags: int = 0) -> re.Pattern[Text]:
    """As `re.compile`, but later."""
    return cast("re.Pattern[Text]", _Lazy(pattern, flags))
