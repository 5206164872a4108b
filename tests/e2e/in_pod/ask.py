"""Posts the picture on standard input to the URL named on the command line, and prints the answer."""

import base64
import json
import sys
import urllib.request

body = json.dumps({"images": [base64.b64encode(sys.stdin.buffer.read()).decode()]}).encode()
request = urllib.request.Request(sys.argv[1], body, {"Content-Type": "application/json"})
with urllib.request.urlopen(request, timeout=120) as answer:
    sys.stdout.write(answer.read().decode())
