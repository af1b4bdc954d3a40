// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestReservedLabelsOfASandboxStayAsTheyAre(t *testing.T) {
	old := map[string]string{v1beta1.TemplateLabel: "python", "team": "red"}
	for name, c := range map[string]struct {
		labels map[string]string
		wrong  []string
	}{
		"unchanged":   {map[string]string{v1beta1.TemplateLabel: "python", "team": "blue"}, nil},
		"own removed": {map[string]string{v1beta1.TemplateLabel: "python"}, nil},
		"removed":     {map[string]string{}, []string{v1beta1.TemplateLabel}},
		"changed":     {map[string]string{v1beta1.TemplateLabel: "go"}, []string{v1beta1.TemplateLabel}},
		"emptied":     {map[string]string{v1beta1.TemplateLabel: ""}, []string{v1beta1.TemplateLabel}},
		"added":       {map[string]string{v1beta1.TemplateLabel: "python", v1beta1.ClaimLabel: "x"}, []string{v1beta1.ClaimLabel}},
		"added empty": {map[string]string{v1beta1.TemplateLabel: "python", v1beta1.ClaimLabel: ""}, []string{v1beta1.ClaimLabel}},
	} {
		var wrong []string
		for _, err := range forbidReservedChanges(c.labels, old, field.NewPath("labels")) {
			assert.Equal(t, field.ErrorTypeForbidden, err.Type, name)
			wrong = append(wrong, err.Field[len("labels["):len(err.Field)-1])
		}
		assert.Equal(t, c.wrong, wrong, name)
	}
}
