# Sourced by the scripts of projects that start one recipe:
#
#   source projects/recipe.sh
#   recipe train|test CONFIG "$@"        prints the head of the script on --help, and the command alone on --dry-run
recipe() {
  local task=$1 config=$2 run=exec root
  shift 2
  if [[ "${1:-}" == -h || "${1:-}" == --help || ( $task == test && $# -lt 1 ) ]]; then
    sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p;};}' "$0"
    [[ "${1:-}" == -h || "${1:-}" == --help ]] && exit 0 || exit 2
  fi
  if [[ "${1:-}" == --dry-run ]]; then
    run=echo
    shift
  fi
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  $run "${PYTHON:-python}" "$root/tools/$task.py" "$root/$config" "$@"
}
