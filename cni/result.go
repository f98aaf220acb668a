package main

import (
	"bytes"
	"os"

	"github.com/containernetworking/cni/pkg/types"
)

func converted(result types.Result, protocol string) ([]byte, error) {
	result, err := result.GetAsVersion(protocol)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = result.PrintTo(&text)
	return text.Bytes(), err
}

// printed writes the result only when it is whole: an error must be the only thing on standard output.
func printed(result []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(result)
	return err
}
