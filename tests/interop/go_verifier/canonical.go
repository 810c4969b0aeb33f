package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// RFC 8785 for values without fractions: docs/formats.md, the first paragraph and section 9.

const (
	maxDepth       = 64
	maxSafeInteger = 1<<53 - 1
	maxEntry       = 65535
)

func parseJSON(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return value, nil
}

// encodeCanonical gives the canonical bytes of a parsed value.
func encodeCanonical(value any) ([]byte, error) {
	var out bytes.Buffer
	err := writeCanonical(&out, value, maxDepth)
	return out.Bytes(), err
}

func writeCanonical(out *bytes.Buffer, value any, depth int) error {
	if depth == 0 {
		return errors.New("nested too deep")
	}
	switch value := value.(type) {
	case nil:
		out.WriteString("null")
	case bool:
		out.WriteString(strconv.FormatBool(value))
	case string:
		writeText(out, value)
	case json.Number:
		number, err := strconv.ParseInt(value.String(), 10, 64)
		if err != nil || strconv.FormatInt(number, 10) != value.String() {
			return fmt.Errorf("not a whole number: %.40s", value)
		}
		if number > maxSafeInteger || number < -maxSafeInteger {
			return fmt.Errorf("past 2^53-1: %d", number)
		}
		out.WriteString(value.String())
	case []any:
		out.WriteByte('[')
		for i, item := range value {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeCanonical(out, item, depth-1); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	case map[string]any:
		return writeObject(out, value, depth)
	}
	return nil
}

func writeObject(out *bytes.Buffer, value map[string]any, depth int) error {
	names := make([]string, 0, len(value))
	for name := range value {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})
	out.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			out.WriteByte(',')
		}
		writeText(out, name)
		out.WriteByte(':')
		if err := writeCanonical(out, value[name], depth-1); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

func writeText(out *bytes.Buffer, text string) {
	short := strings.NewReplacer("\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	out.WriteByte('"')
	for _, char := range text {
		switch {
		case char == '"' || char == '\\':
			out.WriteByte('\\')
			out.WriteRune(char)
		case strings.ContainsRune("\b\f\n\r\t", char):
			out.WriteString(short.Replace(string(char)))
		case char < 0x20:
			fmt.Fprintf(out, `\u%04x`, char)
		default:
			out.WriteRune(char)
		}
	}
	out.WriteByte('"')
}

// readCanonical gives the value of bytes that are in their canonical form.
func readCanonical(data []byte) (any, error) {
	value, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	again, err := encodeCanonical(value)
	if err == nil && !bytes.Equal(again, data) {
		err = errors.New("not the canonical form")
	}
	return value, err
}

var (
	isHash = regexp.MustCompile(`^[0-9a-f]{64}$`)
	isTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)
)

// readEntryFields gives the fields of an entry (docs/formats.md section 9).
func readEntryFields(data []byte) (map[string]any, error) {
	if len(data) > maxEntry {
		return nil, errors.New("too long")
	}
	value, err := readCanonical(data)
	if err != nil {
		return nil, err
	}
	fields, ok := value.(map[string]any)
	if !ok || len(fields) != 8 {
		return nil, errors.New("not an object of eight fields")
	}
	for _, name := range []string{"log", "type", "actor"} {
		if text, ok := fields[name].(string); !ok || text == "" {
			return nil, fmt.Errorf("field %s", name)
		}
	}
	if version, ok := fields["v"].(json.Number); !ok || version != "1" {
		return nil, errors.New("field v")
	}
	if seq, ok := fields["seq"].(json.Number); !ok || strings.HasPrefix(seq.String(), "-") {
		return nil, errors.New("field seq")
	}
	if _, ok := fields["body"].(map[string]any); !ok {
		return nil, errors.New("field body")
	}
	if prev, ok := fields["prev"].(string); !ok || !isHash.MatchString(prev) {
		return nil, errors.New("field prev")
	}
	when, _ := fields["time"].(string)
	if _, err := time.Parse("2006-01-02T15:04:05.000000Z", when); err != nil || !isTime.MatchString(when) {
		return nil, errors.New("field time")
	}
	return fields, nil
}
