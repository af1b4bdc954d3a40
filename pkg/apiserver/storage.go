// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"

	genericoptions "k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// UseStorageCodec sets in which version and media type objects are stored. The
// simple storage factory does not read --storage-media-type by itself.
func UseStorageCodec(etcd *genericoptions.EtcdOptions) error {
	codec, versioner, err := serverstorage.NewStorageCodec(serverstorage.StorageCodecConfig{
		StorageMediaType:  etcd.DefaultStorageMediaType,
		StorageSerializer: Codecs,
		StorageVersion:    v1beta1.SchemeGroupVersion,
		MemoryVersion:     sandbox.SchemeGroupVersion,
		Config:            etcd.StorageConfig,
	})
	if err != nil {
		return fmt.Errorf("choosing the storage format: %w", err)
	}
	etcd.StorageConfig.Codec, etcd.StorageConfig.EncodeVersioner = codec, versioner
	return nil
}
