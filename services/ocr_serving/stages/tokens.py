"""Text to the token ids of XLM-RoBERTa, which LayoutXLM reads, by a sentencepiece model."""

from __future__ import annotations

from pathlib import Path

from ocr_serving.errors import ConfigError, ModelError

PAD = 1
"""The id that fills a window up; ids 0, 2 and 3 are <s>, </s> and <unk>."""

FILES = ("sentencepiece.bpe.model", "tokenizer.model")
"""Names a tokenizer may have in a model's folder."""


class Tokenizer:
    """A sentencepiece model with XLM-RoBERTa's numbering: a piece's own number plus one, the unknown piece 3."""

    UNKNOWN = 3

    def __init__(self, model: Path) -> None:
        """Load the tokenizer in `model`, its folder or the folder of an .onnx file. Raises ModelError or ConfigError."""
        try:
            import sentencepiece
        except ImportError:
            raise ConfigError("Key information needs sentencepiece: pip install sentencepiece.") from None
        folder = model if model.is_dir() else model.parent
        file = next((folder / name for name in FILES if (folder / name).is_file()), None)
        if file is None:
            raise ModelError(f"{folder} has no {FILES[0]}: put the tokenizer that the model was trained with beside it.")
        self._pieces = sentencepiece.SentencePieceProcessor()
        try:
            self._pieces.LoadFromSerializedProto(file.read_bytes())
        except (OSError, RuntimeError):
            raise ModelError(f"{file} is damaged or is not a sentencepiece model: fetch it again.") from None

    def __call__(self, text: str) -> list[int]:
        """The ids of `text`, without <s> and </s>; [] where it is empty or blank."""
        return [piece + 1 if piece else self.UNKNOWN for piece in self._pieces.encode(text)]

    @property
    def size(self) -> int:
        """How many ids there are."""
        return int(self._pieces.get_piece_size()) + 1
