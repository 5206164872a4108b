"""What PaddleOCR's tools/test_hubserving.py does with a picture, call by call. Runs in a pod."""

import base64
import json
import sys

import requests

image = sys.stdin.buffer.read()
r = requests.post(
    url=sys.argv[1],
    headers={"Content-type": "application/json"},
    data=json.dumps({"images": [base64.b64encode(image).decode("utf8")]}),
    timeout=120,
)
res = r.json()["results"][0]
for line in res:
    print(line["text"], line["confidence"], line["text_region"])
