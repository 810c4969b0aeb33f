package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// C2SP tlog-tiles, and a whole exported tree: docs/formats.md section 13.

const tileWidth = 256

func tilePath(kind string, index uint64, width int) string {
	number := fmt.Sprintf("%03d", index%1000)
	for index /= 1000; index > 0; index /= 1000 {
		number = fmt.Sprintf("x%03d/%s", index%1000, number)
	}
	if width < tileWidth {
		return fmt.Sprintf("tile/%s/%s.p/%d", kind, number, width)
	}
	return fmt.Sprintf("tile/%s/%s", kind, number)
}

// parseTilePath takes the one spelling of a tile's path.
func parseTilePath(path string) (kind string, index uint64, width int, err error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	kind, rest, ok2 := strings.Cut(rest, "/")
	width = tileWidth
	if number, partial, ok := strings.Cut(rest, ".p/"); ok {
		rest = number
		if width, err = strconv.Atoi(partial); err != nil {
			return "", 0, 0, err
		}
	}
	digits := strings.ReplaceAll(strings.ReplaceAll(rest, "/", ""), "x", "")
	index, err = strconv.ParseUint(digits, 10, 63)
	level, levelErr := strconv.Atoi(kind)
	isLevel := levelErr == nil && level >= 0 && level < 64 && strconv.Itoa(level) == kind
	if err != nil || !ok || !ok2 || width < 1 || !(kind == "entries" || isLevel) {
		return "", 0, 0, fmt.Errorf("no path: %q", path)
	}
	if tilePath(kind, index, width) != path {
		return "", 0, 0, fmt.Errorf("another spelling: %q", path)
	}
	return kind, index, width, nil
}

func parseBundle(data []byte) ([][]byte, error) {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, errors.New("cut short in a length")
		}
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			return nil, errors.New("cut short in an entry")
		}
		entries = append(entries, data[2:2+length])
		data = data[2+length:]
	}
	return entries, nil
}

func encodeBundle(entries [][]byte) []byte {
	var out []byte
	for _, entry := range entries {
		out = binary.BigEndian.AppendUint16(out, uint16(len(entry)))
		out = append(out, entry...)
	}
	return out
}

// grownTiles gives every tile of the tree over the leaf hashes by its path, and the tree's root.
func grownTiles(leaves [][]byte) (map[string][]byte, []byte, error) {
	levels := make(map[uint][][]byte)
	visit := func(id compact.NodeID, hash []byte) {
		if id.Level%8 == 0 {
			levels[id.Level/8] = append(levels[id.Level/8], hash)
		}
	}
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	tree := factory.NewEmptyRange(0)
	for _, leaf := range leaves {
		if err := tree.Append(leaf, visit); err != nil {
			return nil, nil, err
		}
	}
	tiles := make(map[string][]byte)
	for level, hashes := range levels {
		for start := 0; start < len(hashes); start += tileWidth {
			part := hashes[start:min(start+tileWidth, len(hashes))]
			path := tilePath(strconv.Itoa(int(level)), uint64(start/tileWidth), len(part))
			tiles[path] = bytes.Join(part, nil)
		}
	}
	root := rfc6962.DefaultHasher.EmptyRoot()
	if len(leaves) > 0 {
		var err error
		if root, err = tree.GetRootHash(nil); err != nil {
			return nil, nil, err
		}
	}
	return tiles, root, nil
}

// checkTree holds an exported folder against its checkpoint: each entry, in its place and chain,
// and each tile. Bundles that are not there are not forgiven here.
func checkTree(folder, vkeyPath string) (int64, tlog.Hash, error) {
	vkey, err := os.ReadFile(vkeyPath)
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("%w: %v", errUnreadable, err)
	}
	signed, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("%w: %v", errUnreadable, err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	head, _, _, err := log.ParseCheckpoint(signed, verifier.Name(), verifier)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	leaves, err := readLeaves(folder, head.Size, verifier.Name())
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	tiles, root, err := grownTiles(leaves)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	if !bytes.Equal(root, head.Hash) {
		return 0, tlog.Hash{}, fmt.Errorf("the checkpoint's root is %x, the entries' %x", head.Hash, root)
	}
	for path, hashes := range tiles {
		if err := holdFile(folder, path, hashes); err != nil {
			return 0, tlog.Hash{}, err
		}
	}
	return int64(head.Size), tlog.Hash(root), nil
}

func readLeaves(folder string, size uint64, origin string) ([][]byte, error) {
	var leaves [][]byte
	prev := strings.Repeat("0", 64)
	for start := uint64(0); start < size; start += tileWidth {
		width := int(min(tileWidth, size-start))
		path := tilePath("entries", start/tileWidth, width)
		data, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			return nil, err
		}
		entries, err := parseBundle(data)
		if err != nil || len(entries) != width {
			return nil, fmt.Errorf("%s: %d entries of %d: %v", path, len(entries), width, err)
		}
		for i, entry := range entries {
			seq := start + uint64(i)
			fields, err := readEntryFields(entry)
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", seq, err)
			}
			if fmt.Sprint(fields["seq"]) != fmt.Sprint(seq) || fields["log"] != origin || fields["prev"] != prev {
				return nil, fmt.Errorf("entry %d is not in its place", seq)
			}
			leaf := rfc6962.DefaultHasher.HashLeaf(entry)
			leaves = append(leaves, leaf)
			prev = fmt.Sprintf("%x", leaf)
		}
	}
	return leaves, nil
}

// holdFile compares a tile with what its tree says; a partial tile of an earlier size, which may
// stand beside it, must be the beginning of it.
func holdFile(folder, path string, hashes []byte) error {
	data, err := os.ReadFile(filepath.Join(folder, path))
	if err != nil {
		return err
	}
	if !bytes.Equal(data, hashes) {
		return fmt.Errorf("%s is not the tile of its entries", path)
	}
	number, _, _ := strings.Cut(path, ".p/")
	partials, err := filepath.Glob(filepath.Join(folder, number+".p", "*"))
	if err != nil {
		return err
	}
	for _, partial := range partials {
		width, err := strconv.Atoi(filepath.Base(partial))
		if err != nil {
			return err
		}
		data, err := os.ReadFile(partial)
		if err != nil {
			return err
		}
		if len(data) != 32*width || !bytes.HasPrefix(hashes, data[:min(len(data), len(hashes))]) {
			return fmt.Errorf("%s is not the beginning of %s", partial, path)
		}
	}
	return nil
}
