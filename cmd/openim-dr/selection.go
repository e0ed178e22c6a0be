package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/source"
)

// selections shares --include, --exclude and --rename out to the sources.
func selections(targets []config.Source, flags restoreFlags) (map[string]source.Selection, error) {
	chosen := make(map[string]source.Selection, len(targets))
	for _, t := range targets {
		chosen[t.Name] = source.Selection{Rename: map[string]string{}, MissingOnly: flags.missing, DeleteSurplus: flags.surplus, Versions: flags.versions, Volumes: flags.volumes}
	}
	for _, pattern := range flags.include {
		name, rest, err := ofSource(chosen, "--include", pattern)
		if err != nil {
			return nil, err
		}
		s := chosen[name]
		s.Include = append(s.Include, rest)
		chosen[name] = s
	}
	for _, pattern := range flags.exclude {
		name, rest, err := ofSource(chosen, "--exclude", pattern)
		if err != nil {
			return nil, err
		}
		s := chosen[name]
		s.Exclude = append(s.Exclude, rest)
		chosen[name] = s
	}
	for _, rename := range flags.rename {
		if err := addRename(chosen, rename); err != nil {
			return nil, err
		}
	}
	return chosen, nil
}

// ofSource splits "source/pattern".
func ofSource(chosen map[string]source.Selection, flag, pattern string) (name, rest string, err error) {
	name, rest, _ = strings.Cut(pattern, "/")
	if _, known := chosen[name]; !known || rest == "" {
		return "", "", usage("read flags", "%s %s does not begin with a source that is restored and a slash", flag, pattern).
			Hint("%s SOURCE/SCHEMA.TABLE, SOURCE/BUCKET/PREFIX or SOURCE/NAMESPACE/KIND/NAME; sources: %s", flag, strings.Join(slices.Sorted(maps.Keys(chosen)), ", "))
	}
	return name, rest, nil
}

// addRename gives "source/old=new" to one source and "old=new" to all. What
// stands in backquotes belongs to a name.
func addRename(chosen map[string]source.Selection, rename string) error {
	old, renamed, _ := cutUnquoted(rename, '=')
	if old == "" || renamed == "" {
		return usage("read flags", "--rename %s is not OLD=NEW", rename).
			Hint("--rename SOURCE/OLD=NEW, of a schema, a bucket or a namespace; of a table --rename SOURCE/SCHEMA.TABLE=NEW, of an object of a cluster --rename SOURCE/NAMESPACE/KIND/NAME=NEW")
	}
	if name, rest, found := cutUnquoted(old, '/'); found {
		if s, known := chosen[name]; known && rest != "" {
			s.Rename[rest] = renamed
			return nil
		}
	}
	for _, s := range chosen {
		s.Rename[old] = renamed
	}
	return nil
}

// cutUnquoted cuts at the first separator that is not in backquotes.
func cutUnquoted(text string, separator byte) (before, after string, found bool) {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '`':
			quoted = !quoted
		case text[i] == separator && !quoted:
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}
