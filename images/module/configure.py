"""Run while a module's image is built: prints the config.json that its command serves, on GPU 0 for the flavours that have one."""

import json
import sys

from ocr_serving.modules import loader

_, name, flavor = sys.argv
found = loader.find(name)
entry = found.entry | {"init_args": found.entry.get("init_args", {}) | {"use_gpu": flavor != "cpu"}}
print(json.dumps({"modules_info": {name: entry}, "port": found.settings["port"], "gpu": "0"}, indent=2))
