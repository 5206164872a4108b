"""The models a service runs: which there are, where they lie on this machine, how they get there."""

from ocr_serving.models.catalogue import (
    DEFAULT_FONT,
    DEFAULT_SET,
    Model,
    ModelFile,
    ModelSet,
    Source,
    catalogue,
    companions,
    languages,
    model_sets,
)
from ocr_serving.models.characters import dictionary, read_dictionary
from ocr_serving.models.fetch import adopt, pull, remote_problems
from ocr_serving.models.progress import Bar, Progress
from ocr_serving.models.store import LocalModel, entry_of, home, is_present, problems, resolve, store_root, stored_names

__all__ = [
    "DEFAULT_FONT",
    "DEFAULT_SET",
    "Bar",
    "LocalModel",
    "Model",
    "ModelFile",
    "ModelSet",
    "Progress",
    "Source",
    "adopt",
    "catalogue",
    "companions",
    "dictionary",
    "entry_of",
    "home",
    "is_present",
    "languages",
    "model_sets",
    "problems",
    "pull",
    "read_dictionary",
    "remote_problems",
    "resolve",
    "store_root",
    "stored_names",
]
