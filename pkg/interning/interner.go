// SPDX-License-Identifier: Apache-2.0

package interning

import (
	"hash/maphash"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/lru"
)

// DefaultSize is how many parts of a kind are remembered: some kB each.
const DefaultSize = 1024

// Interner is safe for concurrent use.
type Interner struct {
	seed     maphash.Seed
	podSpecs *lru.Cache
	fields   *lru.Cache
}

// New returns an Interner that remembers size parts of each kind.
func New(size int) *Interner {
	return &Interner{seed: maphash.MakeSeed(), podSpecs: lru.New(size), fields: lru.New(size)}
}

// PodSpec lets spec share its slices, maps and pointers with an equal one.
func (i *Interner) PodSpec(spec *corev1.PodSpec) {
	key := i.fingerprint(spec)
	if found, ok := i.podSpecs.Get(key); ok {
		if known, ok := found.(*corev1.PodSpec); ok && equality.Semantic.DeepEqual(known, spec) {
			*spec = *known
			return
		}
	}
	known := *spec
	i.podSpecs.Add(key, &known)
}

// ManagedFields lets the entries share the fields that they list with equal ones.
func (i *Interner) ManagedFields(entries []metav1.ManagedFieldsEntry) {
	for e := range entries {
		fields := entries[e].FieldsV1
		if fields == nil {
			continue
		}
		var hash maphash.Hash
		hash.SetSeed(i.seed)
		_, _ = io.Copy(&hash, fields.GetRawReader()) // memory to memory never fails
		if found, ok := i.fields.Get(hash.Sum64()); ok {
			if known, ok := found.(*metav1.FieldsV1); ok && known.Equal(*fields) {
				entries[e].FieldsV1 = known
				continue
			}
		}
		i.fields.Add(hash.Sum64(), fields)
	}
}

// fingerprint is of what tells most specs apart; equal ones have the same.
func (i *Interner) fingerprint(spec *corev1.PodSpec) uint64 {
	var hash maphash.Hash
	hash.SetSeed(i.seed)
	write := func(texts ...string) {
		for _, text := range texts {
			_, _ = hash.WriteString(text) // never fails
			_ = hash.WriteByte(0)
		}
	}
	write(spec.Hostname, spec.NodeName, spec.ServiceAccountName)
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for c := range containers {
			container := &containers[c]
			write(container.Name, container.Image)
			write(container.Command...)
			write(container.Args...)
			for e := range container.Env {
				write(container.Env[e].Name, container.Env[e].Value)
			}
		}
	}
	return hash.Sum64()
}
