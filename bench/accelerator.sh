#!/usr/bin/env bash
# All that is to be measured on a GPU or TPU, in one command, half an hour on one H100 (estimated):
#
#     bash bench/accelerator.sh FOLDER
#
# FOLDER gets a text or CSV file of each bench and the run folder of the paper's first experiment.
# CIFAR-10 is looked for where TFDS has it, or in TFDS_DATA_DIR; without it that run, the last, ends
# with the words that say how to get it. A bench that fails does not stop the others.
set -uo pipefail

if [ $# -ne 1 ]; then
  echo "usage: bash bench/accelerator.sh FOLDER" >&2
  exit 2
fi
mkdir -p "$1"
out="$(cd "$1" && pwd)"
cd "$(dirname "$0")/.." || exit
failed=0

measure() { # name, command ...
  local name="$1"
  shift
  echo "== $name: $*"
  local began=$SECONDS
  if ! "$@" 2>&1 | tee "$out/$name.txt"; then
    failed=$((failed + 1))
    echo "== $name failed"
  fi
  echo "== $name: $((SECONDS - began)) s"
}

measure stacking python bench/stacking.py --rounds=5
measure ensemble python bench/ensemble.py --out="$out/ensemble.csv"
measure ensemble_bfloat16 python bench/ensemble.py --members=5 --what=step \
  --precision=bfloat16 --out="$out/ensemble_bfloat16.csv" --minutes=5
measure epoch python bench/epoch.py
measure recorder python bench/recorder.py --rounds=2
measure first_experiment python -m jagree.main --config=configs/cifar10_densenet.py \
  --workdir="$out/cifar10_densenet" --stages=train,study,report
exit "$((failed > 0))"
