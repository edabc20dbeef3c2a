# Sourced by the scripts beside it: trains the recipes that it is given, one after the other.
#
# A recipe that has been trained to its end is skipped, one that was interrupted goes on. Options of the scripts:
#   --dry-run          print the commands
#   --work-dir FOLDER  folder of the runs; work_dirs by default
#   and those of tools/train.py, such as --cfg-options train_cfg.max_epochs=10
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
configs="$root/projects/inverse_balance/configs"
runs=work_dirs
dry_run=
options=()

read_options() {  # of the command line, for the script named first
  local script=$1
  shift
  while (($#)); do
    case "$1" in
      -h | --help) sed -n '2,/^set /p' "$script" | sed '$d; s/^# \{0,1\}//'; sed -n '3,6p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
      --dry-run) dry_run=1 ;;
      --work-dir) [[ $# -gt 1 ]] || { echo "error: --work-dir needs a folder" >&2; exit 2; }; runs=$2; shift ;;
      *) options+=("$1") ;;
    esac
    shift
  done
}

# train RECIPE [RECIPE-IT-STARTS-FROM]
train() {
  local name=$1 start=${2:-} folder="$runs/$1" best command
  if [[ -e "$folder/finished" ]]; then
    echo "done already: $name"
    return
  fi
  command=("${PYTHON:-python}" "$root/tools/train.py" "$configs/$name.py" --work-dir "$folder")
  if [[ -e "$folder/last_checkpoint" ]]; then
    command+=(--resume)
  fi
  local extra=() option
  if [[ -n $start ]]; then
    best=$(ls -t "$runs/$start"/best_accuracy_joint_epoch_*.pth 2>/dev/null | head -n 1 || true)
    if [[ -z $best && -z $dry_run ]]; then
      echo "error: $runs/$start has no best_accuracy_joint_epoch_N.pth to start from; train $start first" >&2
      exit 2
    fi
    extra=("load_from=${best:-$runs/$start/best_accuracy_joint_epoch_N.pth}")
  fi
  # A list of --cfg-options counts once: what this script sets joins that of the command line.
  for option in ${options[@]+"${options[@]}"}; do
    command+=("$option")
    if [[ $option == --cfg-options ]]; then
      command+=(${extra[@]+"${extra[@]}"})
      extra=()
    fi
  done
  if ((${#extra[@]})); then
    command+=(--cfg-options "${extra[@]}")
  fi
  echo "${command[*]}"
  if [[ -z $dry_run ]]; then
    "${command[@]}"
    touch "$folder/finished"
  fi
}

# train_table NET: 3 data sets, 4 methods, without and with inverse effectiveness
train_table() {
  local data method inverse batch
  for data in cremad kinetics_sounds urbansound8k_av; do
    for method in ogmge normal mslr lfm; do
      [[ $method == lfm ]] && batch=16 || batch=32
      for inverse in "" _inverse; do
        train "iemf_$1_$method${inverse}_1xb$batch-100e_$data"
      done
    done
  done
}
