package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// verifyProofFile verifies a C2SP tlog-proof of one entry (docs/formats.md section 13); `wanted` is
// the index that it must be of, -1 for any.
func verifyProofFile(text, vkey string, wanted int64) error {
	head, signed, found := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a proof")
	}
	extra, hasExtra := strings.CutPrefix(lines[1], "extra ")
	number, hasIndex := strings.CutPrefix(lines[2], "index ")
	index, err := strconv.ParseInt(number, 10, 64)
	if !hasExtra || !hasIndex || err != nil || strconv.FormatInt(index, 10) != number {
		return errors.New("no extra or no index")
	}
	entry, err := base64.StdEncoding.Strict().DecodeString(extra)
	if err != nil {
		return err
	}
	var path [][]byte
	for _, line := range lines[3:] {
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	size, root, err := openNote(vkey, []byte(signed))
	if err != nil {
		return err
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(entry)
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), leaf, path, root[:]); err != nil {
		return err
	}
	fields, err := readEntryFields(entry)
	if err != nil {
		return err
	}
	origin, _, _ := strings.Cut(signed, "\n")
	if fmt.Sprint(fields["seq"]) != number || fields["log"] != origin {
		return errors.New("the entry says another place")
	}
	if wanted >= 0 && wanted != index {
		return fmt.Errorf("it is of entry %d", index)
	}
	return nil
}
