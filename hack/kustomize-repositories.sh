#!/usr/bin/env bash
# Builds every kustomization below folders with fluxbot's library and with the original, and counts equal results.
# The first argument is the program of hack/oracle/kustomize. KUSTOMIZE_ANSWER names the example `answer` if it is built.
set -euo pipefail
oracle="$1"
shift
answer="${KUSTOMIZE_ANSWER:-}"
if [[ -z "$answer" ]]; then
  cargo build --release --quiet -p fluxbot-kustomize --example answer
  answer="${CARGO_TARGET_DIR:-target}/release/examples/answer"
fi
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
for root in "$@"; do
  equal=0 refused=0 different=0
  while read -r folder; do
    echo "$folder" | "$oracle" folders 2>/dev/null > "$scratch/theirs.json" || true
    jq -r '.error // ""' "$scratch/theirs.json" > "$scratch/error"
    jq -j '.expected // ""' "$scratch/theirs.json" > "$scratch/expected"
    if "$answer" "$folder" > "$scratch/ours" 2> "$scratch/fault"; then
      if [[ ! -s "$scratch/error" || $(cat "$scratch/error") == "" ]] && cmp -s "$scratch/ours" "$scratch/expected"; then
        equal=$((equal + 1))
      else
        different=$((different + 1))
        echo "different: $folder: $(head -c 300 "$scratch/error")"
      fi
    elif [[ -n $(cat "$scratch/error") ]]; then
      refused=$((refused + 1))
    else
      different=$((different + 1))
      echo "ours fails: $folder: $(head -c 300 "$scratch/fault")"
    fi
  done < <(find "$root" -type f \( -name kustomization.yaml -o -name kustomization.yml -o -name Kustomization \) \
    -exec dirname {} \; | sort -u)
  echo "$root: $equal equal, $refused refused by both, $different different"
done
