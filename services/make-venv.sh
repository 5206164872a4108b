#!/bin/sh
# Makes the virtual environment $VENV with $PYTHON. Debian keeps `venv` in a package of its own; as root it is installed,
# otherwise the sentence says which.
set -eu
if "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
    exec "$PYTHON" -m venv "$VENV"
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3-venv, which this machine's Python lacks …"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    exec "$PYTHON" -m venv "$VENV"
fi
echo "Python's venv module is incomplete here: run 'sudo apt-get install python3-venv' (or your system's equal), then make again." >&2
exit 1
