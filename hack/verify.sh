#!/usr/bin/env bash
# Checks what a change must keep true: generated files up to date, formatted, vetted, linted, modules tidy. It changes
# nothing outside bin/ and runs on a dirty tree. All steps run; the exit status is 1 when one of them failed.
# With arguments it runs only those steps: hack/verify.sh format lint
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=()

# Generates into a copy of the tree and compares whole trees, so neither git's view nor uncommitted work matters.
generated() {
  local copy=$work/tree
  mkdir "$copy"
  tar -cf - --exclude=./.git --exclude=./bin --exclude=./.cluster --exclude=./_output . | tar -xf - -C "$copy"
  mkdir -p bin
  ln -s "$root/bin" "$copy/bin"
  "$copy/hack/update-codegen.sh" >"$work/codegen.log" 2>&1 || { cat "$work/codegen.log"; return 1; }
  diff -ru --exclude=.git --exclude=bin --exclude=.cluster --exclude=_output . "$copy" | head -n 60
}

format() {
  local unformatted
  unformatted=$(find . -name '*.go' -not -path './.*' -not -path './bin/*' -not -path './_output/*' -exec gofmt -l {} +)
  [[ -z $unformatted ]] || { echo "$unformatted"; return 1; }
}

vet() {
  go vet ./...
  go -C test/benchmark vet ./...
}

lint() {
  mkdir -p bin
  go -C hack/tools/lint build -o "$root/bin/golangci-lint" github.com/golangci/golangci-lint/v2/cmd/golangci-lint
  bin/golangci-lint run ./...
  (cd test/benchmark && "$root/bin/golangci-lint" run --config "$root/.golangci.yml" ./...)
}

tidy() {
  local status=0 dir
  while read -r dir; do
    echo "  $dir/go.mod"
    go -C "$dir" mod tidy -diff || status=1
  done < <(find . -name go.mod -not -path './.*' -not -path './bin/*' -not -path './_output/*' -printf '%h\n' | sort)
  return "$status"
}

# step NAME WHAT FIX runs the function NAME and notes a failure.
step() {
  printf 'verify: %s: %s\n' "$1" "$2"
  # A subshell of its own: errexit does not hold inside a function that an if calls.
  set +e
  (set -e; "$1")
  local status=$?
  set -e
  if ((status != 0)); then
    failed+=("$1")
    printf 'verify: %s: FAILED. To fix: %s\n' "$1" "$3" >&2
  fi
}

declare -A what=(
  [generated]="generating code in a copy of the tree and comparing"
  [format]="gofmt over every Go file"
  [vet]="go vet"
  [lint]="golangci-lint (built from hack/tools/lint; the first build takes some minutes)"
  [tidy]="go mod tidy -diff in every module"
)
declare -A fix=(
  [generated]="run hack/update-codegen.sh and keep what it writes; never edit generated files"
  [format]="gofmt -w the files above"
  [vet]="change the lines above"
  [lint]="change the lines above (bin/golangci-lint run --fix does some), or excuse one with //nolint:NAME // reason"
  [tidy]="run go mod tidy in the module named above"
)

steps=("$@")
((${#steps[@]} > 0)) || steps=(generated format vet lint tidy)
for name in "${steps[@]}"; do
  [[ -v what[$name] ]] || { echo "verify: no step $name; there are generated, format, vet, lint, tidy" >&2; exit 2; }
  step "$name" "${what[$name]}" "${fix[$name]}"
done

if ((${#failed[@]} > 0)); then
  printf 'verify: failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
echo "verify: all good"
