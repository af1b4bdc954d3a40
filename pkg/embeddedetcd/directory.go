// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

const privateMode fs.FileMode = 0o700

// claimDataDir makes the directory private and locks it for as long as the
// returned file is open; the kernel lets go when the process dies.
func claimDataDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, privateMode); err != nil {
		return nil, fmt.Errorf("creating data directory: %w", err)
	}
	if err := os.Chmod(dir, privateMode); err != nil {
		return nil, fmt.Errorf("making data directory private (give etcd a directory of its own below a mount point): %w", err)
	}
	lock, err := tryLock(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("locking data directory %q: %w", dir, err)
	}
	if err := probeDatabase(dir); err != nil {
		lock.Close()
		return nil, fmt.Errorf("locking data directory %q: %w", dir, err)
	}
	return lock, nil
}

// Claim keeps every member from using a data directory, made if need be, until it is
// closed. It is for whoever changes the data of a member that does not run.
func Claim(dir string) (io.Closer, error) {
	lock, err := claimDataDir(dir)
	if err != nil {
		return nil, err
	}
	return lock, nil
}

// Volatile says whether a file of a data directory holds no data: locks and sockets.
func Volatile(name string) bool {
	return name == lockName || name == clientSocket || name == httpSocket
}

const (
	lockName     = "lock"
	clientSocket = "etcd.sock"
	httpSocket   = "http.sock"
)

// probeDatabase finds another etcd, one that knows nothing of our lock. Without
// it bbolt would wait for that etcd's lock for ever.
func probeDatabase(dir string) error {
	db, err := tryLock(filepath.Join(dir, "member", "snap", "db"), os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return db.Close()
}

// tryLock takes the flock of a file, the kind bbolt takes, without waiting.
func tryLock(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	return nil, fmt.Errorf("locking %q: %w", path, err)
}

// maxSocketPath is sun_path less its NUL on the narrowest system (darwin; Linux
// has 107).
const maxSocketPath = 103

// plainPath holds for paths that read the same inside a URL and outside.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

// resolveDataDir makes a data directory absolute and chooses where its sockets are. It
// touches nothing.
func resolveDataDir(dir string) (string, socketDir, error) {
	if dir == "" {
		return "", socketDir{}, errors.New("data directory of etcd is empty")
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", socketDir{}, fmt.Errorf("resolving data directory %q: %w", dir, err)
	}
	sockets, err := chooseSocketDir(absolute, os.TempDir())
	return absolute, sockets, err
}

// socketDir is where the sockets are: the data directory, or one for this data
// directory alone below the temporary directory.
type socketDir struct {
	path      string
	temporary bool
}

func (d socketDir) client() string { return filepath.Join(d.path, clientSocket) }
func (d socketDir) http() string   { return filepath.Join(d.path, httpSocket) }

func (d socketDir) usable() bool {
	return len(d.client()) <= maxSocketPath && plainPath.MatchString(d.path)
}

// chooseSocketDir gives every process the same answer for a data directory, so
// that what kill -9 leaves below tempDir is used again rather than piling up.
func chooseSocketDir(dataDir, tempDir string) (socketDir, error) {
	if d := (socketDir{path: dataDir}); d.usable() {
		return d, nil
	}
	sum := sha256.Sum256([]byte(dataDir))
	d := socketDir{path: filepath.Join(tempDir, "etcd-"+hex.EncodeToString(sum[:8])), temporary: true}
	if !d.usable() {
		return socketDir{}, fmt.Errorf("choosing a directory for etcd's unix socket: neither %q nor %q is at most %d plain characters long with the socket's name; use a shorter data directory",
			dataDir, d.path, maxSocketPath)
	}
	return d, nil
}

// create refuses a temporary directory that another user made before us: he
// would own the door to the database.
func (d socketDir) create() error {
	if !d.temporary {
		return nil
	}
	if err := os.Mkdir(d.path, privateMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("creating directory for etcd's socket: %w", err)
	}
	info, err := os.Lstat(d.path)
	if err != nil {
		return fmt.Errorf("inspecting directory for etcd's socket: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm() != privateMode || !ok || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("inspecting directory for etcd's socket: %q must be a directory of this user with mode %o", d.path, privateMode)
	}
	return nil
}

func (d socketDir) remove() {
	if d.temporary {
		// What is left of it is found and used again by the next start.
		_ = os.RemoveAll(d.path)
	}
}
