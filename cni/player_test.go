package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// play is a plugin of the default network: it writes down what it is given, and answers as the test says, or as a
// plugin would that makes one interface.
func play() int {
	name, command, journal := filepath.Base(os.Args[0]), os.Getenv("CNI_COMMAND"), os.Getenv("FAKE_JOURNAL")
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	write(journal, recorded{Plugin: name, Stdin: string(input), Environment: environment()})
	wait(filepath.Join(journal, "hold"))
	if logged, err := os.ReadFile(filepath.Join(journal, name+".stderr")); err == nil {
		os.Stderr.Write(logged)
	}
	if said, err := os.ReadFile(filepath.Join(journal, name+"."+command)); err == nil {
		os.Stdout.Write(said)
		if strings.Contains(string(said), `"code"`) {
			return 1
		}
		return 0
	}
	if command == "ADD" {
		os.Stdout.Write(resultFor(input))
	}
	return 0
}

func environment() map[string]string {
	variables := map[string]string{}
	for _, variable := range os.Environ() {
		if key, value, _ := strings.Cut(variable, "="); strings.HasPrefix(key, "CNI_") {
			variables[key] = value
		}
	}
	return variables
}

func write(journal string, one recorded) {
	line, err := json.Marshal(one)
	if err != nil {
		panic(err)
	}
	file, err := os.OpenFile(filepath.Join(journal, "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// wait lasts until the test lets go, or for ever: who holds sees when this process ends.
func wait(socket string) {
	connection, err := net.Dial("unix", socket)
	if err == nil {
		_, _ = io.ReadAll(connection)
	}
}

func resultFor(input []byte) []byte {
	var given struct {
		CNIVersion string          `json:"cniVersion"`
		PrevResult json.RawMessage `json:"prevResult"`
	}
	if err := json.Unmarshal(input, &given); err != nil {
		panic(err)
	}
	if given.PrevResult != nil {
		return given.PrevResult
	}
	version := ""
	if strings.HasPrefix(given.CNIVersion, "0.") {
		version = `"version":"4",`
	}
	return []byte(`{"cniVersion":"` + given.CNIVersion + `","interfaces":[{"name":"eth0","sandbox":"` + os.Getenv("CNI_NETNS") +
		`"}],"ips":[{` + version + `"address":"10.9.0.7/24","gateway":"10.9.0.1","interface":0}],"dns":{}}`)
}
