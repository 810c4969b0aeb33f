package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func verify(vkeyPath, notePath, entriesPath string) (int64, tlog.Hash, error) {
	size, claimed, err := openCheckpoint(vkeyPath, notePath)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	count, root, err := hashEntries(entriesPath)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	if count != size {
		return 0, tlog.Hash{}, fmt.Errorf("the checkpoint says %d entries, there are %d", size, count)
	}
	if root != claimed {
		return 0, tlog.Hash{}, fmt.Errorf("the checkpoint's root is %x, the entries' %x", claimed[:], root[:])
	}
	return size, root, nil
}

// openCheckpoint gives the size and root of a checkpoint that the key signed (C2SP tlog-checkpoint).
func openCheckpoint(vkeyPath, notePath string) (int64, tlog.Hash, error) {
	vkey, err := os.ReadFile(vkeyPath)
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("%w: %v", errUnreadable, err)
	}
	signed, err := os.ReadFile(notePath)
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("%w: %v", errUnreadable, err)
	}
	return openNote(strings.TrimSpace(string(vkey)), signed)
}

func openNote(vkey string, signed []byte) (int64, tlog.Hash, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	return parseCheckpoint(opened.Text, verifier.Name())
}

func parseCheckpoint(text, origin string) (int64, tlog.Hash, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] != origin {
		return 0, tlog.Hash{}, errors.New("not a checkpoint of the key's log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || lines[1] != strconv.FormatInt(size, 10) {
		return 0, tlog.Hash{}, fmt.Errorf("not a size: %q", lines[1])
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(decoded) != tlog.HashSize {
		return 0, tlog.Hash{}, fmt.Errorf("not a root: %q", lines[2])
	}
	return size, tlog.Hash(decoded), nil
}

// hashEntries gives the number of entries and the root of their tree (RFC 6962 section 2.1).
func hashEntries(path string) (int64, tlog.Hash, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("%w: %v", errUnreadable, err)
	}
	defer file.Close()
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	count := int64(0)
	for {
		entry, err := readEntry(file)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, tlog.Hash{}, fmt.Errorf("%w: entry %d: %v", errUnreadable, count, err)
		}
		hashes, err := tlog.StoredHashes(count, entry, reader)
		if err != nil {
			return 0, tlog.Hash{}, err
		}
		stored = append(stored, hashes...)
		count++
	}
	root, err := tlog.TreeHash(count, reader)
	return count, root, err
}

func readEntry(file io.Reader) ([]byte, error) {
	var length uint32
	if err := binary.Read(file, binary.BigEndian, &length); err != nil {
		return nil, err // io.EOF only when there is no further entry
	}
	entry := make([]byte, length)
	if _, err := io.ReadFull(file, entry); err != nil {
		return nil, fmt.Errorf("cut short: %v", err)
	}
	return entry, nil
}
