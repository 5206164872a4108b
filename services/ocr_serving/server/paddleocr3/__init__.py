"""PaddleOCR 3's basic serving: `/ocr`, `/layout-parsing`, `/table-recognition`, `/document-preprocessing`, `/health`.

`routes` is the front's side, `answer` the worker's; between them go the request's bytes, as for every module. The rest is pure:
`options` reads the request, `lines`, `layout` and `tables` word results as that contract has them.
"""
