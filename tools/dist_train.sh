#!/usr/bin/env bash
# Train on N processes of this machine: one a GPU with NCCL, or on the CPU with gloo.
#
#   bash tools/dist_train.sh CONFIG N [options of tools/train.py]
#   bash tools/dist_train.sh configs/quickstart/av_digits.py 2 --resume
#
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail
if [[ $# -lt 2 || "$1" == -h || "$1" == --help ]]; then
  sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//'
  [[ "${1:-}" == -h || "${1:-}" == --help ]] && exit 0 || exit 2
fi
config=$1 ranks=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# What torch would choose as well, only with a warning from each rank.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}"
exec "${PYTHON:-python}" -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
  --master_port="${PORT:-29500}" --nproc_per_node="$ranks" \
  "$here/train.py" "$config" --launcher pytorch "$@"
