"""What is noted of a request, in the order and the shape in which the front makes a trace of it."""

from __future__ import annotations

import pickle

import pytest

from ocr_serving import spans
from ocr_serving.spans import MOST, Span


def test_spans_stand_below_what_was_going_on() -> None:
    with spans.recording("00-a-b-01") as recorder:
        assert spans.recorder() is recorder
        with spans.span("outer", {"n": 1}), spans.span("inner"):
            recorder.add([Span("far", 1, 4), Span("farther", 2, 3, parent=0)])
        with pytest.raises(ValueError, match="x"), spans.span("fails"):
            raise ValueError("x")
    assert [(span.name, span.parent) for span in recorder.spans] == [
        ("outer", -1),
        ("inner", 0),
        ("far", 1),
        ("farther", 2),
        ("fails", -1),
    ]
    assert recorder.spans[0].attributes == {"n": 1}
    assert all(span.begin_ns <= span.end_ns for span in recorder.spans)
    assert pickle.loads(pickle.dumps(recorder.spans)) == recorder.spans


def test_nothing_is_noted_where_nothing_is_traced() -> None:
    with spans.span("alone"):
        assert spans.recorder() is None


def test_what_is_too_much_is_counted() -> None:
    with spans.recording("") as recorder:
        with spans.span("first"):
            recorder.add([Span("far", 1, 2)] * MOST)
        with spans.span("last"), spans.span("lost"):
            pass
    assert (len(recorder.spans), recorder.left_out) == (MOST, 3)
