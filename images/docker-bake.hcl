# All images at once with docker's bake, from the root of the repository:
#   TAG=0.1.0 docker buildx bake --file images/docker-bake.hcl [cpu|gpu|gpu-paddle|operator] [--push]
# The variables are those of images/build.sh, which needs no buildx.
variable "REGISTRY" { default = "docker.io" }
variable "REPOSITORY" { default = "ocr-serving" }
variable "TAG" { default = "0.1.0" }
variable "REVISION" { default = "unknown" }
variable "SOURCE" { default = "" }
variable "PIP_INDEX_URL" { default = null }
variable "EXTRA_INDEX" { default = null }
variable "PADDLE_SHA256" { default = null }
variable "PYTHON_BASE" { default = "docker.io/library/python:3.11-slim-bookworm" }
variable "CUDA_BASE" { default = "docker.io/nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04" }

variable "PORTS" {
  default = {
    ocr_det          = 8865
    ocr_cls          = 8866
    ocr_rec          = 8867
    ocr_system       = 8868
    structure_table  = 8869
    structure_system = 8870
    structure_layout = 8870
    kie_ser          = 8871
    kie_ser_re       = 8872
  }
}

function "image" {
  params = [name]
  result = "${REGISTRY == "" ? "" : "${REGISTRY}/"}${REPOSITORY}/${replace(name, "_", "-")}:${TAG}"
}

group "default" { targets = ["cpu", "operator"] }

target "labelled" {
  args = {
    VERSION       = TAG
    REVISION      = REVISION
    SOURCE        = SOURCE
    PIP_INDEX_URL = PIP_INDEX_URL
  }
}

target "base" {
  inherits   = ["labelled"]
  name       = "base-${flavor}"
  matrix     = { flavor = ["cpu", "gpu", "gpu-paddle"] }
  dockerfile = "images/base/Dockerfile"
  tags       = ["${image("base")}-${flavor}"]
  args = {
    BASE        = flavor == "cpu" ? PYTHON_BASE : CUDA_BASE
    FLAVOR      = flavor
    EXTRA_INDEX = EXTRA_INDEX
    PADDLE_SHA256 = PADDLE_SHA256
  }
}

target "module" {
  inherits   = ["labelled"]
  name       = "${flavor}-${replace(module, "_", "-")}"
  matrix     = { flavor = ["cpu", "gpu", "gpu-paddle"], module = keys(PORTS) }
  dockerfile = "images/module/Dockerfile"
  contexts   = { base = "target:base-${flavor}" }
  tags       = ["${image(module)}-${flavor}"]
  args = {
    BASE   = "base"
    FLAVOR = flavor
    MODULE = module
    PORT   = PORTS[module]
  }
}

group "cpu" { targets = [for module in keys(PORTS) : "cpu-${replace(module, "_", "-")}"] }
group "gpu" { targets = [for module in keys(PORTS) : "gpu-${replace(module, "_", "-")}"] }
group "gpu-paddle" { targets = [for module in keys(PORTS) : "gpu-paddle-${replace(module, "_", "-")}"] }

target "operator" {
  inherits   = ["labelled"]
  dockerfile = "images/operator/Dockerfile"
  tags       = [image("operator")]
  args       = { BASE = PYTHON_BASE }
}
