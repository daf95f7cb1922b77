// Judges a Stayward log with Go's own checksum-database code, which shares nothing with ours: the signed head, the inclusion
// of every entry, a proof file, and that a changed leaf, head or proof is refused (T4, T6).
//
// usage: tlog FOLDER, with FOLDER made by `cargo run -p store --example make_log -- FOLDER`
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "refused: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func expect(ok bool, what string) {
	if !ok {
		fmt.Fprintf(os.Stderr, "refused: %s\n", what)
		os.Exit(1)
	}
}

// c2sp gives the path of tlog-tiles for a tile of Go's older layout (tile/8/L/N there, tile/L/N here; data there, entries here).
func c2sp(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), "tile/8/")
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// folder reads tiles from the log's folder; a partial tile that is gone is read from its full tile.
type folder struct{ root string }

func (f folder) Height() int { return height }

func (f folder) read(tile tlog.Tile) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(f.root, c2sp(tile)))
	if os.IsNotExist(err) && tile.W < 1<<height {
		full := tile
		full.W = 1 << height
		data, err = os.ReadFile(filepath.Join(f.root, c2sp(full)))
		if err == nil && tile.L >= 0 {
			data = data[:tile.W*tlog.HashSize]
		}
	}
	return data, err
}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := f.read(tile)
		if err != nil {
			return nil, err
		}
		all[i] = data
	}
	return all, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) entries(size int64) ([][]byte, error) {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := size - n*256
		if width > 256 {
			width = 256
		}
		data, err := f.read(tlog.Tile{H: height, L: -1, N: n, W: int(width)})
		if err != nil {
			return nil, err
		}
		for i := int64(0); i < width; i++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("entry bundle %d breaks off in entry %d", n, i)
			}
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
		if len(data) != 0 {
			return nil, fmt.Errorf("entry bundle %d has %d bytes too many", n, len(data))
		}
	}
	return all, nil
}

// head opens a signed checkpoint: signature by Go's note package, text by hand, since Go's tree heads have another first line.
func head(raw []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("head does not have the lines origin, size, root")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// proofFile checks c2sp.org/tlog-proof text for an entry.
func proofFile(raw, entry []byte, verifier note.Verifier) error {
	parts := bytes.SplitN(raw, []byte("\n\n"), 2)
	if len(parts) != 2 {
		return fmt.Errorf("proof file has no empty line")
	}
	lines := strings.Split(string(parts[0]), "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return fmt.Errorf("proof file has another form")
	}
	index, err := strconv.ParseInt(lines[1][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		decoded, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(decoded) != tlog.HashSize {
			return fmt.Errorf("proof file has a bad hash %q", line)
		}
		var hash tlog.Hash
		copy(hash[:], decoded)
		proof = append(proof, hash)
	}
	tree, err := head(parts[1], verifier)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func main() {
	expect(len(os.Args) == 2, "usage: tlog FOLDER")
	base := os.Args[1]
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(base, name))
		must(err, name)
		return data
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(read("log-key.txt"))))
	must(err, "log-key.txt")
	raw := read("log/checkpoint")
	tree, err := head(raw, verifier)
	must(err, "checkpoint")
	fmt.Printf("checkpoint accepted: %d entries\n", tree.N)

	source := folder{filepath.Join(base, "log")}
	// TileHashReader verifies every tile that it reads against the signed root.
	hashes := tlog.TileHashReader(tree, source)
	entries, err := source.entries(tree.N)
	must(err, "entries")
	for i, entry := range entries {
		proof, err := tlog.ProveRecord(tree.N, int64(i), hashes)
		must(err, fmt.Sprintf("proof of entry %d", i))
		must(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(i), tlog.RecordHash(entry)), fmt.Sprintf("entry %d", i))
		changed := append([]byte(nil), entry...)
		changed[len(changed)-1] ^= 1
		expect(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(i), tlog.RecordHash(changed)) != nil, "a changed leaf was accepted")
	}
	fmt.Printf("%d inclusion proofs accepted, %d changed leaves refused\n", len(entries), len(entries))

	for old := int64(1); old <= tree.N; old++ {
		root, err := tlog.TreeHash(old, hashes)
		must(err, fmt.Sprintf("root at %d", old))
		proof, err := tlog.ProveTree(tree.N, old, hashes)
		must(err, fmt.Sprintf("consistency with %d", old))
		must(tlog.CheckTree(proof, tree.N, tree.Hash, old, root), fmt.Sprintf("consistency with %d", old))
	}
	fmt.Printf("%d consistency proofs accepted\n", tree.N)

	proof, entry := read("entry.tlog-proof"), read("entry.txt")
	must(proofFile(proof, entry, verifier), "entry.tlog-proof")
	expect(proofFile(proof, append(entry, '.'), verifier) != nil, "the proof file was accepted for another entry")
	fmt.Println("proof file accepted for its entry, refused for another")

	bent := bytes.Replace(raw, []byte(fmt.Sprintf("\n%d\n", tree.N)), []byte(fmt.Sprintf("\n%d\n", tree.N+1)), 1)
	_, err = head(bent, verifier)
	expect(err != nil, "a changed checkpoint was accepted")
	fmt.Println("changed checkpoint refused")
}
