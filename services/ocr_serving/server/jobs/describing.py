"""What OpenAPI says of the job API."""

from __future__ import annotations

from typing import Any

from ocr_serving.config import ServiceConfig
from ocr_serving.server.jobs import answers, request
from ocr_serving.server.openapi import REF, Described, example
from ocr_serving.server.routes import Modules

FAILURES = {
    "400": "The request is not what can be done; `msg` says why.",
    "401": "An API key is needed and none, or a wrong one, was sent.",
    "404": "There is no such job of this key.",
    "408": "The body did not arrive in time.",
    "413": "The body is over its limit.",
    "422": "The file is missing.",
    "503": "Full, loading, or the store cannot be reached: try again after `Retry-After` seconds.",
}

TAGS = ["Jobs"]
OPTIONS = "Options in camel case, as /ocr and /layout-parsing take them; unknown ones are passed over."


def describe(_modules: Modules, config: ServiceConfig) -> Described:
    """The paths, where jobs are taken."""
    if not config.jobs:
        return Described()
    base = f"{answers.PATH}/jobs"
    name = _path("jobId", "What was answered when the job was sent.")
    return Described(
        {
            base: {
                "post": {
                    "operationId": "job_create",
                    "tags": TAGS,
                    "summary": "Send a file to be read",
                    "requestBody": {"required": True, "content": _bodies()},
                    "responses": _responses("Job.Created", "The job is kept."),
                }
            },
            f"{base}/{{jobId}}": {
                "get": {
                    "operationId": "job_status",
                    "tags": TAGS,
                    "parameters": [name],
                    "summary": "How a job stands",
                    "responses": _responses("Job.Answer", "Its state; where its results are, once it is done."),
                },
                "delete": {
                    "operationId": "job_cancel",
                    "tags": TAGS,
                    "parameters": [name],
                    "summary": "Cancel a job, or remove the results of one that is done",
                    "responses": _responses("Job.Answer", "How it stood."),
                },
            },
            f"{base}/batch/{{batchId}}": {
                "get": {
                    "operationId": "job_batch",
                    "tags": TAGS,
                    "parameters": [_path("batchId", "The name that jobs were sent with.")],
                    "summary": "All jobs of a batch",
                    "responses": _responses("Job.Batch", "Their states, in the order in which they came."),
                },
            },
            f"{answers.PATH}/results/{{jobId}}/{{signature}}/{{name}}": {
                "get": {
                    "operationId": "job_result",
                    "tags": TAGS,
                    "parameters": [
                        name,
                        _path("signature", "What stands in the job's links; who has one needs no key."),
                        _path("name", "result.jsonl, or a picture that it names."),
                    ],
                    "summary": "What a job found, as its links say",
                    "security": [{}],
                    "responses": {
                        "200": {
                            "description": "JSON lines, one a page; or a picture.",
                            "content": {
                                "application/json": {"schema": {"type": "string"}},
                                "image/*": {"schema": {"type": "string", "format": "binary"}},
                            },
                        },
                        "404": _failure(FAILURES["404"]),
                        "503": _failure(FAILURES["503"]),
                    },
                }
            },
        },
        _schemas(),
    )


def _path(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": meaning}


def _bodies() -> dict[str, Any]:
    common = {
        "model": {"type": "string", "enum": list(request.MODELS)},
        "pageRanges": {"type": "string", "description": "Pages to read, 1 is the first.", "examples": ["2,4-6"]},
        "batchId": {"type": "string", "maxLength": request.LONGEST_BATCH},
        "callbackUrl": {"type": "string", "format": "uri", "description": "Told of the end, where webhook_hosts has its host."},
    }
    json_only = {
        "file": {"type": "string", "contentEncoding": "base64"},
        "fileUrl": {"type": "string", "format": "uri", "description": "Where the file is, where fetch_hosts has its host."},
        "optionalPayload": {"type": "object", "description": OPTIONS},
    }
    form_only = {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "optionalPayload": {"type": "string", "contentMediaType": "application/json", "description": OPTIONS},
    }
    return {
        "multipart/form-data": {"schema": {"type": "object", "properties": common | form_only, "required": ["model", "file"]}},
        "application/json": {
            "schema": {"type": "object", "properties": common | json_only, "required": ["model"]},
            "example": {"model": next(iter(request.MODELS)), "file": example()},
        },
    }


def _responses(schema: str, meaning: str) -> dict[str, Any]:
    return {"200": {"description": meaning, "content": {"application/json": {"schema": {"$ref": REF.format(model=schema)}}}}} | {
        code: _failure(text) for code, text in FAILURES.items()
    }


def _failure(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": {"$ref": REF.format(model="Job.Failure")}}}}


def _schemas() -> dict[str, Any]:
    text, whole = {"type": "string"}, {"type": "integer"}
    progress = {"totalPages": whole, "extractedPages": whole, "startTime": text, "endTime": text}
    status = {
        "jobId": text,
        "state": {"type": "string", "enum": ["pending", "running", "done", "failed"]},
        "errorMsg": {"type": "string", "description": "Why it failed; of one that is done, which pages could not be read."},
        "batchId": text,
        "extractProgress": {"type": "object", "properties": progress, "required": list(progress)},
        "resultUrl": {
            "type": "object",
            "properties": {"jsonUrl": {"type": "string", "format": "uri", "description": "JSON lines, one a page; needs no key."}},
        },
    }
    return {
        "Job.Status": {"type": "object", "properties": status, "required": ["jobId", "state", "errorMsg"]},
        "Job.Created": _envelope({"type": "object", "properties": {"jobId": text}, "required": ["jobId"]}),
        "Job.Answer": _envelope({"$ref": REF.format(model="Job.Status")}),
        "Job.Batch": _envelope(
            {
                "type": "object",
                "properties": {"extractResult": {"type": "array", "items": {"$ref": REF.format(model="Job.Status")}}},
                "required": ["extractResult"],
            }
        ),
        "Job.Failure": {"type": "object", "properties": {"code": whole, "msg": text}, "required": ["code", "msg"]},
    }


def _envelope(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"code": {"type": "integer", "const": 0}, "msg": {"type": "string"}, "data": data},
        "required": ["code", "msg", "data"],
    }
