#!/usr/bin/env bash
# Runs the GPU exam and the measurements of this folder within a number of seconds.
#   bench/gpu/run.sh SECONDS [exam|steps|epoch|own_kernels|paper|policy|fashion|streaming ...]
# Without names all run, in this order, the most important first. Each gets its share of what is
# left, and what one leaves goes to the next. FASHION_DATA names the folder of Fashion-MNIST's files;
# without it, and without the default folder, that one says that they are missing. Output goes to
# $OUT too, if set. TINY=1 DEVICE=cpu tries the scripts, but the exam, on a machine without a GPU.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

total="${1:?how many seconds may it take?}"
shift
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(exam steps epoch own_kernels paper policy fashion streaming)

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export NETTS_CACHE_DIR="${NETTS_CACHE_DIR:-$(mktemp -d)}" # one for all: nothing compiles twice
export PYTHONUNBUFFERED=1
python="${PYTHON:-python3}"
log="${OUT:-$(mktemp -d)}"
# Of a round of all: what each is worth of the time that it and those behind it have.
declare -A weight=([exam]=200 [steps]=230 [epoch]=60 [own_kernels]=35 [paper]=140 [policy]=90 [fashion]=60
    [streaming]=60)
grace=20 # seconds from the end of the last script's budget to its end by force

command_of() { # name seconds
    local options=(--seconds "$2" --device "${DEVICE:-cuda}")
    [ "$1" = exam ] && { echo tests/gpu_exam.sh tests/compiler/test_own_kernels.py; return; }
    [ -n "${TINY:-}" ] && [ "$1" != fashion ] && options+=(--tiny)
    [ -n "${TINY:-}" ] && [ "$1" = fashion ] && options+=(--samples 500 --epochs 2)
    [ "$1" = fashion ] && [ -n "${FASHION_DATA:-}" ] && options+=(--data "$FASHION_DATA")
    echo "$python bench/gpu/$1.py ${options[*]}"
}

summary=""
for position in "${!names[@]}"; do
    name="${names[$position]}"
    [ -n "${weight[$name]:-}" ] || { echo "there is no $name"; exit 2; }
    rest=0
    for other in "${names[@]:$position}"; do rest=$((rest + weight[$other])); done
    left=$((total - SECONDS))
    share=$(((left - grace) * weight[$name] / rest))
    if [ "$share" -lt 10 ]; then
        summary+="$name: no time left"$'\n'
        continue
    fi
    began=$SECONDS
    echo "== $name, $share s =="
    read -ra words <<<"$(command_of "$name" "$share")"
    # One log each for output and errors, as few files come back from some machines.
    timeout --kill-after=5 $((share + grace - 5)) "${words[@]}" 2>>"$log/errors.log" |
        tee -a "$log/run.log"
    status=${PIPESTATUS[0]}
    [ "$status" -eq 0 ] || tail -n 5 "$log/errors.log"
    summary+="$name: status $status, $((SECONDS - began)) s"$'\n'
done
echo "== summary =="
echo "$summary"
