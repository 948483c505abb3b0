"""Names of files and classes as people and systems spell them: bytes, and one form."""

import unicodedata


def encoded(text: str) -> bytes:
    """Give the bytes of a text; of a file name that is no UTF-8 those that it has on disk."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def legible(text: str) -> str:
    r"""Write a text so that it can be encoded: a byte that is no UTF-8 as `\udce9`, as in JSON."""
    return text.encode("utf-8", "backslashreplace").decode()


def one_form(text: str) -> str:
    """Give the composed Unicode form (NFC), so that é is one letter however it was typed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
