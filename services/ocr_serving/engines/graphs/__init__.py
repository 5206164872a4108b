"""ONNX graphs as data: edits, folding, and the prepared models that are kept."""
