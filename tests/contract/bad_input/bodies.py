"""Bodies that are not JSON, not the right JSON, or JSON with wrong values at each key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ocr_serving import data

from .case import MODULES, Case, Picture, b64, images_body, posted, refused, served

WORD = data.WARMUP.read_bytes()
B64 = b64(WORD)
GOOD = images_body(WORD)

# Text and not values: the numbers are those that only JSON's grammar, or only Python's reading of it, allows.
NOT_NUMBERS = {"text": '"0.5"', "boolean": "true", "list": "[0.5]", "object": "{}", "nan": "NaN", "infinity": "Infinity"}
NUMBERS = {"negative": "-1", "huge": "1e308", "endless": "1e999", "thirty-digits": str(10**30)}
WRONG = {
    "fraction": NOT_NUMBERS | NUMBERS,
    "pixels": NOT_NUMBERS | NUMBERS | {"fraction": "960.5", "zero": "0"},
    "choice": {"number": "1", "other-case": '"MAX"', "list": '["max"]', "object": "{}", "empty": '""', "boolean": "true"},
    "boolean": {"text": '"true"', "number": "1", "list": "[true]", "object": "{}"},
}
DETECTION = {
    "det_limit_side_len": "pixels",
    "det_limit_type": "choice",
    "det_db_thresh": "fraction",
    "det_db_box_thresh": "fraction",
    "det_db_unclip_ratio": "fraction",
}
LAYOUT = {"layout_score_threshold": "fraction", "layout_nms_threshold": "fraction"}
ARGUMENTS = {
    "ocr_det": DETECTION,
    "ocr_system": DETECTION | {"use_angle_cls": "boolean", "drop_score": "fraction", "lang": "choice"},
    "ocr_cls": {},
    "ocr_rec": {"lang": "choice"},
    "structure_layout": LAYOUT,
    "structure_table": {"lang": "choice"},
    "structure_system": LAYOUT
    | {
        "layout": "boolean",
        "table": "boolean",
        "ocr": "boolean",
        "table_text": "choice",
        "drop_score": "fraction",
        "lang": "choice",
    },
    "kie_ser": {"lang": "choice"},
    "kie_ser_re": {"lang": "choice"},
}


def not_json() -> dict[str, bytes]:
    """Bodies that are no JSON object."""
    return {
        "empty": b"",
        "blanks": b" \r\n\t ",
        "nul": b"\x00",
        "list": b"[1,2]",
        "string": b'"abc"',
        "number": b"5",
        "nan": b"NaN",
        "true": b"true",
        "cut": GOOD[:-1],
        "cut-in-the-middle": GOOD[: len(GOOD) // 2],
        "trailing-comma": GOOD[:-1] + b",}",
        "trailing-object": GOOD + b"{}",
        "trailing-nul": GOOD + b"\x00",
        "single-quotes": GOOD.replace(b'"', b"'"),
        "comment": b"/* hello */" + GOOD,
        "form": b"images=" + B64.encode(),
        "latin-1": b'{"images": ["' + "é".encode("latin-1") + b'"]}',
        "binary": WORD,
        "utf-16-cut": GOOD.decode().encode("utf-16")[:-1],
        "gzip": b"\x1f\x8b\x08\x00" + bytes(100),
        "overlong-utf-8": b'{"images": ["\xc0\xaf"]}',
        "raw-newline-in-string": b'{"images": ["a\nb"]}',
        "five-thousand-digits": b'{"images": [' + b"9" * 5000 + b"]}",
        "deep-lists": b"[" * 100_000 + b"]" * 100_000,
        "deep-objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "deep-unclosed": b"[" * 1_000_000,
    }


def wrong_images() -> dict[str, tuple[str, str]]:
    """Values of `images` as JSON text, and what the answer must say."""
    return {
        "object": ("{}", "'images' must be a list"),
        "string": (json.dumps(B64), "'images' must be a list"),
        "number": ("5", "'images' must be a list"),
        "null": ("null", "'images' must be a list"),
        "boolean": ("true", "'images' must be a list"),
        "nan": ("NaN", "'images' must be a list"),
        "empty": ("[]", "'images' is empty"),
        "of-numbers": ("[5]", "images[0] must be a base64 string"),
        "of-null": (f'["{B64}", null]', "images[1] must be a base64 string"),
        "of-lists": (f'[["{B64}"]]', "images[0] must be a base64 string"),
        "of-objects": (f'[{{"b64": "{B64}"}}]', "images[0] must be a base64 string"),
        "of-booleans": ("[true]", "images[0] must be a base64 string"),
        "empty-string": ('[""]', "images[0] is empty"),
        "blank-string": ('[" \\n\\t "]', "images[0] is empty"),
        "empty-among-good": (f'["{B64}", ""]', "images[1] is empty"),
        "empty-data-url": ('["data:image/png;base64,"]', "images[0] is empty"),
        "data-url-without-data": ('["data:image/png"]', "images[0] is empty"),
        "file-url": ('["file:///etc/passwd"]', "images[0] is not base64"),
        "file-name": ('["/etc/passwd"]', "images[0] is not base64"),
        "bad-characters": ('["@@@ not base64 @@@"]', "images[0] is not base64"),
        "bad-padding": ('["abcde"]', "images[0] is not base64"),
        "no-padding": (json.dumps([b64(WORD + b"\x00" * (1 - len(WORD) % 3)).rstrip("=")]), "images[0] is not base64"),
        "lone-surrogate": ('["\\ud800"]', "images[0] is not base64"),
    }


def taken_images() -> dict[str, str]:
    """Values of `images` that are odd and taken, as JSON text; each reads the word."""
    lines = "\n".join(B64[at : at + 76] for at in range(0, len(B64), 76))
    return {
        "with-newlines": json.dumps([lines]),
        "with-crlf": json.dumps([lines.replace("\n", "\r\n")]),
        "with-spaces": json.dumps([f"  {lines}  ".replace("\n", " ")]),
        "data-url": json.dumps([f"data:image/png;base64,{B64}"]),
        "data-url-of-another-type": json.dumps([f"data:text/html;charset=x;base64,{B64}"]),
        "with-trailing-data": json.dumps([b64(WORD + b"tail")]),
        "all-escaped": '["' + "".join(f"\\u{ord(letter):04x}" for letter in B64) + '"]',
    }


def values() -> Iterator[tuple[str, str, str, str]]:
    """Module, key, name of the wrong value, and its JSON text."""
    for module, arguments in ARGUMENTS.items():
        for key, kind in arguments.items():
            for name, text in WRONG[kind].items():
                yield module, key, name, text


def cases() -> Iterator[Case]:
    """One case for each body, to one module after the other."""
    turn = 0

    def case(name: str, body: bytes, expect: Any) -> Case:
        nonlocal turn
        turn += 1
        return posted(name, MODULES[turn % len(MODULES)], body, expect)

    for name, body in not_json().items():
        yield case(f"body-{name}", body, refused(400, "The body"))
    yield case("body-null", b"null", refused(415, status="112"))
    for module in MODULES:
        yield posted("images-missing", module, b"{}", refused(400, "'images' is missing"))
        yield posted("images-65", module, images_body(*[b"small"] * 65), refused(413, "max_images"))
        yield posted("paths", module, b'{"paths": ["/etc/passwd"]}', refused(400, "'paths'"))
        yield posted("paths-beside-images", module, images_body(WORD, paths=["/etc/passwd"]), refused(400, "'paths'"))
        yield posted("unknown-key", module, images_body(WORD, visualization=True), refused(400, "visualization"))
    for name, (text, says) in wrong_images().items():
        yield case(f"images-{name}", f'{{"images": {text}}}'.encode(), refused(400, says))
    for name, text in taken_images().items():
        yield case(f"images-{name}", f'{{"images": {text}}}'.encode(), served())
    url_safe = json.dumps({"images": [B64.replace("+", "-").replace("/", "_")]}).encode()
    yield case("images-url-safe", url_safe, refused(400, "images[0] is not base64"))

    for module, key, name, text in values():
        yield posted(f"{key}-{name}", module, f'{{"images": ["{B64}"], "{key}": {text}}}'.encode(), refused(400, key))
    for module, arguments in ARGUMENTS.items():
        for key in arguments:
            yield posted(f"{key}-null", module, images_body(WORD, **{key: None}), served())
        if "lang" in arguments:
            away = refused(400, "run `ocr-serving models pull korean_PP-OCRv5_mobile_rec`")
            yield posted("lang-not-here", module, images_body(WORD, lang="korean"), away)

    for key in ("", "self", "__class__", "model_fields", "Images", "kwargs", "image\u0000", "\U0001f4c4", "x" * 1_000_000):
        yield case(f"key-{key[:12]!r}", images_body(WORD, **{key: 1}), refused(400, "unexpected keyword argument"))
    yield case("key-lone-surrogate", b'{"images": ["aaaa"], "\\ud800": 1}', refused(400, "unexpected keyword argument"))
    many = json.dumps({"images": [B64]} | {f"key{n}": n for n in range(200_000)}).encode()
    yield case("200000-unknown-keys", many, refused(413, "100000 values"))
    # Up to Python's recursion limit and over it.
    for depth in (5, 200, *range(900, 1010, 7)):
        deep = b'{"images": ["aaaa"], "det_db_thresh": ' + b"[" * depth + b"]" * depth + b"}"
        yield posted(f"value-{depth}-deep", "ocr_det", deep, refused(400))
    long = json.dumps({"images": [B64], "det_limit_type": "x" * 1_000_000}).encode()
    yield posted("value-of-a-megabyte", "ocr_det", long, refused(400, "det_limit_type"))

    text = GOOD.decode()
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        yield case(f"encoded-{encoding}", text.encode(encoding), served())
    yield case("duplicate-images", b'{"images": 5, ' + GOOD[1:], served())
    yield case("duplicate-images-last-wrong", GOOD[:-1] + b', "images": 5}', refused(400, "'images' must be a list"))
    yield case("blanks-around", b" \r\n" + GOOD + b"\r\n ", served())
    yield case("64-damaged", json.dumps({"images": ["aaaa"] * 64}).encode(), served(*[Picture.DAMAGED] * 64))
