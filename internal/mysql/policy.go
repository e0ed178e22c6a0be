package mysql

import (
	"path"
	"slices"
)

// AccountScope says whether accounts are part of the source.
type AccountScope string

// Scopes. The empty scope is AllAccounts.
const (
	AllAccounts AccountScope = "all"
	NoAccounts  AccountScope = "none"
)

// ExistingPolicy says what a restore does to an account that exists at the
// target and differs from the captured one. The account that restores is left
// alone in any case.
type ExistingPolicy string

// Policies for existing accounts. The empty policy is KeepExisting.
const (
	KeepExisting    ExistingPolicy = "keep"
	ReplaceExisting ExistingPolicy = "replace"
)

// RefusedPolicy says what a restore does when the target refuses an account or
// a grant.
type RefusedPolicy string

// Policies for what the target refuses. The empty policy is KeepRefused.
const (
	KeepRefused RefusedPolicy = "keep" // all or nothing: the restore fails
	SkipRefused RefusedPolicy = "skip"
)

// DefinerPolicy says what becomes of an object whose definer does not exist at
// the target.
type DefinerPolicy string

// Policies for definers. The empty policy is KeepDefiner.
const (
	KeepDefiner        DefinerPolicy = "keep"         // created with it all the same
	CurrentUserDefiner DefinerPolicy = "current-user" // created with the account that restores
	SkipDefiner        DefinerPolicy = "skip"         // not created
)

func (s *Settings) validatePolicies() error {
	if !slices.Contains([]AccountScope{"", AllAccounts, NoAccounts}, s.Accounts) {
		return invalid("accounts: must be all or none")
	}
	if !slices.Contains([]ExistingPolicy{"", KeepExisting, ReplaceExisting}, s.ExistingAccounts) {
		return invalid("existingAccounts: must be keep or replace")
	}
	if !slices.Contains([]RefusedPolicy{"", KeepRefused, SkipRefused}, s.RefusedAccounts) {
		return invalid("refusedAccounts: must be keep or skip")
	}
	if !slices.Contains([]DefinerPolicy{"", KeepDefiner, CurrentUserDefiner, SkipDefiner}, s.Definers) {
		return invalid("definers: must be keep, current-user or skip")
	}
	for _, pattern := range s.ExcludeAccounts {
		if _, err := path.Match(pattern, ""); err != nil || !isAccountPattern(pattern) {
			return invalid("excludeAccounts: a pattern is not of the form user@host")
		}
	}
	return nil
}
