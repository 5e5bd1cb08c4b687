#!/usr/bin/env bash
# On a cloud machine: jagree with the extras $1 (tpu,gcs) in ~/venv; quick where it is there.
#
# The images of TPU machines are Ubuntu 22.04, whose Python is too old (3.10); uv brings one that
# is new enough, and is quick on a machine that is paid by the second.
set -euo pipefail

extra="${1:?usage: bash launch/install.sh EXTRA,EXTRA}"
cd "$(dirname "$0")/.."
export PATH="$HOME/.local/bin:$PATH"
if ! command -v uv >/dev/null; then
  curl --location --silent --show-error --fail --retry 5 https://astral.sh/uv/install.sh | sh
fi
uv venv --allow-existing --python '>=3.12' "$HOME/venv"
uv pip install --python "$HOME/venv" --editable ".[$extra]"
