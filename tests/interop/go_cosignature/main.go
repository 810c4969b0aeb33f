// Opens a cosigned checkpoint with golang.org/x/mod/sumdb/note: the log's own signature by the
// package's verifier, cosignature/v1 lines (c2sp.org/tlog-cosignature) by the one below.
//
//	cosignature <log vkey file> <note file> <witness vkey file>...
//
// Prints the size and, for each witness whose cosignature holds, its name and time. Exit status 1
// when the note does not open or a witness did not cosign.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const cosignatureV1 = 4

// witness is a note.Verifier of type 0x04.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
	time uint64
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }

func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	w.time = binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", w.time, text)
	return ed25519.Verify(w.key, []byte(message), signature[8:])
}

func parseWitness(vkey string) (*witness, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(vkey), "+")
	hash, encoded, _ := strings.Cut(rest, "+")
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(blob) != 1+ed25519.PublicKeySize || blob[0] != cosignatureV1 {
		return nil, fmt.Errorf("%q is not a key of type 0x04", vkey)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), blob...))
	made := &witness{name: name, hash: binary.BigEndian.Uint32(sum[:4]), key: blob[1:]}
	if fmt.Sprintf("%08x", made.hash) != hash {
		return nil, fmt.Errorf("the key id of %q does not belong to its key", vkey)
	}
	return made, nil
}

func run(arguments []string) error {
	files := make([]string, len(arguments))
	for i, path := range arguments {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files[i] = string(data)
	}
	log, err := note.NewVerifier(strings.TrimSpace(files[0]))
	if err != nil {
		return err
	}
	known := []note.Verifier{log}
	witnesses := make([]*witness, 0, len(files))
	for _, vkey := range files[2:] {
		w, err := parseWitness(vkey)
		if err != nil {
			return err
		}
		witnesses = append(witnesses, w)
		known = append(known, w)
	}
	opened, err := note.Open([]byte(files[1]), note.VerifierList(known...))
	if err != nil {
		return err
	}
	signed := map[string]bool{}
	for _, signature := range opened.Sigs {
		signed[fmt.Sprintf("%s+%08x", signature.Name, signature.Hash)] = true
	}
	if !signed[fmt.Sprintf("%s+%08x", log.Name(), log.KeyHash())] {
		return fmt.Errorf("the log did not sign it")
	}
	lines := strings.SplitN(opened.Text, "\n", 4)
	var size int64
	if _, err := fmt.Sscan(lines[1], &size); err != nil || lines[0] != log.Name() {
		return fmt.Errorf("not a checkpoint of %s", log.Name())
	}
	if _, err := tlog.ParseHash(lines[2]); err != nil {
		return err
	}
	fmt.Println(size)
	for _, w := range witnesses {
		if !signed[fmt.Sprintf("%s+%08x", w.name, w.hash)] {
			return fmt.Errorf("%s did not cosign", w.name)
		}
		fmt.Println(w.name, w.time)
	}
	return nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: cosignature <log vkey> <note> <witness vkey>...")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
