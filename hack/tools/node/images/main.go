// SPDX-License-Identifier: Apache-2.0

// Command images writes container images as tarballs, without a registry or a daemon:
//
//	images -name NAME -entrypoint /bin/x -link sh=busybox -o x.tar x=/path/of/x busybox=/path/of/busybox
//
// Every file becomes /bin/NAME, executable.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// recipe is what an image is made of.
type recipe struct {
	name       string
	entrypoint string
	links      string // comma-separated names of busybox's applets
	out        string
	files      []string // NAME=PATH
}

func run(args []string) error {
	r := recipe{}
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	flags.StringVar(&r.name, "name", "", "reference of the image")
	flags.StringVar(&r.entrypoint, "entrypoint", "", "what a container runs")
	flags.StringVar(&r.links, "links", "", "names under /bin that are busybox, comma-separated")
	flags.StringVar(&r.out, "o", "", "the tarball to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r.files = flags.Args()
	return r.write()
}

func (r recipe) write() error {
	reference, err := name.ParseReference(r.name)
	if err != nil {
		return fmt.Errorf("parsing the name of the image: %w", err)
	}
	content, err := r.content()
	if err != nil {
		return err
	}
	image, err := r.image(content)
	if err != nil {
		return fmt.Errorf("composing %s: %w", r.name, err)
	}
	if err := tarball.WriteToFile(r.out, reference, image); err != nil {
		return fmt.Errorf("writing %s: %w", r.out, err)
	}
	return nil
}

// image sets system and architecture: containerd filters out what does not say them.
func (r recipe) image(content []byte) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint = []string{r.entrypoint}
	config.Config.Env = []string{"PATH=/bin"}
	return mutate.ConfigFile(image, config)
}

// content is the one layer: the files, links, and the directories that programs expect.
func (r recipe) content() ([]byte, error) {
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, directory := range []string{"bin", "etc", "proc", "sys", "dev", "root"} {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: directory + "/", Mode: 0o755}); err != nil {
			return nil, err
		}
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return nil, err
	}
	for _, file := range r.files {
		if err := addFile(archive, file); err != nil {
			return nil, err
		}
	}
	for link := range strings.SplitSeq(r.links, ",") {
		if link == "" {
			continue
		}
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + link, Linkname: "busybox", Mode: 0o777}); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), archive.Close()
}

func addFile(archive *tar.Writer, file string) error {
	target, path, ok := strings.Cut(file, "=")
	if !ok {
		return errors.New("a file is given as NAME=PATH, not " + file)
	}
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return fmt.Errorf("reading a file of the image: %w", err)
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: "bin/" + target, Mode: 0o755, Size: int64(len(raw))}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(raw)
	return err
}
