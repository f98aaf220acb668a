package main

import (
	"os"
	"path/filepath"
	"testing"
)

// busy is a plugin that is open for writing, as long as it is being copied.
func busy(t *testing.T) (string, *os.File) {
	t.Helper()
	content, err := os.ReadFile(player)
	must(t, err)
	path := filepath.Join(t.TempDir(), "fake-bridge")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	_, err = file.Write(content)
	must(t, err)
	return path, file
}

func TestAPluginThatIsJustBeingReplacedIsWaitedFor(t *testing.T) {
	path, file := busy(t)
	pauses := 0
	runs := &execution{pause: func() {
		pauses++
		if pauses == 5 {
			must(t, file.Close())
		}
	}}
	environment := append(os.Environ(), "CNI_COMMAND=STATUS", "FAKE_JOURNAL="+t.TempDir())
	if _, err := runs.ExecPlugin(background, path, []byte("{}"), environment); err != nil || pauses != 5 {
		t.Errorf("%d pauses, %v", pauses, err)
	}
}

func TestAPluginThatIsNeverWholeIsGivenUp(t *testing.T) {
	path, _ := busy(t)
	pauses := 0
	runs := &execution{pause: func() { pauses++ }}
	_, err := runs.ExecPlugin(background, path, []byte("{}"), os.Environ())
	want := "netplugin failed with no error message: fork/exec " + path + ": text file busy"
	if err == nil || err.Error() != want || pauses != 5 {
		t.Errorf("%d pauses, %v", pauses, err)
	}
}
