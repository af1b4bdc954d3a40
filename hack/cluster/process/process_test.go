// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	const rest = " 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 100 200"
	for name, tc := range map[string]struct {
		raw     string
		want    procStat
		wantErr string
	}{
		"running":                    {raw: "42 (kwok) S" + rest, want: procStat{state: 'S', startTicks: 987654}},
		"zombie":                     {raw: "42 (kwok) Z" + rest, want: procStat{state: 'Z', startTicks: 987654}},
		"command with parentheses":   {raw: "42 (a) R (b) ) S" + rest, want: procStat{state: 'S', startTicks: 987654}},
		"no command":                 {raw: "42", wantErr: "no command"},
		"cut short":                  {raw: "42 (kwok) S 1 2", wantErr: "too few fields"},
		"start time is not a number": {raw: "42 (k) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 x 1", wantErr: "start time"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat(tc.raw)
			if tc.wantErr != "" {
				require.ErrorContains(t, err, tc.wantErr)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestRecordKnowsItsProcess(t *testing.T) {
	record := startSleep(t)
	assert.True(t, record.Alive())

	found, ok := Find(record.PID, record.Program)
	assert.True(t, ok)
	assert.Equal(t, record, found)

	_, ok = Find(record.PID, "/somebody/else")
	assert.False(t, ok, "a process of another program must not be found")

	reused := record
	reused.StartTicks--
	assert.False(t, reused.Alive(), "a later process of the same id is not the recorded one")
	require.NoError(t, reused.Signal(syscall.SIGKILL))
	assert.True(t, record.Alive(), "a process that is not the recorded one must not be signalled")
}

func TestAliveFromTheStart(t *testing.T) {
	for range 50 { // the kernel shows the command line a moment after exec
		require.True(t, startSleep(t).Alive())
	}
}

func TestEndTerminates(t *testing.T) {
	first, second := startSleep(t), startSleep(t)
	begin := time.Now()
	require.NoError(t, End(t.Context(), time.Minute, first, second))
	assert.Less(t, time.Since(begin), 30*time.Second, "nothing had to be killed")
	assert.False(t, first.Alive())
	assert.False(t, second.Alive())
	require.NoError(t, End(t.Context(), time.Minute, first, second), "ending twice is harmless")
}

func TestEndKillsTheDeaf(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	record := start(t, "sh", "-c", `trap "" TERM; : >"$0"; while :; do sleep 0.1; done`, ready)
	require.Eventually(t, func() bool { _, err := os.Stat(ready); return err == nil }, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, End(t.Context(), 200*time.Millisecond, record))
	assert.False(t, record.Alive())
}

func TestStartAppendsToTheLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for range 2 {
		record, err := Start(Spec{Program: lookPath(t, "sh"), Args: []string{"-c", "echo out; echo err >&2"}, Dir: t.TempDir(), LogFile: log})
		require.NoError(t, err)
		require.NoError(t, WaitEnded(t.Context(), record))
	}
	got, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Equal(t, "out\nerr\nout\nerr\n", string(got))
}

func TestStartOfAMissingProgram(t *testing.T) {
	_, err := Start(Spec{Program: "/does/not/exist", Dir: t.TempDir(), LogFile: filepath.Join(t.TempDir(), "log")})
	require.ErrorContains(t, err, "/does/not/exist")
}

func startSleep(t *testing.T) Record {
	t.Helper()
	return start(t, "sleep", "600")
}

func start(t *testing.T, name string, args ...string) Record {
	t.Helper()
	record, err := Start(Spec{Program: lookPath(t, name), Args: args, Dir: t.TempDir(), LogFile: filepath.Join(t.TempDir(), "log")})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, record.Signal(syscall.SIGKILL)) })
	return record
}

func lookPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err)
	return path
}
