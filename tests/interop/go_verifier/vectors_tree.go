package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
)

// numberLeaves gives the leaf hashes of the vectors' tree: leaf i is the decimal text of i.
func numberLeaves(size int) [][]byte {
	leaves := make([][]byte, size)
	for i := range leaves {
		leaves[i] = rfc6962.DefaultHasher.HashLeaf([]byte(strconv.Itoa(i)))
	}
	return leaves
}

func checkRoots(data []byte, c *counter) error {
	var vectors struct {
		Leaves []struct {
			Data     hexBytes
			LeafHash hexBytes `json:"leaf_hash"`
		}
		Nodes []struct{ Left, Right, Hash hexBytes }
		Roots []hexBytes
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		return err
	}
	for _, vector := range vectors.Leaves {
		leaf := tlog.RecordHash(vector.Data)
		c.holds(bytes.Equal(leaf[:], vector.LeafHash), "leaf %x", vector.Data)
	}
	for _, vector := range vectors.Nodes {
		node := tlog.NodeHash(tlog.Hash(vector.Left), tlog.Hash(vector.Right))
		c.holds(bytes.Equal(node[:], vector.Hash), "node %x", vector.Hash)
	}
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	tree := factory.NewEmptyRange(0)
	for size, root := range vectors.Roots {
		found := rfc6962.DefaultHasher.EmptyRoot()
		if size > 0 {
			if err := tree.Append(tlogLeaf(size-1), nil); err != nil {
				return err
			}
			var err error
			if found, err = tree.GetRootHash(nil); err != nil {
				return err
			}
		}
		c.holds(bytes.Equal(found, root), "root of %d", size)
	}
	c.holds(len(vectors.Roots) == 301, "301 roots, there are %d", len(vectors.Roots))
	return nil
}

func tlogLeaf(i int) []byte {
	leaf := tlog.RecordHash([]byte(strconv.Itoa(i)))
	return leaf[:]
}

func checkTiles(data []byte, c *counter) error {
	var vectors struct {
		Paths []struct {
			Level any
			Index uint64
			Width int
			Path  string
		}
		NoPaths []string `json:"no_paths"`
		Bundles []struct {
			Entries []hexBytes
			Bytes   hexBytes
		}
		Torn  []hexBytes `json:"torn_bundles"`
		Trees []struct {
			Size  int
			Root  hexBytes
			Files []struct {
				Path, SHA256 string
				Length       int
			}
		}
		Small struct {
			Size  int
			Path  string
			Bytes hexBytes
		} `json:"small_tile"`
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		return err
	}
	for _, vector := range vectors.Paths {
		kind := fmt.Sprint(vector.Level)
		c.holds(tilePath(kind, vector.Index, vector.Width) == vector.Path, "path %s", vector.Path)
		foundKind, index, width, err := parseTilePath(vector.Path)
		ok := err == nil && foundKind == kind && index == vector.Index && width == vector.Width
		c.holds(ok, "path %s back: %v", vector.Path, err)
	}
	for _, path := range vectors.NoPaths {
		_, _, _, err := parseTilePath(path)
		c.holds(err != nil, "refusing the path %s", path)
	}
	for _, vector := range vectors.Bundles {
		entries := make([][]byte, len(vector.Entries))
		for i, entry := range vector.Entries {
			entries[i] = entry
		}
		c.holds(bytes.Equal(encodeBundle(entries), vector.Bytes), "bundle %.40x", vector.Bytes)
		found, err := parseBundle(vector.Bytes)
		ok := err == nil && len(found) == len(entries) && bytes.Equal(encodeBundle(found), vector.Bytes)
		c.holds(ok, "bundle %.40x back", vector.Bytes)
	}
	for _, torn := range vectors.Torn {
		entries, err := parseBundle(torn)
		c.holds(err != nil || len(entries) != 2, "refusing the bundle %x", torn)
	}
	tiles, _, err := grownTiles(numberLeaves(vectors.Small.Size))
	if err != nil {
		return err
	}
	c.holds(bytes.Equal(tiles[vectors.Small.Path], vectors.Small.Bytes), "the small tile")
	for _, tree := range vectors.Trees {
		tiles, root, err := grownTiles(numberLeaves(tree.Size))
		if err != nil {
			return err
		}
		c.holds(bytes.Equal(root, tree.Root), "root of the tree of %d", tree.Size)
		for _, file := range tree.Files {
			content := tiles[file.Path]
			if kind, index, width, err := parseTilePath(file.Path); err == nil && kind == "entries" {
				content = numberBundle(int(index)*tileWidth, width)
			}
			sum := sha256.Sum256(content)
			ok := len(content) == file.Length && hex.EncodeToString(sum[:]) == file.SHA256
			c.holds(ok, "%s of the tree of %d", file.Path, tree.Size)
		}
	}
	return nil
}

func numberBundle(first, width int) []byte {
	entries := make([][]byte, width)
	for i := range entries {
		entries[i] = []byte(strconv.Itoa(first + i))
	}
	return encodeBundle(entries)
}

// checkProofFiles checks proofs.json under the roots of tree.json, and proof-files.json.
func checkProofFiles(folder string, c *counter) error {
	var roots struct{ Roots []hexBytes }
	var proofs struct {
		Inclusion []struct {
			Index, Size uint64
			Hashes      []hexBytes
		}
		Consistency []struct {
			Old, New uint64
			Hashes   []hexBytes
		}
	}
	var files struct {
		Vkey  string
		Files []struct {
			Index int64
			Text  string
		}
		Refused []struct{ Name, Text string }
	}
	for name, into := range map[string]any{"tree.json": &roots, "proofs.json": &proofs, "proof-files.json": &files} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return err
		}
	}
	hasher := rfc6962.DefaultHasher
	leaves := numberLeaves(len(roots.Roots))
	for _, vector := range proofs.Inclusion {
		err := proof.VerifyInclusion(hasher, vector.Index, vector.Size, leaves[vector.Index], plain(vector.Hashes), roots.Roots[vector.Size])
		c.holds(err == nil, "inclusion of %d in %d: %v", vector.Index, vector.Size, err)
	}
	for _, vector := range proofs.Consistency {
		err := proof.VerifyConsistency(hasher, vector.Old, vector.New, plain(vector.Hashes), roots.Roots[vector.Old], roots.Roots[vector.New])
		c.holds(err == nil, "consistency of %d and %d: %v", vector.Old, vector.New, err)
	}
	for _, vector := range files.Files {
		err := verifyProofFile(vector.Text, files.Vkey, vector.Index)
		c.holds(err == nil, "proof file of entry %d: %v", vector.Index, err)
	}
	for _, vector := range files.Refused {
		err := verifyProofFile(vector.Text, files.Vkey, -1)
		c.holds(err != nil, "refusing the proof file with %s", vector.Name)
	}
	if c.count < 1000 {
		return errors.New("most vectors are not there")
	}
	return nil
}

func plain(hashes []hexBytes) [][]byte {
	made := make([][]byte, len(hashes))
	for i, hash := range hashes {
		made[i] = hash
	}
	return made
}
