#!/usr/bin/env bash
# Train CMRAN with weak supervision as published: 200 epochs, the best checkpoint chosen on the test split.
#
#   bash projects/cmran/tools/weakly_train.sh [options of tools/train.py]
#   bash projects/cmran/tools/weakly_train.sh --cfg-options select_on=val
set -euo pipefail
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  sed -n '2,5p' "$0" | sed 's/^# \{0,1\}//'
  exit 0
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
exec "${PYTHON:-python}" "$root/tools/train.py" "$root/projects/cmran/configs/cmran_weak_1xb32-200e_ave.py" "$@"
