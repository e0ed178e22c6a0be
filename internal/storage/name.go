package storage

import (
	"fmt"
	"strings"
)

// Limits of names. GCS takes 1024 bytes in all, the prefix of the repository
// included; common file systems take 255 bytes an element.
const (
	maxName    = 1024
	maxElement = 255
)

// CheckName reports what makes name unfit for every driver, or nil. Drivers
// call it wherever a name comes in, so that no name leaves the repository's
// prefix or directory.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("object name is empty")
	}
	if len(name) > maxName {
		return fmt.Errorf("object name %q… has %d bytes, more than %d", name[:64], len(name), maxName)
	}
	for element := range strings.SplitSeq(name, "/") {
		if err := checkElement(element); err != nil {
			return fmt.Errorf("object name %q: %w", name, err)
		}
	}
	return nil
}

// BucketPrefix is what the names of a repository begin with in a bucket: nothing, or a name
// that is fit, and a slash. It may be given with slashes around it.
func BucketPrefix(bucket, prefix string) (string, error) {
	if prefix = strings.Trim(prefix, "/"); prefix == "" {
		return "", nil
	}
	if err := CheckName(prefix); err != nil {
		return "", fmt.Errorf("prefix in bucket %q: %w", bucket, err)
	}
	return prefix + "/", nil
}

// CheckPrefix is CheckName for the prefix of a listing, which may be empty and
// may end anywhere, also after a slash or in the middle of an element.
func CheckPrefix(prefix string) error {
	directory := strings.LastIndexByte(prefix, '/')
	if directory >= 0 {
		if err := CheckName(prefix[:directory]); err != nil {
			return fmt.Errorf("listing prefix: %w", err)
		}
	}
	return checkBytes(prefix[directory+1:])
}

// CheckDir is CheckName for a directory, which is empty or ends in a slash.
func CheckDir(dir string) error {
	if dir == "" {
		return nil
	}
	name, slash := strings.CutSuffix(dir, "/")
	if !slash {
		return fmt.Errorf("directory %q does not end in a slash", dir)
	}
	return CheckName(name)
}

func checkElement(element string) error {
	switch {
	case element == "":
		return fmt.Errorf("an element is empty")
	case element == "." || element == "..":
		return fmt.Errorf("element %q is not allowed", element)
	case len(element) > maxElement:
		return fmt.Errorf("an element has %d bytes, more than %d", len(element), maxElement)
	default:
		return checkBytes(element)
	}
}

func checkBytes(s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return fmt.Errorf("byte %#02x is not printable ASCII", s[i])
		}
	}
	return nil
}
