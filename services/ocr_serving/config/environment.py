"""Variables of the environment that are no keys of config.json, and what each says."""

from collections.abc import Mapping

VARIABLES: Mapping[str, str] = {
    "OCR_SERVING_MODELS": (
        "Folders of models, separated as in PATH: all are searched, and pulls go to the first; unset, ocr-serving/models in the"
        " user's cache folder."
    ),
    "OCR_SERVING_API_KEY": "The key that `ocr-serving client` presents; `--api_key` wins.",
    "CUDA_VISIBLE_DEVICES": "The GPUs to use, by number or UUID; wins over `gpu` of config.json.",
    "OCR_SERVING_ALLOW_PRIVATE_DOWNLOADS": "Set to 1, models may be pulled from addresses of one's own network, too.",
    "XDG_STATE_HOME": "Where jobs are kept, in ocr-serving/PORT, unless state_dir or jobs_store is set; unset, ~/.local/state.",
    "XDG_CACHE_HOME": "The user's cache folder; unset, ~/.cache.",
    "XDG_RUNTIME_DIR": "Where a running service leaves ocr-serving/PORT.pid for `ocr-serving stop`; unset, below /tmp.",
    "OTEL_SERVICE_NAME": "Whom traces are of; unset, ocr-serving. Others of OpenTelemetry count too, where otlp_endpoint is set.",
    "OTEL_RESOURCE_ATTRIBUTES": "What else traces say of it, such as deployment.environment.name=test.",
    "ORT_DISABLE_TELEMETRY": "Set to 1 unless it is set, so that onnxruntime reports nothing to its maker.",
}
"""The key is the variable. The proxies and the package index that pulls go through are those of pip's own settings."""
