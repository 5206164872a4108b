"""The characters a recogniser knows, where its folder carries them in a file rather than in the graph's metadata."""

from pathlib import Path

import yaml

from ocr_serving.errors import ModelError

_YAML = "inference.yml"
_TEXT = ("dict.txt", "*_dict.txt", "*keys*.txt")

# BaseLoader keeps every scalar a string ("1", "n", "~" are characters here); the C one is forty times faster.
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def dictionary(folder: Path) -> list[str] | None:
    """The character list in a recogniser's folder, in the order of the model's classes, or None if it holds none.

    `folder` may also be the model's file. Looked for: `PostProcess.character_dict` of `inference.yml`, then `dict.txt`,
    `*_dict.txt`, `*keys*.txt`. Neither the CTC blank nor the space that PaddleOCR adds is in the list.

    Raises ModelError where a file is unreadable or several could be meant.
    """
    if folder.is_file():
        folder = folder.parent
    if (folder / _YAML).is_file():
        characters = _from_yaml(folder / _YAML)
        if characters is not None:
            return characters
    for pattern in _TEXT:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ModelError(f"{folder} holds several dictionaries ({names}); name one with rec_char_dict_path.")
        if found:
            return read_dictionary(found[0])
    return None


def read_dictionary(path: Path) -> list[str]:
    """The characters of a text file, one a line, as PaddleOCR reads it: line ends are cut off and nothing else.

    Raises ModelError where the file cannot be read, is not UTF-8 or is empty.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelError(f"Cannot read the dictionary {path}: {_reason(exc)}; it must be UTF-8 text.") from None
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise ModelError(f"The dictionary {path} is empty; it must hold one character a line.")
    return [line.rstrip("\r") for line in lines]


def _from_yaml(path: Path) -> list[str] | None:
    try:
        with path.open("rb") as file:
            document = yaml.load(file, Loader=_Loader)  # noqa: S506 - a base loader makes strings, lists and mappings only
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise ModelError(f"Cannot read {path}: {_reason(exc)}; correct it or pull the model again.") from None
    section = document.get("PostProcess") if isinstance(document, dict) else None
    characters = section.get("character_dict") if isinstance(section, dict) else None
    if characters is None:
        return None
    if not isinstance(characters, list) or not all(isinstance(character, str) for character in characters):
        raise ModelError(f"PostProcess.character_dict in {path} must be a list of characters.")
    return characters


def _reason(exc: Exception) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return " ".join(str(exc).split())
