// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Names that the manifests in artifacts/base fix.
const (
	// SystemNamespace is where the server is installed.
	SystemNamespace = "sandbox-system"
	// ServiceAccount is who the server is, in SystemNamespace.
	ServiceAccount = "sandbox-apiserver"
	// APIServiceName is how the server's API is registered.
	APIServiceName = "v1beta1.sandbox.agents.x-k8s.io"

	apiPath = "/apis/sandbox.agents.x-k8s.io/v1beta1"
)

// endpoint is where kube-apiserver reaches the server's process.
type endpoint struct {
	port     int
	caBundle []byte // PEM; empty if the server publishes its own
}

// localize points the manifests of artifacts/base at a process on this machine: the
// Service becomes another name of localhost, and the APIService learns port and,
// if there is one, authority. Everything else stays as it is.
func localize(manifests []byte, server endpoint) ([]byte, error) {
	var out bytes.Buffer
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the manifests: %w", err)
		}
		object := map[string]any{}
		if err := yaml.Unmarshal(doc, &object); err != nil {
			return nil, fmt.Errorf("decoding a manifest: %w", err)
		}
		if len(object) == 0 {
			continue
		}
		if err := localizeObject(&unstructured.Unstructured{Object: object}, server); err != nil {
			return nil, err
		}
		encoded, err := yaml.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("encoding a manifest: %w", err)
		}
		out.WriteString("---\n")
		out.Write(encoded)
	}
}

func localizeObject(object *unstructured.Unstructured, server endpoint) error {
	switch object.GetKind() + "/" + object.GetName() {
	case "Service/" + ServiceAccount:
		spec := map[string]any{"type": "ExternalName", "externalName": "localhost"}
		return unstructured.SetNestedMap(object.Object, spec, "spec")
	case "APIService/" + APIServiceName:
		if err := setAuthority(object, server.caBundle); err != nil {
			return err
		}
		return unstructured.SetNestedField(object.Object, int64(server.port), "spec", "service", "port")
	}
	return nil
}

func setAuthority(apiService *unstructured.Unstructured, bundle []byte) error {
	if len(bundle) == 0 {
		return nil
	}
	if err := unstructured.SetNestedField(apiService.Object, base64.StdEncoding.EncodeToString(bundle), "spec", "caBundle"); err != nil {
		return fmt.Errorf("setting the authority of %s: %w", APIServiceName, err)
	}
	return nil
}
