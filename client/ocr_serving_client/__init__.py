"""A client of ocr-serving: `Client(url).read("scan.pdf").text`."""

from ocr_serving_client.aio import AsyncClient
from ocr_serving_client.calls import What
from ocr_serving_client.errors import BusyError, KeyNeededError, OCRError, RefusedError, UnreachableError
from ocr_serving_client.result import Cell, Field, Line, Page, Result, Table, Word
from ocr_serving_client.sync import Client

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "BusyError",
    "Cell",
    "Client",
    "Field",
    "KeyNeededError",
    "Line",
    "OCRError",
    "Page",
    "RefusedError",
    "Result",
    "Table",
    "UnreachableError",
    "What",
    "Word",
]
