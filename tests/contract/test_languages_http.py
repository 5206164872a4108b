"""`lang` over HTTP, where each worker runs its networks and where an engine process runs them for all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers import networks
from helpers.services import Service, b64, serve


@pytest.mark.parametrize("engine_process", [False, True])
def test_a_request_chooses_the_language(tmp_path: Path, engine_process: bool) -> None:
    for name, characters in {"default": "a\nb\n", "korean": "한\n글\n", "arabic": "ש\nל\n"}.items():
        (tmp_path / name).mkdir()
        networks.dark_and_bright_columns(tmp_path / name / "inference.onnx", characters)
    shades = np.repeat([0, 127, 255, 127], 16).astype(np.uint8)
    picture = b64(cv2.imencode(".png", np.broadcast_to(shades[None], (24, 64)).copy())[1].tobytes())
    params = {
        "rec_model_dir": str(tmp_path / "default"),
        "lang_model_dirs": {name: str(tmp_path / name) for name in ("korean", "arabic")},
    }
    with serve(tmp_path, {"ocr_rec": {"params": params}}, workers=1, engine_process=engine_process) as service:
        read = []
        for lang in (None, "korean", "arabic", "auto", None):
            answer = service.post("ocr_rec", {"images": [picture], "lang": lang})
            assert answer.status_code == 200, answer.text
            read.append(answer.json()["results"][0][0]["text"])
        assert read == ["ab", "한글", "לש", "ab", "ab"]
        away = service.post("ocr_rec", {"images": [picture], "lang": "th"})
        assert away.status_code == 400
        assert "run `ocr-serving models pull th_PP-OCRv5_mobile_rec`" in away.json()["msg"]


@pytest.mark.models
def test_letters_that_look_like_others_on_their_heads_turn_no_page(ocr: Service) -> None:
    picture = b64((Path(__file__).parent / "pictures" / "hebrew.png").read_bytes())
    answer = ocr.post("ocr_system", {"images": [picture]}).json()
    assert answer["msg"].startswith("results[0]: it reads badly, for it looks Hebrew")
    assert all("page_angle" not in line for line in answer["results"][0])
