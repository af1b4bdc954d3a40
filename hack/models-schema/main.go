// SPDX-License-Identifier: Apache-2.0

// Command models-schema prints the OpenAPI v2 models of the API as JSON, which
// applyconfiguration-gen needs to know how lists merge.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/openapi"
)

func main() {
	refFor := func(name string) spec.Ref { return spec.MustCreateRef("#/definitions/" + name) }
	definitions := map[string]spec.Schema{}
	for name, definition := range openapi.GetOpenAPIDefinitions(refFor) {
		schema := definition.Schema
		if v2, ok := schema.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
			schema = v2
		}
		definitions[name] = schema
	}
	swagger := spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger:     "2.0",
		Info:        &spec.Info{InfoProps: spec.InfoProps{Title: "sandbox-apiserver", Version: "v1beta1"}},
		Definitions: definitions,
	}}
	if err := json.NewEncoder(os.Stdout).Encode(swagger); err != nil {
		fmt.Fprintln(os.Stderr, "writing the schema:", err)
		os.Exit(1)
	}
}
