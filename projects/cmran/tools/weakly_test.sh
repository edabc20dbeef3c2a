#!/usr/bin/env bash
# Test a CMRAN checkpoint with weak supervision on the test split; official checkpoints go through tools/model_converters/convert.py.
#
#   bash projects/cmran/tools/weakly_test.sh CHECKPOINT [options of tools/test.py]
#   bash projects/cmran/tools/weakly_test.sh work_dirs/cmran_weak_1xb32-200e_ave/epoch_200.pth --out predictions.npz
set -euo pipefail
if [[ $# -lt 1 || "$1" == -h || "$1" == --help ]]; then
  sed -n '2,5p' "$0" | sed 's/^# \{0,1\}//'
  [[ "${1:-}" == -h || "${1:-}" == --help ]] && exit 0 || exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
exec "${PYTHON:-python}" "$root/tools/test.py" "$root/projects/cmran/configs/cmran_weak_1xb32-200e_ave.py" "$@"
