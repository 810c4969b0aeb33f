// Command go_verifier checks a log with code that shares nothing with the gateway's own: signed
// notes by golang.org/x/mod/sumdb/note, trees and proofs by golang.org/x/mod/sumdb/tlog and
// github.com/transparency-dev/merkle.
//
//	go_verifier VKEY-FILE NOTE-FILE ENTRIES-FILE
//	go_verifier vectors FOLDER
//	go_verifier tree FOLDER VKEY-FILE
//
// ENTRIES-FILE holds each entry as its length (4 bytes, big-endian) and its bytes; FOLDER holds the
// vector files (tests/vectors), or an exported tree. Prints the size and the hexadecimal root, or
// how many vectors hold. Exit status: 0 holds, 1 does not, 2 cannot say.
package main

import (
	"errors"
	"fmt"
	"os"
)

var errUnreadable = errors.New("unreadable")

func main() {
	answer, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_verifier:", err)
		if errors.Is(err, errUnreadable) {
			os.Exit(2)
		}
		os.Exit(1)
	}
	fmt.Println(answer)
}

func run(words []string) (string, error) {
	switch {
	case len(words) == 2 && words[0] == "vectors":
		count, err := checkVectors(words[1])
		return fmt.Sprintf("%d vectors", count), err
	case len(words) == 3 && words[0] == "tree":
		size, root, err := checkTree(words[1], words[2])
		return fmt.Sprintf("%d %x", size, root[:]), err
	case len(words) == 3:
		size, root, err := verify(words[0], words[1], words[2])
		return fmt.Sprintf("%d %x", size, root[:]), err
	}
	return "", fmt.Errorf("%w: say VKEY NOTE ENTRIES, vectors FOLDER or tree FOLDER VKEY", errUnreadable)
}
