#!/usr/bin/env bash
# Test on N processes of this machine: one a GPU with NCCL, or on the CPU with gloo.
#
#   bash tools/dist_test.sh CONFIG CHECKPOINT N [options of tools/test.py]
#   bash tools/dist_test.sh configs/quickstart/av_digits.py work_dirs/av_digits/epoch_6.pth 2 --out predictions.npz
set -euo pipefail
if [[ $# -lt 3 || "$1" == -h || "$1" == --help ]]; then
  sed -n '2,5p' "$0" | sed 's/^# \{0,1\}//'
  [[ "${1:-}" == -h || "${1:-}" == --help ]] && exit 0 || exit 2
fi
config=$1 checkpoint=$2 ranks=$3
shift 3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# What torch would choose as well, only with a warning from each rank.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}"
exec "${PYTHON:-python}" -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
  --master_port="${PORT:-29500}" --nproc_per_node="$ranks" \
  "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
