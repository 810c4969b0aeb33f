package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// hexBytes is bytes that stand in JSON as hexadecimal digits.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*b = decoded
	return err
}

type refusal struct {
	Name  string
	Bytes hexBytes
}

// counter counts vectors and keeps the first that does not hold.
type counter struct {
	count int
	err   error
}

func (c *counter) holds(ok bool, format string, words ...any) {
	c.count++
	if !ok && c.err == nil {
		c.err = fmt.Errorf("does not hold: "+format, words...)
	}
}

// checkVectors gives how many of the vectors in the folder hold, and the first that does not.
func checkVectors(folder string) (int, error) {
	c := &counter{}
	checks := map[string]func([]byte, *counter) error{
		"canonical.json":   checkCanonical,
		"commitments.json": checkCommitments,
		"entries.json":     checkEntries,
		"notes.json":       checkNotes,
		"tiles.json":       checkTiles,
		"tree.json":        checkRoots,
	}
	for name, check := range checks {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return 0, fmt.Errorf("%w: %v", errUnreadable, err)
		}
		if err := check(data, c); err != nil {
			return 0, fmt.Errorf("%w: %s: %v", errUnreadable, name, err)
		}
	}
	if err := checkProofFiles(folder, c); err != nil {
		return 0, fmt.Errorf("%w: %v", errUnreadable, err)
	}
	return c.count, c.err
}

func checkCanonical(data []byte, c *counter) error {
	var vectors struct {
		Values []struct {
			Name, Input string
			Canonical   hexBytes
		}
		Refused []refusal
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		return err
	}
	for _, vector := range vectors.Values {
		value, err := parseJSON([]byte(vector.Input))
		if err != nil {
			return err
		}
		encoded, err := encodeCanonical(value)
		c.holds(err == nil && bytes.Equal(encoded, vector.Canonical), "canonical %s: %v", vector.Name, err)
		_, err = readCanonical(vector.Canonical)
		c.holds(err == nil, "canonical %s as it stands: %v", vector.Name, err)
	}
	for _, vector := range vectors.Refused {
		_, err := readCanonical(vector.Bytes)
		c.holds(err != nil, "refusing %s", vector.Name)
	}
	return nil
}

func checkEntries(data []byte, c *counter) error {
	var vectors struct {
		Log     string
		Entries []struct {
			Seq      int64
			Bytes    hexBytes
			LeafHash hexBytes `json:"leaf_hash"`
		}
		Refused []refusal
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		return err
	}
	prev := hex.EncodeToString(make([]byte, sha256.Size))
	for _, vector := range vectors.Entries {
		fields, err := readEntryFields(vector.Bytes)
		c.holds(err == nil && fmt.Sprint(fields["seq"]) == fmt.Sprint(vector.Seq), "entry %d: %v", vector.Seq, err)
		c.holds(fields["log"] == vectors.Log && fields["prev"] == prev, "place of entry %d", vector.Seq)
		leaf := rfc6962.DefaultHasher.HashLeaf(vector.Bytes)
		c.holds(bytes.Equal(leaf, vector.LeafHash), "leaf hash of entry %d", vector.Seq)
		prev = hex.EncodeToString(leaf)
	}
	for _, vector := range vectors.Refused {
		_, err := readEntryFields(vector.Bytes)
		c.holds(err != nil, "refusing %s", vector.Name)
	}
	return nil
}

func checkNotes(data []byte, c *counter) error {
	var vectors struct {
		Keys []struct {
			Name, Vkey string
			KeyID      string `json:"key_id"`
		}
		NoKeys      []string `json:"no_keys"`
		Vkey        string
		Checkpoints []struct {
			Size int64
			Root hexBytes
			Note string
		}
		Refused []struct{ Name, Note string }
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		return err
	}
	for _, vector := range vectors.Keys {
		key, err := note.NewVerifier(vector.Vkey)
		ok := err == nil && key.Name() == vector.Name && fmt.Sprintf("%08x", key.KeyHash()) == vector.KeyID
		c.holds(ok, "key %s: %v", vector.Vkey, err)
	}
	for _, vkey := range vectors.NoKeys {
		_, err := note.NewVerifier(vkey)
		c.holds(err != nil, "refusing the key %s", vkey)
	}
	for _, vector := range vectors.Checkpoints {
		size, root, err := openNote(vectors.Vkey, []byte(vector.Note))
		ok := err == nil && size == vector.Size && bytes.Equal(root[:], vector.Root)
		c.holds(ok, "checkpoint of %d: %v", vector.Size, err)
	}
	for _, vector := range vectors.Refused {
		_, _, err := openNote(vectors.Vkey, []byte(vector.Note))
		c.holds(err != nil, "refusing %s", vector.Name)
	}
	return nil
}

func checkCommitments(data []byte, c *counter) error {
	var vectors struct {
		Classes []struct {
			Class, Salt, Payload hexBytes
			Key, ID              string
		}
		Sealed []struct {
			Bytes  hexBytes
			SHA256 string
		}
		Body  hexBytes `json:"payloads_sealed_body"`
		Vkey  string
		Marks []struct {
			Seq      int64
			LeafHash hexBytes `json:"leaf_hash"`
			Mark     hexBytes
		}
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		return err
	}
	for _, vector := range vectors.Classes {
		_, err := readCanonical(vector.Class)
		c.holds(err == nil, "class %s: %v", vector.Class, err)
		key := sha256.Sum256(append([]byte("compliance-gateway/class/v1\n"), vector.Class...))
		c.holds(hex.EncodeToString(key[:]) == vector.Key, "class key of %s", vector.Class)
		salted := append([]byte("compliance-gateway/class-id/v1\n"), vector.Salt...)
		id := sha256.Sum256(append(salted, vector.Class...))
		c.holds(hex.EncodeToString(id[:24]) == vector.ID, "class id of %s", vector.Class)
		_, err = readCanonical(vector.Payload)
		c.holds(err == nil && bytes.Contains(vector.Payload, vector.Class), "payload of %s: %v", vector.Class, err)
	}
	for _, vector := range vectors.Sealed {
		sum := sha256.Sum256(vector.Bytes)
		committed := []byte(`,"` + hex.EncodeToString(sum[:]) + `"]`)
		ok := hex.EncodeToString(sum[:]) == vector.SHA256 && bytes.Contains(vectors.Body, committed)
		c.holds(ok, "sealed payload %s", vector.SHA256)
	}
	_, err := readCanonical(vectors.Body)
	c.holds(err == nil, "body of payloads.sealed: %v", err)
	return checkMarks(vectors.Vkey, c, func(mark func(seq int64, leaf, signature []byte)) {
		for _, vector := range vectors.Marks {
			mark(vector.Seq, vector.LeafHash, vector.Mark)
		}
	})
}

// checkMarks holds each mark against the key of the log: docs/formats.md section 11.
func checkMarks(vkey string, c *counter, each func(func(seq int64, leaf, signature []byte))) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	each(func(seq int64, leaf, signature []byte) {
		text := fmt.Sprintf("compliance-gateway/journal/v1\n%s\n%d\n%x\n", verifier.Name(), seq, leaf)
		c.holds(verifier.Verify([]byte(text), signature), "mark of entry %d", seq)
		signature[ed25519.SignatureSize-1] ^= 1
		c.holds(!verifier.Verify([]byte(text), signature), "refusing a changed mark")
	})
	return nil
}
