// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"strings"

	restful "github.com/emicklei/go-restful/v3"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"

	generatedopenapi "agents.x-k8s.io/sandbox-apiserver/pkg/generated/openapi"
)

// UseOpenAPI describes the API in OpenAPI v2 and v3. Server-side apply and
// kubectl explain need it.
func UseOpenAPI(config *genericapiserver.Config) {
	namer := openapi.NewDefinitionNamer(Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(generatedopenapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIConfig.Info.Title = "sandbox-apiserver"
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(generatedopenapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config.Info.Title = "sandbox-apiserver"
	config.OpenAPIConfig.GetOperationIDAndTags = operationID   //nolint:staticcheck // the stock configuration sets this one too
	config.OpenAPIV3Config.GetOperationIDAndTags = operationID //nolint:staticcheck // as above
}

// operationID tells sandboxes/NAME/claim from sandboxclaims, to which the stock
// function gives the same ID.
func operationID(route *restful.Route) (string, []string, error) {
	id, tags, err := openapi.GetOperationIDAndTags(route)
	if strings.HasSuffix(route.Path, "/claim") {
		id += "Action"
	}
	return id, tags, err
}
