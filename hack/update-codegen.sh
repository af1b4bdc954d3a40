#!/usr/bin/env bash
# Writes everything that is generated from the types in pkg/apis: protobuf,
# deepcopy, conversion, OpenAPI, apply configurations, clientset,
# listers and informers; and docs/metrics.md from all code. Run it after every change of a type.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

module=agents.x-k8s.io/sandbox-apiserver
hub=$module/pkg/apis/sandbox
version=$module/pkg/apis/sandbox/v1beta1
generated=$module/pkg/generated
header=hack/boilerplate.go.txt
bin=$PWD/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { printf 'codegen: %s\n' "$*"; }

step "building the generators"
if ! command -v protoc >/dev/null; then
  step "installing Debian's protobuf-compiler"
  apt-get install -y protobuf-compiler >/dev/null
fi
mkdir -p "$bin"
go -C hack/tools build -o "$bin/" \
  k8s.io/code-generator/cmd/{applyconfiguration-gen,client-gen,conversion-gen,deepcopy-gen,go-to-protobuf,go-to-protobuf/protoc-gen-gogo,informer-gen,lister-gen} \
  k8s.io/kube-openapi/cmd/openapi-gen golang.org/x/tools/cmd/goimports
export PATH=$bin:$PATH

step "protobuf"
# protoc finds imports below roots that are spelled like Go packages.
roots=$work/roots
mkdir -p "$roots/k8s.io" "$roots/github.com/gogo" "$roots/$(dirname $module)"
for m in k8s.io/api k8s.io/apimachinery; do
  ln -s "$(go list -m -f '{{.Dir}}' $m)" "$roots/$m"
done
ln -s "$(go -C hack/tools list -m -f '{{.Dir}}' github.com/gogo/protobuf)" "$roots/github.com/gogo/protobuf"
ln -s "$PWD" "$roots/$module"
go-to-protobuf --go-header-file "$header" --proto-import "$roots" --output-dir "$roots" \
  --packages "$version" \
  --apimachinery-packages "$(printf -- '-%s,' k8s.io/apimachinery/pkg/{util/intstr,api/resource,runtime/schema,runtime,apis/meta/v1} k8s.io/api/{core,networking}/v1 | sed 's/,$//')"

step "deepcopy, conversion"
deepcopy-gen --go-header-file "$header" --output-file zz_generated.deepcopy.go "./${hub#"$module/"}" "./${version#"$module/"}"
conversion-gen --go-header-file "$header" --output-file zz_generated.conversion.go "./${version#"$module/"}"

step "openapi"
openapi-gen --go-header-file "$header" --output-file zz_generated.openapi.go \
  --output-dir pkg/generated/openapi --output-pkg "$generated/openapi" \
  --report-filename "$work/violations" --output-model-name-file zz_generated.model_name.go \
  "./${version#"$module/"}" \
  --readonly-pkg k8s.io/api/core/v1 --readonly-pkg k8s.io/api/networking/v1 --readonly-pkg k8s.io/api/autoscaling/v1 \
  --readonly-pkg k8s.io/apimachinery/pkg/apis/meta/v1 --readonly-pkg k8s.io/apimachinery/pkg/runtime \
  --readonly-pkg k8s.io/apimachinery/pkg/version --readonly-pkg k8s.io/apimachinery/pkg/api/resource --readonly-pkg k8s.io/apimachinery/pkg/util/intstr \
  k8s.io/api/core/v1 k8s.io/api/networking/v1 k8s.io/api/autoscaling/v1 \
  k8s.io/apimachinery/pkg/apis/meta/v1 k8s.io/apimachinery/pkg/runtime k8s.io/apimachinery/pkg/version \
  k8s.io/apimachinery/pkg/api/resource k8s.io/apimachinery/pkg/util/intstr
if grep "$module" "$work/violations"; then
  echo "codegen: the API rule violations above are ours: fix the types" >&2
  exit 1
fi

step "apply configurations, clientset, listers, informers"
go run ./hack/models-schema >"$work/schema.json"
out=$work/generated
core=k8s.io/api/core/v1 networking=k8s.io/api/networking/v1 known=k8s.io/client-go/applyconfigurations
applyconfiguration-gen --go-header-file "$header" --output-dir "$out/applyconfiguration" \
  --external-applyconfigurations "$core.PodSpec:$known/core/v1,$core.PersistentVolumeClaimSpec:$known/core/v1,$networking.NetworkPolicyIngressRule:$known/networking/v1,$networking.NetworkPolicyEgressRule:$known/networking/v1" \
  --output-pkg "$generated/applyconfiguration" --openapi-schema "$work/schema.json" "$version"
# The extractor of sandboxes/claim would have the name of that of SandboxClaims.
sed -i 's/\bExtractSandboxClaim\b/ExtractSandboxClaimSubresource/' "$out/applyconfiguration/sandbox/v1beta1/sandbox.go"
client-gen --go-header-file "$header" --output-dir "$out/clientset" --output-pkg "$generated/clientset" \
  --clientset-name versioned --apply-configuration-package "$generated/applyconfiguration" \
  --input-base "$module/pkg/apis" --input sandbox/v1beta1 --prefers-protobuf
lister-gen --go-header-file "$header" --output-dir "$out/listers" --output-pkg "$generated/listers" "$version"
informer-gen --go-header-file "$header" --output-dir "$out/informers" --output-pkg "$generated/informers" \
  --versioned-clientset-package "$generated/clientset/versioned" --listers-package "$generated/listers" "$version"
for d in applyconfiguration clientset listers informers; do
  rm -rf "pkg/generated/$d"
  mv "$out/$d" "pkg/generated/$d"
done
step "docs/metrics.md"
go run ./hack/metricsdocs >"$work/metrics.md"
mv "$work/metrics.md" docs/metrics.md
step "done"
