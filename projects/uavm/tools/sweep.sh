#!/usr/bin/env bash
# Train one setting of the sweeps of UAVM on VGGSound, three repeats: work_dirs/uavm/<setting>_r1, _r2, _r3.
#
#   bash projects/uavm/tools/sweep.sh [--dry-run] SETTING [options of tools/train.py]
#   bash projects/uavm/tools/sweep.sh uavm_s128
#   bash projects/uavm/tools/sweep.sh --dry-run uavm_p0p3 --cfg-options train_dataloader.num_workers=16
#
# SETTING is a file of projects/uavm/configs/sweeps without its ending: shared widths (uavm_s16 to uavm_s1024,
# independent_s*, cross-modality_s*), shared blocks (uavm_ns0 to uavm_ns6; uavm_s1024 has three) and probabilities of
# audio (uavm_p0p1 to uavm_p0p9). --dry-run, first, prints the commands and does nothing. REPEATS=1 trains one.
set -euo pipefail
run=()
if [[ "${1:-}" == --dry-run ]]; then
  run=(echo)
  shift
fi
if [[ $# -lt 1 || "$1" == -h || "$1" == --help ]]; then
  sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p;};}' "${BASH_SOURCE[0]}"
  [[ $# -lt 1 ]] && exit 2 || exit 0
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
config=$root/projects/uavm/configs/sweeps/$1.py
if [[ ! -f $config ]]; then
  echo "error: there is no setting '$1'; projects/uavm/configs/sweeps has them all" >&2
  exit 2
fi
setting=$1
shift
for repeat in $(seq 1 "${REPEATS:-3}"); do
  "${run[@]}" "${PYTHON:-python}" "$root/tools/train.py" "$config" --work-dir "work_dirs/uavm/${setting}_r$repeat" \
    --seed $((repeat - 1)) "$@"
done
