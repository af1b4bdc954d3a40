// SPDX-License-Identifier: Apache-2.0

package subresource

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/registry/rest"
)

var _ rest.TableConvertor = Table[runtime.Object]{}

// Table prints objects of one kind for kubectl get. Row is pure: it returns one
// cell a column, now being passed in.
type Table[T runtime.Object] struct {
	Columns []metav1.TableColumnDefinition
	Row     func(obj T, now time.Time) []any
}

// Column is shown always.
func Column(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Description: description}
}

// WideColumn is shown with -o wide.
func WideColumn(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Description: description, Priority: 1}
}

// NumberColumn is shown always and holds a number.
func NumberColumn(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "integer", Description: description}
}

// NameColumn comes first in every table.
func NameColumn() metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: "Name", Type: "string", Format: "name", Description: "Name of the object."}
}

// AgeColumn is the time since the object was created.
func AgeColumn() metav1.TableColumnDefinition {
	return Column("Age", "Time since the object was created.")
}

// Age prints how long ago created was, as kubectl does.
func Age(created metav1.Time, now time.Time) string {
	if created.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(created.Time))
}

// ConvertToTable prints an object or a list.
func (t Table[T]) ConvertToTable(_ context.Context, object, tableOptions runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	if options, ok := tableOptions.(*metav1.TableOptions); !ok || !options.NoHeaders {
		table.ColumnDefinitions = t.Columns
	}
	now := time.Now()
	add := func(obj runtime.Object) error {
		typed, ok := obj.(T)
		if !ok {
			return fmt.Errorf("printing a row: unexpected %T", obj)
		}
		table.Rows = append(table.Rows, metav1.TableRow{Cells: t.Row(typed, now), Object: runtime.RawExtension{Object: obj}})
		return nil
	}
	if !meta.IsListType(object) {
		if accessor, err := meta.Accessor(object); err == nil {
			table.ResourceVersion = accessor.GetResourceVersion()
		}
		return table, add(object)
	}
	if list, err := meta.ListAccessor(object); err == nil {
		table.ResourceVersion = list.GetResourceVersion()
		table.Continue = list.GetContinue()
		table.RemainingItemCount = list.GetRemainingItemCount()
	}
	return table, meta.EachListItem(object, add)
}
