package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhichConfigurationIsTheDefaultNetworks(t *testing.T) {
	single := `{"cniVersion":"0.4.0","name":"NAME","type":"ptp"}`
	several := `{"cniVersion":"1.0.0","name":"NAME","plugins":[{"type":"bridge"},{"type":"portmap"}]}`
	own := `{"cniVersion":"1.0.0","name":"atoll","plugins":[{"type":"atoll-cni"}]}`
	for name, want := range map[string]struct {
		files  map[string]string
		named  string
		chosen string
		err    string
	}{
		"the first by file name":      {files: map[string]string{"20-b.conflist": several, "10-a.conf": single}, chosen: "10-a.conf"},
		"its own left out":            {files: map[string]string{"00-atoll.conflist": own, "10-a.conf": single}, chosen: "10-a.conf"},
		"a .json file":                {files: map[string]string{"10-a.json": single}, chosen: "10-a.json"},
		"other files left out":        {files: map[string]string{"05-a.conflist.tmp": several, "10-a.json": single}, chosen: "10-a.json"},
		"a broken one left out":       {files: map[string]string{"05-a.conflist": "{", "10-b.conf": single}, chosen: "10-b.conf"},
		"a named file":                {files: map[string]string{"10-a.conf": single, "20-b.conflist": several}, named: "20-b.conflist", chosen: "20-b.conflist"},
		"a named network":             {files: map[string]string{"10-a.conf": single, "20-b.conflist": several}, named: "20-b.conflist!", chosen: "20-b.conflist"},
		"behind a meta-plugin":        {files: map[string]string{"00-multus.conf": single, "01-atoll.conflist": own, "10-a.conf": single, "11-atoll.conflist": own}, chosen: "10-a.conf"},
		"only a broken one":           {files: map[string]string{"10-a.conf": "{"}, err: "the default network has no configuration in DIR (DIR/10-a.conf: error parsing configuration: unexpected end of JSON input)"},
		"nothing there":               {files: map[string]string{"00-atoll.conflist": own}, err: "the default network has no configuration in DIR"},
		"the named file is gone":      {files: map[string]string{"10-a.conf": single}, named: "20-b.conflist", err: "the default network has no configuration: there is no DIR/20-b.conflist"},
		"the named network is gone":   {files: map[string]string{"10-a.conf": single}, named: "b", err: `the default network has no configuration in DIR of the name "b"`},
		"the named file is half read": {files: map[string]string{"10-a.conf": `{"name"`}, named: "10-a.conf", err: "DIR/10-a.conf: error parsing configuration: unexpected end of JSON input"},
		"the named file is its own":   {files: map[string]string{"a.conf": `{"name":"a","type":"atoll-cni"}`}, named: "a.conf", err: "DIR/a.conf: it calls atoll-cni itself and cannot be the default network"},
		"the named file has no name":  {files: map[string]string{"a.conf": `{"type":"ptp"}`}, named: "a.conf", err: "DIR/a.conf: the configuration has no name"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for file, content := range want.files {
				must(t, os.WriteFile(filepath.Join(folder, file), []byte(strings.ReplaceAll(content, "NAME", file+"!")), 0o644))
			}
			list, err := defaultList(config{ConfDir: folder, DefaultNetwork: want.named, Type: "atoll-cni"})
			if want.err != "" {
				if err == nil || err.Error() != strings.ReplaceAll(want.err, "DIR", folder) {
					t.Errorf("said %v, expected %s", err, strings.ReplaceAll(want.err, "DIR", folder))
				}
				return
			}
			if err != nil || list.Name != want.chosen+"!" {
				t.Errorf("chose %v, %v", list, err)
			}
		})
	}
}

func TestPluginsOfOtherFilesBelongToTheListAndStayInItsRecord(t *testing.T) {
	folder := t.TempDir()
	must(t, os.Mkdir(filepath.Join(folder, "net"), 0o755))
	must(t, os.WriteFile(filepath.Join(folder, "net", "20-tuning.conf"), []byte(`{"type": "tuning", "mtu": 9000}`), 0o644))
	must(t, os.WriteFile(filepath.Join(folder, "10-net.conflist"), []byte(
		`{"cniVersion":"0.4.0","cniVersions":["1.0.0"],"disableCheck":true,"name":"net","plugins":[{"type":"bridge"}]}`), 0o644))
	taken, err := defaultList(config{ConfDir: folder, Type: "atoll-cni"})
	must(t, err)
	kept, err := snapshotOf(taken).list()
	must(t, err)
	if kept.Name != "net" || kept.CNIVersion != "1.0.0" || !kept.DisableCheck || len(kept.Plugins) != 2 {
		t.Fatalf("kept %+v", kept)
	}
	if got := string(kept.Plugins[1].Bytes); got != `{"mtu":9000,"type":"tuning"}` {
		t.Errorf("kept %s", got)
	}
}

func TestAMissingConfigurationIsToldFromABrokenOne(t *testing.T) {
	_, err := defaultList(config{ConfDir: filepath.Join(t.TempDir(), "absent"), Type: "atoll-cni"})
	if !errors.Is(err, errNoDefault) {
		t.Errorf("said %v", err)
	}
}
