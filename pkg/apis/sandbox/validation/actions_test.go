// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func TestValidatePreconditions(t *testing.T) {
	tests := []struct {
		name          string
		preconditions *metav1.Preconditions
		want          []string
	}{
		{name: "none"},
		{name: "any", preconditions: &metav1.Preconditions{}},
		{name: "both", preconditions: &metav1.Preconditions{UID: ptr.To[types.UID]("1"), ResourceVersion: ptr.To("2")}},
		{
			name:          "empty",
			preconditions: &metav1.Preconditions{UID: ptr.To[types.UID](""), ResourceVersion: ptr.To("")},
			want:          []string{"preconditions.uid: FieldValueInvalid", "preconditions.resourceVersion: FieldValueInvalid"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assertErrors(t, test.want, ValidateSuspendOptions(&sandbox.SuspendOptions{Preconditions: test.preconditions}))
			assertErrors(t, test.want, ValidateResumeOptions(&sandbox.ResumeOptions{Preconditions: test.preconditions}))
		})
	}
}
