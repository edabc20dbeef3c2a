#!/usr/bin/env bash
# Train DCMR from visual to audio as published: 200 epochs, the best checkpoint chosen on the test split.
#
#   bash projects/dmin/tools/dcmr_v2a_train.sh [--dry-run] [options of tools/train.py]
#   bash projects/dmin/tools/dcmr_v2a_train.sh --cfg-options select_on=val
#
# --dry-run, first, prints the command and does nothing.
set -euo pipefail
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//'
  exit 0
fi
run=exec
if [[ "${1:-}" == --dry-run ]]; then
  run=echo
  shift
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
$run "${PYTHON:-python}" "$root/tools/train.py" "$root/projects/dmin/configs/dcmr_v2a_1xb32-200e_ave.py" "$@"
